"""Workers that repeat every write until it is answered, and note each answer in a ledger.

python -m benchmarks.service.steadfast SPEC.json

Every write carries a mark that ends up in the event it causes, so that the store's own record can be held
against what was acknowledged (`audit`). They work until a file named ``stop`` appears beside the ledger.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from benchmarks.service.wire import Reply, Wire, open_wire, request_bytes

_ROOT = Path(__file__).parents[2]
_HANGS_S = 60.0
ZOMBIE_LEASE_S, LEASE_S = 1.0, 60.0
"""Leases of workers that let them run out, and of all others [s]."""


@dataclass(frozen=True)
class Steadfast:
    """Say who works on what.

    Attributes:
        folder: Of the ledger, and of the file ``stop``.
        port: Of the service on this machine; it stays the same when the service is killed.
        study_id: What is worked on.
        tokens: Shared among workers in turn.
        n_workers: At one time [count].
        seed: Of what they do.
        pause_s: Longest pause between two writes [s].
    """

    folder: str
    port: int
    study_id: str
    tokens: list[str]
    n_workers: int = 40
    seed: int = 0
    pause_s: float = 0.02

    @property
    def ledger(self) -> Path:
        """A line of JSON for each answer."""
        return Path(self.folder) / "ledger.jsonl"

    @property
    def summary(self) -> Path:
        """Written at the end."""
        return Path(self.folder) / "summary.json"

    def begin(self) -> subprocess.Popen[bytes]:
        """Start them in a process of their own."""
        folder = Path(self.folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("stop", "ledger.jsonl", "summary.json"):
            (folder / name).unlink(missing_ok=True)
        (folder / "spec.json").write_text(json.dumps(asdict(self)))
        command = [
            sys.executable, "-m", "benchmarks.service.steadfast", str(folder / "spec.json"),
        ]  # fmt: skip
        return subprocess.Popen(command, cwd=_ROOT)

    def end(self, process: subprocess.Popen[bytes], wait_s: float = 120.0) -> dict[str, Any]:
        """Let them finish what they have begun, and return what they counted."""
        (Path(self.folder) / "stop").touch()
        if process.wait(wait_s) != 0:
            raise RuntimeError("the steadfast workers failed; see above")
        return json.loads(self.summary.read_text())


class _Worker:
    """One worker: a name, a connection, and a way to work that its number decides."""

    def __init__(self, spec: Steadfast, number: int, ledger: TextIO, counts: Counter[str]) -> None:
        self._spec, self._number, self._ledger, self._counts = spec, number, ledger, counts
        self._chance = random.Random(f"{spec.seed}-{number}")
        self._wire: Wire | None = None
        self._n_written = 0
        # One name, one way to work: the audit knows from it how long its leases last.
        self.is_zombie = number % 10 == 7
        self.worker_id = f"{'zombie' if self.is_zombie else 'worker'}-{number}"
        self._lease_s = ZOMBIE_LEASE_S if self.is_zombie else LEASE_S
        self._stop = Path(spec.folder) / "stop"

    async def work(self) -> None:
        while not self._stop.exists():
            if self._number % 10 == 5:
                await self._add_history()
            else:
                await self._do_a_run()
        if self._wire is not None:
            self._wire.close()

    async def _do_a_run(self) -> None:
        mark = self._mark()
        body = {"worker_id": self.worker_id, "lease_s": self._lease_s, "device": mark}
        reply = await self._write("runs:suggest", body, mark)
        runs = reply.json().get("runs") if reply.status == 200 else None
        if not runs:
            await asyncio.sleep(0.1)
            return
        run = f"runs/{runs[0]['run_id']}"
        by = {"worker_id": self.worker_id}
        if self.is_zombie:
            await asyncio.sleep(ZOMBIE_LEASE_S * self._chance.uniform(0.5, 3.0))
        else:
            mark = self._mark()
            beat = {**by, "lease_s": self._lease_s, "progress": {"mark": mark}}
            await self._write(f"{run}:heartbeat", beat, mark)
            await self._report(run, by)
        if self._number % 10 == 8 and self._chance.random() < 0.5:
            mark = self._mark()
            await self._write(f"{run}:requeue", {**by, "reason": mark}, mark)
        elif self._number % 10 == 9:
            mark = self._mark()
            await self._write(f"{run}:fail", {**by, "reason": mark, "cost_gpu_hours": 0.01}, mark)
        else:
            mark = self._mark()
            result = {
                **by, "loss_nats": 2 + self._chance.random(), "cost_gpu_hours": 0.01,
                "record": {"mark": mark},
            }  # fmt: skip
            await self._write(f"{run}:complete", result, mark)
            if self._chance.random() < 0.2:
                # Delivered again under another key: content tells that it is the same.
                await self._write(f"{run}:complete", result, f"{mark}-again")

    async def _report(self, run: str, by: dict[str, str]) -> None:
        mark = self._mark()
        # A point has no room for words, so its step is the mark.
        point = {"n_tokens": 1000, "loss_nats": 3.5, "step": _as_number(mark)}
        await self._write(f"{run}:report", {**by, "points": [point]}, mark)

    async def _add_history(self) -> None:
        mark = self._mark()
        runs = [
            {
                "status": "done", "n_tokens": 1000 + i, "loss_nats": 3.0,
                "columns": {"n_params": 1e6}, "record": {"mark": f"{mark}/{i}"},
            }
            for i in range(3)
        ]  # fmt: skip
        await self._write("runs", {"runs": runs}, mark)
        await asyncio.sleep(0.3)

    async def _write(self, where: str, body: dict[str, Any], mark: str) -> Reply:
        """Send until there is an answer that is not 503, and note it."""
        token_number = self._number % len(self._spec.tokens)
        path = f"/v1/studies/{self._spec.study_id}/{where}"
        content = json.dumps(body).encode()
        request = request_bytes(
            "POST", path, token=self._spec.tokens[token_number], body=content, key=mark
        )
        n_sent = 0
        while True:
            n_sent += 1
            try:
                wire = await self._connected()
                async with asyncio.timeout(_HANGS_S):
                    reply = await wire.ask(request)
            except TimeoutError:
                self._counts["hung"] += 1
                self._drop()
                continue
            except ConnectionRefusedError:
                self._counts["found nobody"] += 1
                await asyncio.sleep(0.1)
                continue
            except OSError:
                self._counts["cut off"] += 1
                self._drop()
                await asyncio.sleep(0.02)
                continue
            self._counts[f"{reply.status} {reply.code}".strip()] += 1
            if reply.status not in (429, 503):
                break
            await asyncio.sleep(0.2)
        line = {
            "at": time.time(),
            "worker_id": self.worker_id,
            "where": where,
            "mark": mark,
            "token": token_number,
            "body": content.decode(),
            "n_sent": n_sent,
            "status": reply.status,
            "code": reply.code,
            "answer": reply.json(),
            "answer_sha256": hashlib.sha256(reply.body).hexdigest(),
        }
        self._ledger.write(json.dumps(line) + "\n")
        await asyncio.sleep(self._chance.random() * self._spec.pause_s)
        return reply

    async def _connected(self) -> Wire:
        if self._wire is None or not self._wire.is_open:
            self._wire = await open_wire("127.0.0.1", self._spec.port)
        return self._wire

    def _drop(self) -> None:
        if self._wire is not None:
            self._wire.close()
        self._wire = None

    def _mark(self) -> str:
        self._n_written += 1
        return f"{self._spec.seed}-{self._number}-{self._n_written}"


def _as_number(mark: str) -> int:
    """Return a step that no other mark has.

    >>> _as_number("1-2-3")
    1000020000003
    """
    seed, number, written = (int(part) for part in mark.split("-"))
    return (seed * 10**5 + number) * 10**7 + written


async def _run(spec: Steadfast) -> None:
    counts: Counter[str] = Counter()
    with spec.ledger.open("w") as ledger:
        await asyncio.gather(
            *(_Worker(spec, i, ledger, counts).work() for i in range(spec.n_workers))
        )
    spec.summary.write_text(json.dumps(dict(counts)))


def main(spec_path: str) -> None:
    """Work until told to stop."""
    import uvloop

    uvloop.run(_run(Steadfast(**json.loads(Path(spec_path).read_text()))))


if __name__ == "__main__":
    main(*sys.argv[1:])
