"""What a study knows, kept in memory and brought up to date by what happened since."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from bayeslaw.runs import Measurement, Run
from bayeslaw.space import Architecture
from bayeslaw.store import OPEN, SqlStore, StoredRun
from bayeslaw.study.evidence import Evidence

TELLING = (
    "run_done", "run_failed", "run_abandoned", "run_stopped", "run_superseded", "run_requeued",
    "run_result_ignored",
)  # fmt: skip
"""Kinds of events that change what is known of a run that was there before."""

_PAGE = 2000
# All that laws, costs and viability read of a run's record; the rest may be a hundred times as long.
_KEPT = ("hyperparameters",)


@dataclass
class Known:
    """Follow one study: read whole once, then only what changed.

    A study of 10^5 runs is read in some seconds once; after that a look costs what has happened.

    Attributes:
        study_id: Of the study.
        seq: The last event that was read.
        evidence_seq: The last of them that changed a result, a cost or a measurement.
        state: ``active``, ``paused`` or ``closed``.
        runs: By name, in the order they were added; their records are cut down.
        measurements: What latency is learnt from, by name.
        held: Names of runs that a worker holds.
        spent_gpu_hours: What runs and timings cost so far [h].
    """

    study_id: str
    seq: int = 0
    evidence_seq: int = 0
    state: str = "active"
    runs: dict[str, Run] = field(default_factory=dict)
    measurements: dict[str, Measurement] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)
    spent_gpu_hours: float = 0.0
    _run_position: int = 0
    _measurement_position: int = 0
    _architectures: dict[Architecture, Architecture] = field(default_factory=dict)
    _evidence: Evidence | None = None

    @property
    def evidence(self) -> Evidence:
        """All of it, as planning takes it; those of a check are no timings to learn from."""
        if self._evidence is None:
            timed = [m for name, m in self.measurements.items() if not name.startswith("check")]
            self._evidence = Evidence(list(self.runs.values()), timed, self.spent_gpu_hours)
        return self._evidence

    def follow(self, store: SqlStore) -> bool:
        """Read what happened since, and return whether anything that matters did."""
        with store.reading() as reader:
            # First of all: what is read after it may be newer, and is then read again.
            last = reader.last_seq(self.study_id)
            if last <= self.seq:
                return False
            before = (self.evidence_seq, len(self.runs), self.held, self.state)
            self.state = reader.study(self.study_id).state
            told: dict[str, int] = {}
            if self.seq:
                events = reader.events(self.study_id, since=self.seq, kinds=TELLING)
                told = {event.run_id: event.seq for event in events if event.run_id in self.runs}
            for run_id in told:
                self._take(reader.run(self.study_id, run_id))
            added = self._read_new_runs(reader)
            timed = self._read_new_measurements(reader)
            if told or timed or any(run.status not in OPEN for run in added):
                self.evidence_seq = last
                self.spent_gpu_hours = reader.tallies(self.study_id).spent_gpu_hours
            held = reader.runs(self.study_id, statuses=("leased", "running"))
            self.held = {entry.run.run_id for entry in held}
            self.seq = last
        changed = before != (self.evidence_seq, len(self.runs), self.held, self.state)
        if changed:
            self._evidence = None
        return changed

    def _read_new_runs(self, reader: Any) -> list[Run]:
        added = []
        while True:
            page = reader.runs(self.study_id, after=self._run_position, limit=_PAGE)
            for entry in page:
                added.append(self._take(entry))
                self._run_position = entry.position
            if len(page) < _PAGE:
                return added

    def _read_new_measurements(self, reader: Any) -> bool:
        found = reader.measurements(self.study_id, after=self._measurement_position)
        for entry in found:
            self.measurements[entry.measurement_id] = entry.measurement
            self._measurement_position = entry.position
        return bool(found)

    def _take(self, entry: StoredRun) -> Run:
        run, shape = entry.run, entry.run.architecture
        if shape is not None:
            shape = self._architectures.setdefault(shape, shape)
        kept = {name: run.record[name] for name in _KEPT if name in run.record}
        run = replace(run, architecture=shape, record=kept)
        self.runs[run.run_id] = run
        return run
