import logging
import time

import httpx
import pytest

from bayeslaw.errors import UnavailableError
from bayeslaw.service.limits import TokenBuckets
from bayeslaw.service.security import RedactingFormatter
from bayeslaw.service.security.authenticator import Authenticator
from bayeslaw.service.security.front import Front
from bayeslaw.service.security.gate import TOKEN_KEY, Gate
from bayeslaw.service.tokens import create_token, revoke_token, rotate_token
from bayeslaw.service.tokens.secret import new_secret, redacted
from bayeslaw.store import SqlStore

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


class World:
    """A guarded application that says who calls, its clock, and what it was asked to do."""

    def __init__(self, store, *, trust_s=0.0, requests=1e9, failures=1e9, hosts=None):
        self.now = 1e9
        self.n_served = 0
        self.store = store
        self.authenticator = Authenticator(
            store,
            clock=lambda: self.now,
            trust_s=trust_s,
            requests=TokenBuckets(per_s=0.5, burst=requests),
            failures=TokenBuckets(per_s=0.5, burst=failures),
        )
        transport = httpx.ASGITransport(
            Front(Gate(self.serve, self.authenticator), hosts), client=("10.0.0.1", 1)
        )
        self.client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")

    def made(self, name="scheduler", scopes=("read",), **options):
        return create_token(self.store, name, scopes, at=self.now, **options)

    async def serve(self, scope, receive, send):
        self.n_served += 1
        token = scope.get(TOKEN_KEY)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": token.name.encode() if token else b""})

    async def ask(self, secret=None, path="/v1/studies", **options):
        headers = {} if secret is None else {"Authorization": f"Bearer {secret}"}
        answer = await self.client.get(path, headers={**headers, **options})
        code = answer.json()["code"] if answer.status_code != 200 else answer.text
        return answer.status_code, code


async def test_a_good_token_is_let_in_and_known_by_name(store):
    world = World(store)
    _, secret = world.made()
    assert await world.ask(secret) == (200, "scheduler")
    answer = await world.client.get("/v1/x", headers={"authorization": f"bEaReR  {secret} "})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Basic YTpi", "Token x", "Bearer\tx"],
)
async def test_without_a_token_nothing_is_served(store, authorization):
    world = World(store)
    headers = {} if authorization is None else {"Authorization": authorization}
    for path in ("/", "/v1/studies", "/metrics", "/healthz/", "//healthz", "/healthz/../v1"):
        answer = await world.client.get(path, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "token-missing"), path
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.headers["content-type"] == "application/problem+json"
    assert world.n_served == 0
    assert (await world.client.get("/healthz", headers=headers)).status_code == 200


@pytest.mark.parametrize("change", [lambda s: s[:-1], lambda s: s + "A", str.swapcase, str.upper])
async def test_a_token_that_is_nearly_right_is_unknown(store, change):
    world = World(store)
    _, secret = world.made()
    assert await world.ask(change(secret)) == (401, "token-unknown")
    assert await world.ask(new_secret()) == (401, "token-unknown")
    token = store.tokens()[0]
    assert await world.ask(token.secret_hash) == (401, "token-unknown")
    assert await world.ask(token.token_id) == (401, "token-unknown")


async def test_two_tokens_are_none(store):
    world = World(store)
    _, secret = world.made()
    headers = [("Authorization", f"Bearer {secret}"), ("Authorization", "Bearer x")]
    assert (await world.client.get("/v1/x", headers=headers)).status_code == 401


async def test_a_token_ends_when_it_says(store):
    world = World(store)
    _, secret = world.made(expires_at=world.now + 100)
    world.now += 99.9
    assert await world.ask(secret) == (200, "scheduler")
    world.now += 0.2
    assert await world.ask(secret) == (401, "token-expired")


async def test_after_a_rotation_both_secrets_work_for_a_while(store):
    world = World(store)
    token, first = world.made()
    rotated, second = rotate_token(store, token.token_id, at=world.now, grace_s=3600)
    assert (rotated.name, rotated.scopes) == (token.name, token.scopes)
    assert await world.ask(first) == await world.ask(second) == (200, "scheduler")
    world.now += 3601
    assert await world.ask(first) == (401, "token-unknown")
    assert await world.ask(second) == (200, "scheduler")


async def test_a_second_rotation_ends_the_first_secret_and_no_grace_ends_all_but_the_last(store):
    world = World(store)
    token, first = world.made()
    _, second = rotate_token(store, token.token_id, at=world.now)
    _, third = rotate_token(store, token.token_id, at=world.now)
    assert [(await world.ask(s))[0] for s in (first, second, third)] == [401, 200, 200]
    _, fourth = rotate_token(store, token.token_id, at=world.now, grace_s=0)
    assert [(await world.ask(s))[0] for s in (second, third, fourth)] == [401, 401, 200]


async def test_a_revoked_token_is_out_at_once_with_both_secrets_and_stays_out(store):
    world = World(store, trust_s=60)
    token, first = world.made()
    _, second = rotate_token(store, token.token_id, at=world.now)
    assert (await world.ask(first))[0] == (await world.ask(second))[0] == 200
    revoke_token(store, token.token_id, at=world.now)
    revoke_token(store, token.token_id, at=world.now)
    world.authenticator.forget()
    assert (await world.ask(first))[0] == (await world.ask(second))[0] == 401
    with pytest.raises(Exception, match="revoked"):
        rotate_token(store, token.token_id, at=world.now)


