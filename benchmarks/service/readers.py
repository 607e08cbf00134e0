"""Readers that ask at a fixed rate whatever the answers take: an open loop."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.service.latencies import Latencies
from benchmarks.service.wire import Wire, open_wire, request_bytes

KINDS = ("GET run", "GET study", "GET runs", "GET plan", "GET events")


@dataclass(frozen=True)
class Readers:
    """Say what is read and how often.

    Attributes:
        port: Of the service on this machine.
        study_id: What is read.
        tokens: Shared in turn.
        per_s: Requests begun, at random moments (Poisson), the five `KINDS` in turn [1/s].
        n_connections: Kept; a request that finds none free waits, and that counts [count].
        seed: Of the moments.
    """

    port: int
    study_id: str
    tokens: Sequence[str]
    per_s: float = 150.0
    n_connections: int = 64
    seed: int = 0

    async def read(self, latencies: Latencies, run_ids: Sequence[str]) -> None:
        """Read until the window is over.

        Args:
            latencies: Where times go, each from the moment it was meant to be sent.
            run_ids: Names to ask for; may grow meanwhile.
        """
        chance = random.Random(self.seed)
        free: asyncio.Queue[Wire] = asyncio.Queue()
        for _ in range(self.n_connections):
            free.put_nowait(await open_wire("127.0.0.1", self.port))
        meant_at = time.perf_counter()
        last_seq = await self._last_seq(free)
        asked: set[asyncio.Task[None]] = set()
        number = 0
        while True:
            meant_at += chance.expovariate(self.per_s)
            if meant_at >= latencies.end:
                break
            wait_s = meant_at - time.perf_counter()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            kind = KINDS[number % len(KINDS)]
            path = self._path(kind, chance, run_ids, last_seq)
            token = self.tokens[number % len(self.tokens)]
            task = asyncio.create_task(self._ask(kind, path, token, meant_at, free, latencies))
            asked.add(task)
            task.add_done_callback(asked.discard)
            number += 1
        await asyncio.gather(*asked)
        while not free.empty():
            free.get_nowait().close()

    async def _ask(
        self,
        kind: str,
        path: str,
        token: str,
        meant_at: float,
        free: asyncio.Queue[Wire],
        latencies: Latencies,
    ) -> None:
        wire = await free.get()
        try:
            if not wire.is_open:
                wire = await open_wire("127.0.0.1", self.port)
            reply = await wire.ask(request_bytes("GET", path, token=token))
            status = f"{reply.status} {reply.code}".strip()
        except ConnectionError as error:
            status = f"connection: {error}"
        finally:
            free.put_nowait(wire)
        latencies.add(kind, meant_at, time.perf_counter(), status)

    def _path(self, kind: str, chance: random.Random, run_ids: Sequence[str], last_seq: int) -> str:
        study = f"/v1/studies/{self.study_id}"
        if kind == "GET run" and run_ids:
            return f"{study}/runs/{chance.choice(run_ids)}"
        return {
            "GET runs": f"{study}/runs?page_size=20",
            "GET plan": f"{study}/plan",
            "GET events": f"{study}/events?since={chance.randrange(last_seq + 1)}&limit=100",
        }.get(kind, study)

    async def _last_seq(self, free: asyncio.Queue[Wire]) -> int:
        wire = await free.get()
        reply = await wire.ask(
            request_bytes("GET", f"/v1/studies/{self.study_id}", token=self.tokens[0])
        )
        free.put_nowait(wire)
        return int(reply.json()["last_seq"])
