"""Every route of openapi.json with every kind of bad credential: 401 or 403, whatever is asked."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.service.service_process import ServiceProcess
from benchmarks.service.studies import lay_plan, study_config
from benchmarks.service.wire import Reply, Wire, open_wire, request_bytes

STUDY = "auth"
OPEN_PATHS = ("/healthz", "/readyz")
_WORKER_VERBS = ("heartbeat", "report", "complete", "fail", "abandon")
# Nothing is behind these; whoever may not come in must not learn that.
_NO_ROUTES = (
    ("GET", "/"), ("GET", "/v1"), ("GET", "/v1/nothing"), ("POST", "/v1/studies/x/runs:nothing"),
    ("GET", "/healthz/"), ("GET", "//v1/studies"), ("GET", "/v1/../v1/studies"),
    ("OPTIONS", "/v1/studies"), ("HEAD", "/v1/studies"), ("TRACE", "/v1/studies"),
    ("PUT", "/v1/studies"), ("GET", "/v1/studies%2f"), ("GET", "/redoc"),
)  # fmt: skip
_BODIES: tuple[tuple[str, bytes | None], ...] = (
    ("no body", None),
    ("an empty object", b"{}"),
    ("not JSON", b"{"),
)


@dataclass
class Findings:
    """Hold what came of the requests.

    Attributes:
        n_requests: Sent [count].
        n_routes: Operations in openapi.json [count].
        statuses: How often each kind of credential was answered what.
        let_in: Answers that should have been 401 or 403 and were not.
        shut_out: Answers to a sufficient token that were 401 or 403.
    """

    n_requests: int = 0
    n_routes: int = 0
    statuses: dict[str, Counter[str]] = field(default_factory=dict)
    let_in: list[str] = field(default_factory=list)
    shut_out: list[str] = field(default_factory=list)


def measure_auth(folder: Path) -> dict[str, Any]:
    """Start a service with something in it and try every route with every bad credential."""
    with ServiceProcess(folder / "home") as service:
        service.make("/v1/studies", {"config": study_config(STUDY)})
        lay_plan(folder / "home" / "study.db", STUDY, 10)
        [token] = service.make_tokens(1)
        run = service.make(f"/v1/studies/{STUDY}/runs:suggest", {"worker_id": "w"})["runs"][0]
        credentials = _credentials(service)
        found = Findings()
        asyncio.run(_try_all(service, run["run_id"], credentials, token, found))
        return {
            "n_requests": found.n_requests,
            "n_routes": found.n_routes,
            "n_let_in": len(found.let_in),
            "let_in": found.let_in[:20],
            "n_shut_out": len(found.shut_out),
            "shut_out": found.shut_out[:20],
            "answers": {kind: dict(counts) for kind, counts in found.statuses.items()},
            "secrets_in_log": _count_secrets(service, [token, *credentials["all"]]),
        }


def needed_scopes(method: str, path: str) -> tuple[str, ...]:
    """Return the scopes of which any one suffices, as the design says; ``admin`` always does.

    >>> needed_scopes("GET", "/v1/studies"), needed_scopes("GET", "/v1/tokens")
    (('read',), ('admin',))
    """
    if path.startswith("/v1/tokens"):
        return ("admin",)
    if path == "/v1/spaces:validate":
        return ("read",)
    if method == "GET":
        return ("read",)
    verb = path.rpartition(":")[2]
    if verb == "requeue":
        return ("report", "plan")
    if verb in _WORKER_VERBS or path.endswith("/measurements"):
        return ("report",)
    return ("plan",)


def _credentials(service: ServiceProcess) -> dict[str, Any]:
    """Return headers by kind of bad credential, and a token for each single scope."""

    def made(name: str, **fields: Any) -> dict[str, Any]:
        asked = {"name": name, "scopes": ["read", "plan", "report", "admin"], **fields}
        return service.make("/v1/tokens", asked)

    expired = made("expired", expires_in_s=0.01)
    revoked, rotated = made("revoked"), made("rotated")
    service.call("DELETE", f"/v1/tokens/{revoked['token_id']}")
    service.make(f"/v1/tokens/{rotated['token_id']}:rotate", {"grace_s": 0})
    good = made("good")["secret"]
    bearer = "Authorization: Bearer "
    bad = {
        "no token": [],
        "an empty token": [bearer],
        "a made-up token": [bearer + "blaw_" + "A" * 43],
        "a good token cut short": [bearer + good[:-1]],
        "a good token in capitals": [bearer + good.upper()],
        "a good token as a password": [f"Authorization: Basic {good}"],
        "two good tokens": [bearer + good, bearer + good],
        "an expired token": [bearer + expired["secret"]],
        "a revoked token": [bearer + revoked["secret"]],
        "a token before its rotation": [bearer + rotated["secret"]],
        "10 kB of token": [bearer + "x" * 10_000],
    }
    scoped = {
        scope: made(f"only {scope}", scopes=[scope])["secret"]
        for scope in ("read", "report", "plan")
    }
    secrets = [good, expired["secret"], revoked["secret"], rotated["secret"], *scoped.values()]
    return {"bad": bad, "scoped": scoped, "all": secrets}


async def _try_all(
    service: ServiceProcess, run_id: str, credentials: Any, token: str, found: Findings
) -> None:
    line = _Line(service.port, found)
    status, document = service.call("GET", "/openapi.json")
    assert status == 200, f"openapi.json is answered {status}"
    routes = list(_routes(document, run_id))
    found.n_routes = len(routes)
    shut = [(m, p) for m, p, template in routes if template not in OPEN_PATHS]
    for kind, headers in credentials["bad"].items():
        # Where there is no route, nobody without a token may learn so.
        for method, path in (*shut, *_NO_ROUTES):
            for what, body in _BODIES if method != "GET" else _BODIES[:1]:
                reply = await line.ask(method, path, headers, body)
                line.note(kind, f"{method} {path} with {what}", reply, must_be=(401,))
    for method, path, template in routes:
        if template in OPEN_PATHS:
            reply = await line.ask(method, path, [], None)
            line.note("open without a token", f"{method} {path}", reply, must_not_be=(401, 403))
            continue
        needed = needed_scopes(method, template)
        for scope, secret in credentials["scoped"].items():
            headers = [f"Authorization: Bearer {secret}"]
            if scope not in needed:
                for what, body in _BODIES if method != "GET" else _BODIES[:1]:
                    reply = await line.ask(method, path, headers, body)
                    line.note(
                        f"only {scope}", f"{method} {path} with {what}", reply, must_be=(403,)
                    )
            elif template != "/v1/studies/{study_id}/runs/{run_id}:requeue":
                reply = await line.ask(method, path, headers, None if method == "GET" else b"{}")
                line.note(
                    f"{scope}, which suffices", f"{method} {path}", reply, must_not_be=(401, 403)
                )
    line.close()


class _Line:
    """Ask one thing after the other, and note what is wrong."""

    def __init__(self, port: int, found: Findings) -> None:
        self._port, self._found = port, found
        self._wire: Wire | None = None

    async def ask(
        self, method: str, path: str, headers: Sequence[str], body: bytes | None
    ) -> Reply:
        """Send it, again when too many bad tokens were tried, until there is a verdict."""
        request = request_bytes(method, path, body=body)
        first, _, rest = request.partition(b"\r\n")
        request = b"\r\n".join([first, *(line.encode() for line in headers), rest])
        while True:
            if self._wire is None or not self._wire.is_open:
                self._wire = await open_wire("127.0.0.1", self._port)
            self._found.n_requests += 1
            async with asyncio.timeout(30):
                if method == "HEAD":
                    # Its answer has no body, which the parser cannot know.
                    reply = await _head(self._port, request)
                else:
                    reply = await self._wire.ask(request)
            if reply.status != 429:
                return reply
            await asyncio.sleep(0.5)

    def note(
        self,
        kind: str,
        what: str,
        reply: Reply,
        *,
        must_be: Sequence[int] = (),
        must_not_be: Sequence[int] = (),
    ) -> None:
        """Count an answer, and keep it when it is wrong."""
        answer = f"{reply.status} {reply.code}".strip()
        self._found.statuses.setdefault(kind, Counter())[answer] += 1
        if must_be and reply.status not in must_be:
            self._found.let_in.append(f"{what}, {kind}: {answer}")
        if reply.status in must_not_be:
            self._found.shut_out.append(f"{what}, {kind}: {answer}")

    def close(self) -> None:
        """End the connection."""
        if self._wire is not None:
            self._wire.close()


async def _head(port: int, request: bytes) -> Reply:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    line = await reader.readline()
    writer.close()
    return Reply(int(line.split()[1]))


def _routes(document: dict[str, Any], run_id: str) -> Iterator[tuple[str, str, str]]:
    """Yield method, path and template of every operation; what would end the run comes last."""
    values = {"study_id": STUDY, "run_id": run_id, "operation_id": "none", "token_id": "none"}
    for template, methods in document["paths"].items():
        path = template
        for name, value in values.items():
            path = path.replace("{" + name + "}", value)
        assert "{" not in path, f"a parameter of {template} has no value here: add it"
        for method in methods:
            if method != "parameters":
                yield method.upper(), path, template


def _count_secrets(service: ServiceProcess, secrets: Sequence[str]) -> int:
    log = service.log()
    return sum(secret in log for secret in secrets)