async def test_a_token_revoked_by_another_process_is_out_when_trust_ends(store, store_address):
    world = World(store, trust_s=0.2)
    token, secret = world.made()
    assert (await world.ask(secret))[0] == 200
    with SqlStore(store_address) as other:
        revoke_token(other, token.token_id, at=world.now)
    began = time.monotonic()
    while (await world.ask(secret))[0] == 200:
        assert time.monotonic() - began < 9
    with pytest.raises(Exception, match="revoked"):
        await world.authenticator.recheck(secret)


async def test_a_token_that_asks_too_often_waits_and_others_do_not(store):
    world = World(store, requests=3)
    _, secret = world.made()
    _, other = world.made("other")
    assert [(await world.ask(secret))[0] for _ in range(4)] == [200, 200, 200, 429]
    answer = await world.client.get("/v1/x", headers={"Authorization": f"Bearer {secret}"})
    assert answer.json()["code"] == "rate-limited" and 1 <= int(answer.headers["retry-after"]) <= 3
    assert (await world.ask(other))[0] == 200


async def test_guessing_is_put_off_and_does_not_reach_the_store(store):
    class Counting:
        n_asked = 0

        def token_by_hash(self, secret_hash):
            self.n_asked += 1
            return store.token_by_hash(secret_hash)

    world = World(store, failures=5)
    world.authenticator._store = asked = Counting()
    _, secret = world.made()
    assert (await world.ask(secret))[0] == 200
    statuses = [(await world.ask(new_secret()))[0] for _ in range(50)]
    assert statuses == [401] * 5 + [429] * 45
    assert asked.n_asked == 6
    # Whoever was let in before is let in still, though it calls from the same address.
    assert (await world.ask(secret))[0] == 200


async def test_when_the_store_cannot_be_asked_nobody_is_let_in_nor_called_unknown(store):
    world = World(store)
    _, secret = world.made()

    class Gone:
        def token_by_hash(self, secret_hash):
            raise UnavailableError("cannot use the store: gone")

    world.authenticator._store = Gone()
    assert await world.ask(secret) == (503, "store-unavailable")
    world.authenticator._store = store
    assert (await world.ask(secret))[0] == 200


@pytest.mark.parametrize(
    "path",
    ["/v1/x?token={}", "/v1/x?a=1&access_token={}", "/v1/{}", "/v1/x?q={}", "/v1/x?q=%62law_{}"],
)
async def test_a_token_in_an_address_is_refused_though_it_is_good(store, path):
    world = World(store)
    _, secret = world.made()
    answer = await world.client.get(
        path.format(secret), headers={"Authorization": f"Bearer {secret}"}
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "token-in-url")
    assert secret not in answer.text and world.n_served == 0
    answer = await world.client.get(
        "/v1/x?page_token=abc", headers={"Authorization": f"Bearer {secret}"}
    )
    assert answer.status_code == 200


async def test_a_foreign_host_header_is_refused_where_only_this_machine_may_call(store):
    world = World(store, hosts=("localhost", "127.0.0.1", "[::1]"))
    _, secret = world.made()
    for host in ("127.0.0.1", "127.0.0.1:8080", "LOCALHOST:1", "[::1]:8080", "[::1]"):
        assert await world.ask(secret, Host=host) == (200, "scheduler")
    for host in ("evil.example", "evil.example:8080", "127.0.0.1.evil.example", "[::2]", ""):
        assert await world.ask(secret, Host=host) == (421, "wrong-host")


async def test_every_answer_has_the_headers_that_browsers_heed(store):
    world = World(store)
    _, secret = world.made()
    for headers in ({}, {"Authorization": f"Bearer {secret}"}):
        answer = await world.client.get("/v1/x", headers=headers)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "access-control-allow-origin" not in answer.headers


def test_the_store_holds_no_secret(store, everything):
    token, first = create_token(store, "a", ["admin"], at=1.0)
    _, second = rotate_token(store, token.token_id, at=2.0)
    content = everything()
    assert token.token_id.encode() in content
    for secret in (first, second):
        assert secret.encode() not in content and secret[5:].encode() not in content
    assert first not in repr(token)


@pytest.mark.parametrize(
    ("name", "scopes", "expires_at"),
    [
        ("", ["read"], None),
        ("a\nb", ["read"], None),
        ("a" * 101, ["read"], None),
        ("a", [], None),
        ("a", ["write"], None),
        ("a", ["read"], 1.0),
    ],
)
def test_a_token_that_makes_no_sense_is_not_made(store, name, scopes, expires_at):
    with pytest.raises(ValueError, match=r"token|scopes"):
        create_token(store, name, scopes, at=1.0, expires_at=expires_at)
    assert store.tokens() == []


def test_secrets_in_logs_are_unreadable():
    secret = new_secret()
    formatter = RedactingFormatter("%(message)s")
    try:
        raise RuntimeError(f"wrong {secret}")
    except RuntimeError as error:
        record = logging.LogRecord(
            "x", 20, "f", 1, '"GET %s" %d', (f"/?t={secret}", 4), (type(error), error, None)
        )
    line = formatter.format(record)
    assert secret not in line and secret[:12] not in line and line.count("blaw_***") == 2
    assert redacted("nothing to hide: blaw") == "nothing to hide: blaw"
