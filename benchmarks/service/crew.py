"""Workers that ask for runs, keep them alive, report and complete them, without training."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.service.latencies import Latencies
from benchmarks.service.wire import Reply, Wire, open_wire, request_bytes

VERBS = ("suggest", "heartbeat", "report", "complete")


@dataclass(frozen=True)
class Crew:
    """Say who works and how fast.

    Attributes:
        port: Of the service on this machine.
        study_id: What is worked on.
        tokens: Shared among the workers in turn.
        n_workers: At one time [count].
        cycle_s: Time a worker takes for a run, its four requests spread over it evenly, whatever
            the service does [s]; 0 to send each as soon as the one before is answered.
        lease_s: Asked for [s].
        name: First part of the workers' names.
    """

    port: int
    study_id: str
    tokens: Sequence[str]
    n_workers: int = 200
    cycle_s: float = 0.0
    lease_s: float = 300.0
    name: str = "w"

    async def work(self, latencies: Latencies, run_ids: list[str]) -> dict[str, Any]:
        """Work until the window is over; return what else happened.

        Args:
            latencies: Where times go.
            run_ids: Where names of completed runs go, for those who read.
        """
        begin = time.perf_counter()
        others: dict[str, Any] = {"errors": [], "n_waited_for_a_plan": 0, "completed_at": []}
        await asyncio.gather(
            *(self._one(i, begin, latencies, run_ids, others) for i in range(self.n_workers))
        )
        return others

    async def _one(
        self, i: int, begin: float, latencies: Latencies, run_ids: list[str], others: dict[str, Any]
    ) -> None:
        wire = await open_wire("127.0.0.1", self.port)
        token = self.tokens[i % len(self.tokens)]
        worker_id = f"{self.name}-{i}"
        # Workers do not come all at once, and end as they are.
        start = begin + (i / self.n_workers) * (self.cycle_s or 0.5)
        await _until(start)
        cycle = 0
        try:
            while True:
                meant_at = start + cycle * self.cycle_s if self.cycle_s else time.perf_counter()
                if meant_at >= latencies.end:
                    return
                await _until(meant_at)
                run = await self._suggest(wire, token, worker_id, meant_at, latencies, others)
                if run is None:
                    if time.perf_counter() >= latencies.end:
                        return
                    continue
                run_id = run["run_id"]
                path = f"/v1/studies/{self.study_id}/runs/{run_id}"
                key = f"{worker_id}-{run_id}"
                for step, (verb, body) in enumerate(self._bodies(worker_id, run), 1):
                    if self.cycle_s:
                        meant_at = start + (cycle + step / len(VERBS)) * self.cycle_s
                        await _until(meant_at)
                    else:
                        meant_at = time.perf_counter()
                    request = request_bytes(
                        "POST", f"{path}:{verb}", token=token, body=body, key=f"{key}-{verb}"
                    )
                    reply = await wire.ask(request)
                    now = time.perf_counter()
                    latencies.add(verb, meant_at, now, _status(reply))
                    if reply.status != 200:
                        break
                    if verb == "complete":
                        run_ids.append(run_id)
                        others["completed_at"].append(now)
                cycle += 1
        except ConnectionError as error:
            others["errors"].append(f"{worker_id}: {error}")
        finally:
            wire.close()

    async def _suggest(
        self,
        wire: Wire,
        token: str,
        worker_id: str,
        meant_at: float,
        latencies: Latencies,
        others: dict[str, Any],
    ) -> dict[str, Any] | None:
        body = {"worker_id": worker_id, "lease_s": self.lease_s}
        request = request_bytes(
            "POST",
            f"/v1/studies/{self.study_id}/runs:suggest",
            token=token,
            body=body,
            key=f"{worker_id}-{time.perf_counter_ns()}",
        )
        reply = await wire.ask(request)
        latencies.add("suggest", meant_at, time.perf_counter(), _status(reply))
        if reply.status == 200 and (runs := reply.json()["runs"]):
            return runs[0]
        others["n_waited_for_a_plan"] += 1
        await asyncio.sleep(0.1)
        return None

    def _bodies(self, worker_id: str, run: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        by = {"worker_id": worker_id}
        return [
            ("heartbeat", {**by, "lease_s": self.lease_s, "progress": {"step": 1}}),
            ("report", {**by, "points": [{"n_tokens": 1000, "loss_nats": 3.5}]}),
            ("complete", {**by, "loss_nats": _loss(run), "cost_gpu_hours": 0.01}),
        ]


def _loss(run: dict[str, Any]) -> float:
    """Return what Chinchilla's law says of a run, so that a planner has something to learn from."""
    shape = run["architecture"]
    n_params = 12 * shape["n_layers"] * shape["d_model"] ** 2
    return 1.69 + 406.4 / n_params**0.34 + 410.7 / run["n_tokens"] ** 0.28


async def _until(moment: float) -> None:
    wait_s = moment - time.perf_counter()
    if wait_s > 0:
        await asyncio.sleep(wait_s)


def _status(reply: Reply) -> str:
    return f"{reply.status} {reply.code}".strip()
