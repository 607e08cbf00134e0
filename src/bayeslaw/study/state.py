"""What a study remembers and who works on what; no model, no planning."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from bayeslaw.errors import InvalidInputError, StateError
from bayeslaw.runs import JobResult, Measurement, Run
from bayeslaw.store import (
    Document,
    Event,
    Store,
    StoredMeasurement,
    StoredRun,
    StudyStatus,
)
from bayeslaw.study import leases
from bayeslaw.study.handing_out import anchor, hand_out, take_back

MAX_LOST = 3
"""Leases of a run that may run out, unless told otherwise [count]."""

# Whoever asks for runs takes back this many first; the rest is the next one's to do.
_TAKEN_BACK_AT_ONCE = 64


class StudyState:
    """Keep the runs of one study and hand them out, each to one live worker at a time.

    Every change is in the store before the call returns, and every call reads the store afresh,
    so any number of processes may each hold a state of the same study, and one that was killed
    goes on where it was. Reading never changes anything. Inside a `Store.transaction` of the same
    thread, changes are a part of that, and durable when it is.

    A lease that runs out gives the run back, to be handed out again; after ``max_lost`` of
    these the run is abandoned. The work may still arrive: a late result is accepted as long as
    the run has no other, and of two results the first stands, the second is kept as an event.

    Args:
        store: Where the study is kept.
        study_id: Of an existing study; `create` begins one.
        clock: Returns the present time [s since 1970].
        max_lost: Leases that may run out before a run counts as abandoned [count].

    Raises:
        NotFoundError: The store has no such study.
    """

    def __init__(
        self,
        store: Store,
        study_id: str,
        *,
        clock: Callable[[], float] = time.time,
        max_lost: int = MAX_LOST,
    ) -> None:
        if max_lost < 1:
            raise InvalidInputError(f"max_lost must be at least 1, got {max_lost}")
        self._store = store
        self._clock = clock
        self._max_lost = max_lost
        self.study_id = study_id
        self.config = store.config(study_id)

    @classmethod
    def create(
        cls,
        store: Store,
        study_id: str,
        config: Mapping[str, Any],
        *,
        clock: Callable[[], float] = time.time,
        max_lost: int = MAX_LOST,
    ) -> StudyState:
        """Begin a study, or open it if it was begun with this very config.

        Raises:
            StateError: A study of that name exists with another config.
            InvalidInputError: The name is empty or the config is not JSON.
        """
        try:
            store.create_study(study_id, config, at=clock())
        except StateError:
            # JSON has no tuples, so compare what the store would hold.
            if store.config(study_id) != json.loads(json.dumps(config)):
                raise StateError(
                    f"study {study_id!r} exists with another config; open it as it is, or give "
                    f"the new one another name"
                ) from None
        return cls(store, study_id, clock=clock, max_lost=max_lost)

    def close(self) -> None:
        """Close the store; closing twice is harmless."""
        self._store.close()

    # What there is.

    def runs(self) -> list[Run]:
        """Return all runs, in the order they were added."""
        return [entry.run for entry in self._store.runs(self.study_id)]

    def run(self, run_id: str) -> Run:
        """Return one run, or raise `NotFoundError`."""
        return self._store.run(self.study_id, run_id).run

    def pending(self) -> list[Run]:
        """Return the runs whose result is still to come: planned, leased or running."""
        return [entry.run for entry in self._store.runs(self.study_id, statuses=leases.OPEN)]

    def measurements(self) -> dict[str, Measurement]:
        """Return all latency measurements by name, in the order they were added."""
        stored = self._store.measurements(self.study_id)
        return {entry.measurement_id: entry.measurement for entry in stored}

    def events(self, since: int = 0, *, limit: int | None = None) -> list[Event]:
        """Return what happened after the event numbered ``since``, oldest first."""
        return self._store.events(self.study_id, since=since, limit=limit)

    def spent_gpu_hours(self) -> float:
        """Return the device-hours this study paid for [h].

        Counted: ended runs (failed and stopped ones too), timings, and results that came second.
        Not counted: imported runs, which somebody paid before, and work that was lost.
        """
        return self._store.tallies(self.study_id).spent_gpu_hours

    def status(self) -> dict[str, Any]:
        """Return where the study stands, JSON-ready."""
        now = self._clock()
        with self._store.reading() as reader:
            held = reader.runs(self.study_id, statuses=("leased", "running"))
            tallies = reader.tallies(self.study_id)
            return {
                "study_id": self.study_id,
                "runs": dict(sorted(tallies.runs.items())),
                "n_superseded": tallies.n_superseded,
                "n_measurements": tallies.n_measurements,
                "spent_gpu_hours": tallies.spent_gpu_hours,
                "leases": [
                    {
                        "run_id": entry.run.run_id,
                        "worker_id": entry.holder,
                        "seconds_left": (entry.expires_at or now) - now,
                        "n_lost": entry.n_lost,
                    }
                    for entry in held
                ],
            }

    def document(self, name: str, *, version: int | None = None) -> Document:
        """Return a named document, the latest unless a version is given, or raise `NotFoundError`."""
        return self._store.document(self.study_id, name, version=version)

    # What is added.

    def add_runs(self, runs: Iterable[Run], *, documents: Mapping[str, Any] | None = None) -> None:
        """Add planned runs, and done ones that somebody trained elsewhere; all or none.

        Args:
            runs: Planned or done; ``purpose="imported"`` keeps their cost out of what was spent.
            documents: Written in the same stroke, such as the plan these runs come from.

        Raises:
            InvalidInputError: A run is neither planned nor done, or appears twice.
            StateError: A run of that name is there already.
        """
        runs = list(runs)
        for run in runs:
            if run.status not in ("planned", "done"):
                raise InvalidInputError(
                    f"run {run.run_id!r} is {run.status}; only planned and done runs are added"
                )
        if twice := [name for name, n in Counter(run.run_id for run in runs).items() if n > 1]:
            raise InvalidInputError(f"run name(s) {twice} appear twice; names are unique")
        if not runs and not documents:
            return
        events = [self._event(f"run_{run.status}", run.run_id, purpose=run.purpose) for run in runs]
        entries = [(StoredRun(run), event) for run, event in zip(runs, events, strict=True)]
        with self._store.changing(self.study_id) as change:
            if entries:
                change.add_runs(entries)
            for name, payload in (documents or {}).items():
                change.put_document(name, payload, self._event("document_written", name=name))

    def add_measurement(
        self,
        measurement: Measurement,
        *,
        measurement_id: str | None = None,
        cost_gpu_hours: float = 0.0,
        run_id: str = "",
    ) -> str:
        """Add a measurement and return its name; adding it again changes nothing.

        Args:
            measurement: What was timed.
            measurement_id: Unique in this study; a hash of the content when left out.
            cost_gpu_hours: Device-hours that timing took.
            run_id: The run whose network was timed, if it was one's.

        Raises:
            NotFoundError: No such run.
            StateError: Another measurement has that name.
            InvalidInputError: The cost is negative or not a number.
        """
        _check_cost(cost_gpu_hours, "the measurement")
        if measurement_id is None:
            content = json.dumps(measurement.to_dict(), sort_keys=True)
            measurement_id = "m-" + hashlib.sha256(content.encode()).hexdigest()[:16]
        entry = StoredMeasurement(measurement_id, measurement, cost_gpu_hours, run_id)
        event = self._event("measurement_added", run_id, measurement_id=measurement_id)
        with self._store.changing(self.study_id) as change:
            if run_id:
                change.run(run_id)
            if change.reader.measurement(self.study_id, measurement_id) != entry:
                change.add_measurement(entry, event)
        return measurement_id

    def write_document(self, name: str, payload: Any) -> None:
        """Keep a plan, a recommendation or a summary as the next version of that document."""
        with self._store.changing(self.study_id) as change:
            change.put_document(name, payload, self._event("document_written", name=name))

    def set_state(self, state: StudyStatus) -> None:
        """Hand runs out from now on (active), or not for now (paused), or never again (closed).

        Raises:
            StateError: The study is closed.
        """
        with self._store.changing(self.study_id) as change:
            if change.state == state:
                return
            if change.state == "closed":
                raise StateError(f"study {self.study_id!r} is closed, and that is for good")
            change.set_state(state, self._event(f"study_{state}"))

    # Who works on what.

    def suggest(
        self,
        worker_id: str,
        count: int = 1,
        *,
        lease_seconds: float = 300.0,
        max_gpu_hours: float | None = None,
        device: str = "",
    ) -> list[StoredRun]:
        """Lease runs to a worker: its own, those that wait, then the plan's; see `hand_out`.

        A study that is not active hands out nothing but what the worker holds already.

        Raises:
            InvalidInputError: The worker has no name, or a number makes no sense.
        """
        _check_lease(worker_id, lease_seconds)
        if count < 1:
            raise InvalidInputError(f"count must be at least 1, got {count}")
        with self._store.changing(self.study_id) as change:
            now = self._clock()
            take_back(change, now, max_lost=self._max_lost, limit=_TAKEN_BACK_AT_ONCE)
            if change.state != "active":
                count = min(count, len(change.held_by(worker_id)))
            return hand_out(
                change, now, worker_id=worker_id, count=count, seconds=lease_seconds,
                max_gpu_hours=max_gpu_hours, device=device,
            )  # fmt: skip

    def lease(self, worker_id: str, seconds: float) -> Run | None:
        """Hand the worker the oldest planned run for so many seconds, or None if there is none.

        A worker that still holds a run gets that one back, with a fresh lease. One name, one run
        at a time.

        Raises:
            InvalidInputError: The worker has no name, or the time is not positive.
        """
        found = self.suggest(worker_id, lease_seconds=seconds)
        return found[0].run if found else None

    def heartbeat(
        self,
        run_id: str,
        worker_id: str,
        seconds: float,
        *,
        progress: Mapping[str, Any] | None = None,
    ) -> Run:
        """Renew a lease for so many seconds from now and say that the run is under way.

        Raises:
            StateError: The worker does not hold the run (any more): it should stop working on it.
        """
        _check_lease(worker_id, seconds)
        rule = partial(leases.renew, worker_id=worker_id, seconds=seconds, progress=progress or {})
        return self._change(run_id, rule)

    def report(self, run_id: str, worker_id: str, points: Sequence[Mapping[str, Any]]) -> Run:
        """Keep losses on the way, as an event.

        Raises:
            StateError: The worker does not hold the run (any more).
        """
        return self._change(run_id, partial(leases.tell, worker_id=worker_id, points=points))

    def expire_leases(self, *, limit: int | None = None) -> list[str]:
        """Take back the runs whose lease has run out, at most so many, and return their names."""
        with self._store.reading() as reader:
            now = self._clock()
            if not (
                reader.expired(self.study_id, now, limit=1) or reader.stretched(self.study_id, now)
            ):
                reader.study(self.study_id)
                return []
        with self._store.changing(self.study_id) as change:
            now = self._clock()
            anchor(change, now, max_lost=self._max_lost)
            return take_back(change, now, max_lost=self._max_lost, limit=limit)

    def requeue(self, run_id: str, reason: str, *, worker_id: str = "") -> Run:
        """Give a run back uncounted, for a worker that shuts down in good order.

        Raises:
            StateError: The run has ended, or is not that worker's.
        """
        return self._change(run_id, partial(leases.give_back, reason=reason, worker_id=worker_id))

    # How it ends.

    def complete(self, run_id: str, result: JobResult, *, worker_id: str = "") -> Run:
        """End a run with what the lab answered, done or failed, and return it as it now stands.

        Of two results the first stands; the other is kept as an event, and so is a failure
        reported by a worker that no longer holds the run while another works on it. Completing
        twice with the same result changes nothing.

        Raises:
            NotFoundError: No such run.
            InvalidInputError: The result is another run's, or is no training result.
        """
        if result.run_id != run_id:
            raise InvalidInputError(f"run {run_id!r} was given the result of {result.run_id!r}")
        if result.kind != "train":
            raise InvalidInputError(
                f"run {run_id!r} was given a {result.kind} result; call add_measurement()"
            )
        _check_cost(result.seconds / 3600, f"the result of run {run_id!r}")
        with self._store.changing(self.study_id) as change:
            entry = change.run(run_id)
            if entry.run.is_ended or entry.holder != worker_id:
                ignored = change.reader.events(
                    self.study_id, run_id=run_id, kinds=["run_result_ignored"]
                )
                if leases.result_hash(result) in {e.payload["result_hash"] for e in ignored}:
                    return entry.run
            rule = partial(leases.conclude, result=result, worker_id=worker_id)
            return self._change(run_id, rule)

    def fail(
        self, run_id: str, reason: str, *, cost_gpu_hours: float = 0.0, worker_id: str = ""
    ) -> Run:
        """End a run whose training failed, with the reason and what it cost.

        Raises:
            StateError: The run has ended, or is not that worker's.
        """
        return self._end(run_id, "failed", reason, cost_gpu_hours, worker_id)

    def abandon(
        self, run_id: str, reason: str, *, cost_gpu_hours: float = 0.0, worker_id: str = ""
    ) -> Run:
        """Give a run up without a verdict on it; its result may still come, or it is requeued.

        Raises:
            StateError: The run has ended, or is not that worker's.
        """
        return self._end(run_id, "abandoned", reason, cost_gpu_hours, worker_id)

    def stop(self, run_id: str, reason: str, *, cost_gpu_hours: float = 0.0) -> Run:
        """End a run because somebody decided so, with the reason and what it cost.

        Raises:
            StateError: The run has ended.
        """
        return self._end(run_id, "stopped", reason, cost_gpu_hours)

    def supersede(self, run_id: str, reason: str) -> Run:
        """Retract a done run's loss; the loss stays on record, no law learns from it.

        Raises:
            StateError: The run is not done.
        """
        return self._change(run_id, partial(leases.retract, reason=reason))

    def _end(
        self,
        run_id: str,
        status: leases.EndedWithout,
        reason: str,
        cost_gpu_hours: float,
        worker_id: str = "",
    ) -> Run:
        _check_cost(cost_gpu_hours, f"run {run_id!r}")
        rule = partial(
            leases.end, status=status, reason=reason, cost_gpu_hours=cost_gpu_hours,
            worker_id=worker_id,
        )  # fmt: skip
        return self._change(run_id, rule)

    def _change(self, run_id: str, rule: Callable[[StoredRun, float], leases.Change | None]) -> Run:
        """Read, decide and write in one transaction."""
        with self._store.changing(self.study_id) as change:
            entry = change.run(run_id)
            outcome = rule(entry, self._clock())
            if outcome is None:
                return entry.run
            changed, event = outcome
            if changed is None:
                change.record(event)
                return entry.run
            change.put_run(changed, event)
            return changed.run

    def _event(self, kind: str, run_id: str = "", **payload: Any) -> Event:
        return Event(kind, self._clock(), run_id, payload)


def _check_lease(worker_id: str, seconds: float) -> None:
    if not worker_id:
        raise InvalidInputError("a lease needs a worker's name, got an empty one")
    if not (math.isfinite(seconds) and seconds > 0):
        raise InvalidInputError(f"a lease lasts a positive number of seconds, got {seconds}")


def _check_cost(cost_gpu_hours: float, what: str) -> None:
    if not (math.isfinite(cost_gpu_hours) and cost_gpu_hours >= 0):
        raise InvalidInputError(
            f"{what}: cost_gpu_hours must be hours of at least 0, got {cost_gpu_hours}"
        )
