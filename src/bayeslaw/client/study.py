"""A study on a planning service: its runs, what to run next, what is believed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import quote

from bayeslaw.client import types
from bayeslaw.client.event_stream import follow_events, read_events
from bayeslaw.client.held_run import HeldRun, holding
from bayeslaw.client.leased_runs import LeasedRuns
from bayeslaw.client.message import Message
from bayeslaw.client.operations import LONGEST_WAIT_S, wait_for_operation
from bayeslaw.client.pages import pages
from bayeslaw.client.retrying import retry_after_s
from bayeslaw.client.transport import Transport
from bayeslaw.errors import UnavailableError

AnyMessage = TypeVar("AnyMessage", bound=Message)
AnyRun = types.RunDocument | str


class RemoteStudy:
    """Work on one study over HTTP; `Client.study` makes one, without asking the server.

    Every call may raise what `bayeslaw.errors` lists, as the service said it, and
    `UnavailableError` when the service was away for longer than the client's patience. A run is
    given by its name or as the service handed it out.
    """

    def __init__(self, transport: Transport, study_id: str) -> None:
        self.study_id = study_id
        self._transport = transport
        self._path = f"v1/studies/{quote(study_id, safe='')}"

    # The study itself.

    def get(self) -> types.StudyDocument:
        """Return the study as it now stands."""
        return self._read(types.StudyDocument, "")

    def set_state(self, state: Literal["active", "paused", "closed"]) -> types.StudyDocument:
        """Pause it, close it, or let it go on; a study that is not active hands out nothing."""
        answer = self._transport.call("PATCH", self._path, body={"state": state})
        return types.StudyDocument.read(answer.content)

    # What to run next.

    def suggest(
        self,
        worker_id: str,
        *,
        count: int = 1,
        max_gpu_hours: float | None = None,
        device: str = "",
        lease_s: float = 300.0,
        wait_s: float = 0.0,
    ) -> LeasedRuns:
        """Lease the runs that are worth doing next; those this worker still holds come first.

        Args:
            worker_id: One name, one worker: who asks again under it gets the same runs back.
            count: How many runs this worker shall hold [count].
            max_gpu_hours: What one run may take [h].
            device: Where it would be trained.
            lease_s: Without a heartbeat for so long the runs are handed to others [s].
            wait_s: How long to wait for the planner, or for others' results [s].

        Returns:
            A sequence of runs; when it is empty, its ``reason`` says why, and whether that passes.
        """
        body: dict[str, Any] = {
            "worker_id": worker_id, "count": count, "lease_s": lease_s, "device": device,
            "max_gpu_hours": max_gpu_hours,
        }  # fmt: skip
        deadline = time.monotonic() + wait_s
        while True:
            asked_s = min(max(0.0, deadline - time.monotonic()), LONGEST_WAIT_S)
            answer = self._transport.call(
                "POST",
                f"{self._path}/runs:suggest",
                body={**body, "wait_s": asked_s},
                wait_s=asked_s,
            )
            found = LeasedRuns.of_answer(answer.status_code, answer.content)
            left_s = deadline - time.monotonic()
            if found or left_s <= 0 or (found.reason is not None and not found.reason.passes):
                return found
            time.sleep(min(left_s, retry_after_s(answer.headers.get("Retry-After"))))

    @contextmanager
    def working(
        self,
        worker_id: str,
        *,
        max_gpu_hours: float | None = None,
        device: str = "",
        lease_s: float = 300.0,
        wait_s: float = 0.0,
    ) -> Iterator[HeldRun | None]:
        """Lease a run, as `suggest` does, and keep it by heartbeats while the block runs.

        The block gets None when there is nothing to do within ``wait_s``. It ends the run by ``complete``, ``fail``,
        ``abandon`` or ``requeue``. If it leaves without, the run is given up: requeued, uncounted,
        when the worker was told to end (KeyboardInterrupt, SystemExit), else abandoned with the
        error as the reason, so that a broken script does not take the same run for ever.
        """
        found = self.suggest(
            worker_id, max_gpu_hours=max_gpu_hours, device=device, lease_s=lease_s, wait_s=wait_s
        )
        if not found:
            yield None
            return
        with holding(self, found[0], worker_id, lease_s) as held:
            yield held

    # A run on its way.

    def heartbeat(
        self,
        run: AnyRun,
        *,
        worker_id: str,
        lease_s: float = 300.0,
        progress: Mapping[str, Any] | None = None,
        patience_s: float | None = None,
    ) -> types.ShouldStop:
        """Renew a lease; raises `LeaseLostError` when the run is not this worker's any more."""
        body = {"worker_id": worker_id, "lease_s": lease_s, "progress": dict(progress or {})}
        return self._tell(
            types.ShouldStop, run, "heartbeat", body, patience_s=patience_s, is_keyed=False
        )

    def report(
        self, run: AnyRun, points: Sequence[Mapping[str, Any]], *, worker_id: str
    ) -> types.ShouldStop:
        """Tell losses on the way: ``{"n_tokens", "loss_nats", "step"?, "loss_stderr"?}``."""
        body = {"worker_id": worker_id, "points": points}
        return self._tell(types.ShouldStop, run, "report", body)

    def complete(
        self,
        run: AnyRun,
        *,
        loss_nats: float,
        cost_gpu_hours: float,
        worker_id: str | None = None,
        **details: Any,
    ) -> types.RunAndOutcome:
        """End a run with its final loss; of two results the first stands.

        Args:
            run: It may have been taken back meanwhile: a late result is accepted and marked.
            loss_nats: Of the finished schedule [nats per token].
            cost_gpu_hours: Device-hours it took [h].
            worker_id: Who trained it.
            details: ``loss_stderr``, ``bits_per_byte``, ``curve``, ``record``, ``measurement``.
        """
        body = {"loss_nats": loss_nats, "cost_gpu_hours": cost_gpu_hours, "worker_id": worker_id}
        return self._tell(types.RunAndOutcome, run, "complete", {**body, **details})

    def fail(
        self, run: AnyRun, reason: str, *, cost_gpu_hours: float = 0.0, worker_id: str | None = None
    ) -> types.RunAndOutcome:
        """End a run because training failed: the planner learns that such shapes do not train."""
        body = {"reason": reason, "cost_gpu_hours": cost_gpu_hours, "worker_id": worker_id}
        return self._tell(types.RunAndOutcome, run, "fail", body)

    def abandon(
        self, run: AnyRun, reason: str, *, cost_gpu_hours: float = 0.0, worker_id: str | None = None
    ) -> types.RunAndOutcome:
        """Give a run up without knowing how it would have ended: the planner learns nothing."""
        body = {"reason": reason, "cost_gpu_hours": cost_gpu_hours, "worker_id": worker_id}
        return self._tell(types.RunAndOutcome, run, "abandon", body)

    def requeue(
        self, run: AnyRun, reason: str, *, worker_id: str | None = None
    ) -> types.RunDocument:
        """Give a run back, for whoever asks next."""
        body = {"reason": reason, "worker_id": worker_id}
        return self._tell(types.ChangedRun, run, "requeue", body).run

    def stop(self, run: AnyRun, reason: str, *, cost_gpu_hours: float = 0.0) -> types.RunDocument:
        """End a run because somebody decided so; its worker hears of it with its heartbeat."""
        body = {"reason": reason, "cost_gpu_hours": cost_gpu_hours}
        return self._tell(types.ChangedRun, run, "stop", body).run

    def supersede(self, run: AnyRun, reason: str) -> types.RunDocument:
        """Retract a done run's loss; it stays on record, no law learns from it."""
        return self._tell(types.ChangedRun, run, "supersede", {"reason": reason}).run

    # What there is, and what is added.

    def run(self, run_id: str) -> types.RunDocument:
        """Return one run."""
        return self._read(types.RunDocument, f"/runs/{quote(run_id, safe='')}")

    def runs(
        self, *, status: str | Sequence[str] | None = None, worker_id: str | None = None
    ) -> Iterator[types.RunDocument]:
        """Yield the runs, in the order they were added."""
        asked = {"status": status, "worker_id": worker_id}
        for page in pages(self._transport, types.RunPage, f"{self._path}/runs", asked):
            yield from page.runs

    def add_runs(self, runs: Iterable[Any]) -> list[str]:
        """Add planned runs, and done ones that were trained before, all or none; return names.

        Args:
            runs: Mappings as the service's body has them, or `bayeslaw.runs.Run`.
        """
        body = {"runs": [_told(run) for run in runs]}
        answer = self._transport.call("POST", f"{self._path}/runs", body=body)
        return types.RunNames.read(answer.content).run_ids

    def measurements(self) -> Iterator[types.MeasurementDocument]:
        """Yield the latency measurements, in the order they were added."""
        path = f"{self._path}/measurements"
        for page in pages(self._transport, types.MeasurementPage, path):
            yield from page.measurements

    def add_measurements(self, measurements: Iterable[Mapping[str, Any]]) -> list[str]:
        """Add latency measurements and return their names.

        Args:
            measurements: ``{"measurement", "cost_gpu_hours"?, "run_id"?, "measurement_id"?}``,
                each ``measurement`` a `bayeslaw.runs.Measurement` or its content.
        """
        body = {"measurements": list(measurements)}
        answer = self._transport.call("POST", f"{self._path}/measurements", body=body)
        return types.MeasurementNames.read(answer.content).measurement_ids

    def events(
        self,
        since: int = 0,
        *,
        follow: bool = False,
        run_id: str | None = None,
        kinds: Sequence[str] = (),
    ) -> Iterator[types.EventDocument]:
        """Yield what happened after the event of that number, oldest first, each once.

        Args:
            since: 0 for all there is.
            follow: Wait for more without end, over connections that break.
            run_id: Only of this run.
            kinds: Only of these, such as ``run_done``.
        """
        path, asked = f"{self._path}/events", {"run_id": run_id, "kind": list(kinds) or None}
        return (follow_events if follow else read_events)(self._transport, path, since, asked)

    # What is believed.

    def plan(self) -> types.PlanDocument:
        """Return what would be run next, in order, and why."""
        return self._read(types.PlanDocument, "/plan")

    def recommendation(
        self,
        *,
        n_params: int | None = None,
        n_tokens: int | None = None,
        limits: Sequence[str] = (),
        objectives: Sequence[str] = (),
        wait_s: float = 600.0,
    ) -> dict[str, Any]:
        """Return the architecture for a target, with intervals; the study's own when none is given.

        Args:
            n_params: Weights of the network to choose [count].
            n_tokens: Tokens it will be trained on [count].
            limits: Comparisons that must hold, such as ``tpot_ms <= 0.95 * baseline``.
            objectives: What is wanted, such as ``-loss_nats``.
            wait_s: How long to wait while the planner works it out [s].

        Raises:
            UnavailableError: It takes longer; the message names the operation.
        """
        asked_s = min(wait_s, LONGEST_WAIT_S)
        params = {
            "n_params": n_params, "n_tokens": n_tokens, "limit": list(limits) or None,
            "objective": list(objectives) or None, "wait_s": asked_s,
        }  # fmt: skip
        answer = self._transport.call(
            "GET", f"{self._path}/recommendations", params=params, wait_s=asked_s
        )
        if answer.status_code == 200:
            return types.Recommendation.read(answer.content).model_dump()
        asked = types.RecommendationAsked.read(answer.content).operation
        found = wait_for_operation(self._transport, asked.operation_id, wait_s - asked_s)
        if found.result is None:
            raise UnavailableError(
                f"the planner still works on it; ask `operation({asked.operation_id!r})` later"
            )
        return found.result

    def posterior(self) -> types.Posterior:
        """Return every law's coefficients, with intervals and weights."""
        return self._read(types.Posterior, "/posterior")

    def download_posterior(self, path: Path | str, *, law: str | None = None) -> Path:
        """Write a law's posterior draws to a NetCDF file, whole or not at all; the best law's."""
        answer = self._transport.call(
            "GET",
            f"{self._path}/posterior",
            params={"law": law},
            headers={"Accept": "application/x-netcdf"},
        )
        path = Path(path)
        partial = path.with_name(path.name + ".partial")
        partial.write_bytes(answer.content)
        return partial.replace(path)

    def diagnostics(self) -> types.Diagnostics:
        """Return what to know before one believes the rest."""
        return self._read(types.Diagnostics, "/diagnostics")

    def _read(self, kind: type[AnyMessage], path: str) -> AnyMessage:
        return kind.read(self._transport.call("GET", self._path + path).content)

    def _tell(
        self,
        kind: type[AnyMessage],
        run: AnyRun,
        verb: str,
        body: Mapping[str, Any],
        *,
        patience_s: float | None = None,
        is_keyed: bool = True,
    ) -> AnyMessage:
        name = run if isinstance(run, str) else run.run_id
        path = f"{self._path}/runs/{quote(name, safe='')}:{verb}"
        answer = self._transport.call(
            "POST", path, body=body, patience_s=patience_s, is_keyed=is_keyed
        )
        return kind.read(answer.content)


def _told(run: Any) -> Any:
    """Return a run as the service takes it; a `bayeslaw.runs.Run` carries fields it must not."""
    if not hasattr(run, "to_dict"):
        return run
    return {name: value for name, value in run.to_dict().items() if value not in (None, "", {})}
