"""What a study remembers and who works on what; no model, no planning."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Literal

from bayeslaw.errors import InvalidInputError, StateError
from bayeslaw.runs import JobResult, Measurement, Run
from bayeslaw.store import Document, Event, Store, StoredMeasurement, StoredRun
from bayeslaw.study import leases


class StudyState:
    """Keep the runs of one study and hand them out, each to one live worker at a time.

    Every change is in the store before the call returns, and every call reads the store afresh,
    so any number of processes may each hold a state of the same study, and one that was killed
    goes on where it was. Reading never changes anything.

    A lease that runs out gives the run back, to be handed out again; after ``max_lost`` of
    these the run has failed. The work may still arrive: a late result is accepted as long as
    the run has no other, and of two results the first stands, the second is kept as an event.

    Args:
        store: Where the study is kept.
        study_id: Of an existing study; `create` begins one.
        clock: Returns the present time [s since 1970].
        max_lost: Leases that may run out before a run counts as failed [count].

    Raises:
        NotFoundError: The store has no such study.
    """

    def __init__(
        self,
        store: Store,
        study_id: str,
        *,
        clock: Callable[[], float] = time.time,
        max_lost: int = 3,
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
        max_lost: int = 3,
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
        runs = sum(
            entry.run.cost_gpu_hours or 0.0
            for entry in self._store.runs(self.study_id)
            if entry.run.is_ended and entry.run.purpose != "imported"
        )
        timings = sum(entry.cost_gpu_hours for entry in self._store.measurements(self.study_id))
        return runs + timings + sum(self._ignored().values())

    def status(self) -> dict[str, Any]:
        """Return where the study stands, JSON-ready."""
        now = self._clock()
        stored = self._store.runs(self.study_id)
        counts = Counter(entry.run.status for entry in stored)
        return {
            "study_id": self.study_id,
            "runs": dict(sorted(counts.items())),
            "n_superseded": sum(bool(entry.run.superseded) for entry in stored),
            "n_measurements": len(self._store.measurements(self.study_id)),
            "spent_gpu_hours": self.spent_gpu_hours(),
            "leases": [
                {
                    "run_id": entry.run.run_id,
                    "worker_id": entry.holder,
                    "seconds_left": (entry.expires_at or now) - now,
                    "n_lost": entry.n_lost,
                }
                for entry in stored
                if entry.holder
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
        events += [self._event("document_written", name=name) for name in documents or {}]
        new = [StoredRun(run) for run in runs]
        self._store.commit(self.study_id, events, runs=new, documents=documents)

    def add_measurement(
        self,
        measurement: Measurement,
        *,
        measurement_id: str | None = None,
        cost_gpu_hours: float = 0.0,
    ) -> str:
        """Add a measurement and return its name; adding it again changes nothing.

        Args:
            measurement: What was timed.
            measurement_id: Unique in this study; a hash of the content when left out.
            cost_gpu_hours: Device-hours that timing took.

        Raises:
            StateError: Another measurement has that name.
            InvalidInputError: The cost is negative or not a number.
        """
        _check_cost(cost_gpu_hours, "the measurement")
        if measurement_id is None:
            content = json.dumps(measurement.to_dict(), sort_keys=True)
            measurement_id = "m-" + hashlib.sha256(content.encode()).hexdigest()[:16]
        entry = StoredMeasurement(measurement_id, measurement, cost_gpu_hours)
        event = self._event("measurement_added", measurement_id=measurement_id)
        try:
            self._store.commit(self.study_id, [event], measurements=[entry])
        except StateError:
            present = {m.measurement_id: m for m in self._store.measurements(self.study_id)}
            if measurement_id not in present or present[measurement_id] != entry:
                raise
        return measurement_id

    def write_document(self, name: str, payload: Any) -> None:
        """Keep a plan, a recommendation or a summary as the next version of that document."""
        event = self._event("document_written", name=name)
        self._store.commit(self.study_id, [event], documents={name: payload})

    # Who works on what.

    def lease(self, worker_id: str, seconds: float) -> Run | None:
        """Hand the worker the oldest planned run for so many seconds, or None if there is none.

        A worker that still holds a run gets that one back, with a fresh lease: whoever crashed
        and asks again under the same name leaks nothing. One name, one run at a time.

        Raises:
            InvalidInputError: The worker has no name, or the time is not positive.
        """
        _check_lease(worker_id, seconds)
        while True:
            self.expire_leases()
            entries = self._store.runs(self.study_id, statuses=leases.OPEN)
            mine = [entry for entry in entries if entry.holder == worker_id]
            planned = [entry for entry in entries if entry.run.status == "planned"]
            if not (mine or planned):
                return None
            taken, event = leases.take(
                (mine or planned)[0], self._clock(), worker_id=worker_id, seconds=seconds
            )
            if self._try(taken, event):
                return taken.run

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

    def expire_leases(self) -> list[str]:
        """Take back the runs whose lease has run out and return their names."""
        names = []
        for entry in self._store.runs(self.study_id, statuses=leases.LEASED):
            change = leases.expire(entry, self._clock(), max_lost=self._max_lost)
            if change is not None and self._try(*change):
                names.append(entry.run.run_id)
        return names

    def requeue(self, run_id: str, reason: str) -> Run:
        """Give a run back uncounted, for a worker that shuts down in good order.

        Raises:
            StateError: The run has ended.
        """
        return self._change(run_id, partial(leases.give_back, reason=reason))

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
        if leases.result_hash(result) in self._ignored():
            return self.run(run_id)
        rule = partial(leases.conclude, result=result, worker_id=worker_id, max_lost=self._max_lost)
        return self._change(run_id, rule)

    def fail(self, run_id: str, reason: str, *, cost_gpu_hours: float = 0.0) -> Run:
        """End a run that will give no result, with the reason and what it cost.

        Raises:
            StateError: The run has ended.
        """
        return self._end(run_id, "failed", reason, cost_gpu_hours)

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
        status: Literal["failed", "stopped"],
        reason: str,
        cost_gpu_hours: float,
    ) -> Run:
        _check_cost(cost_gpu_hours, f"run {run_id!r}")
        rule = partial(leases.end, status=status, reason=reason, cost_gpu_hours=cost_gpu_hours)
        return self._change(run_id, rule)

    def _change(self, run_id: str, rule: Callable[[StoredRun, float], leases.Change | None]) -> Run:
        """Read, decide, write; again from the start when somebody else wrote in between."""
        while True:
            entry = self._store.run(self.study_id, run_id)
            change = rule(entry, self._clock())
            if change is None:
                return entry.run
            changed, event = change
            if changed is None:
                self._store.commit(self.study_id, [event])
                return entry.run
            if self._try(changed, event):
                return changed.run

    def _try(self, entry: StoredRun, event: Event) -> bool:
        """Write a changed run unless somebody else changed it first."""
        try:
            self._store.commit(self.study_id, [event], runs=[entry])
        except StateError:
            if self._store.run(self.study_id, entry.run.run_id).version == entry.version:
                raise
            return False
        return True

    def _ignored(self) -> dict[str, float]:
        """Return the cost of each result that came second, by its hash [h]."""
        events = self._store.events(self.study_id, kinds=["run_result_ignored"])
        return {e.payload["result_hash"]: e.payload["cost_gpu_hours"] for e in events}

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
