"""Sums over a study, kept up to date as it changes, so that nobody counts 10^5 runs to ask for them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Connection, func, select

from bayeslaw.store import schema
from bayeslaw.store.records import StoredMeasurement, StoredRun

OPEN = ("planned", "leased", "running")
"""Statuses of a run whose result is still to come."""


@dataclass(slots=True)
class Tallies:
    """Hold sums over a study.

    Attributes:
        runs: How many there are of each status that occurs [count].
        spent_gpu_hours: What ended runs, results that came second and timings cost [h]; imported
            runs were paid before.
        n_superseded: Done runs that were retracted [count].
        n_measurements: Measurements [count].
    """

    runs: dict[str, int] = field(default_factory=dict)
    spent_gpu_hours: float = 0.0
    n_superseded: int = 0
    n_measurements: int = 0

    def add_run(self, entry: StoredRun, sign: int = 1) -> None:
        """Count a run in, or with a sign of -1 out."""
        run = entry.run
        n_runs = self.runs.pop(run.status, 0) + sign
        if n_runs:
            self.runs[run.status] = n_runs
        if run.status not in OPEN and run.purpose != "imported":
            self.spent_gpu_hours += sign * (run.cost_gpu_hours or 0.0)
        self.spent_gpu_hours += sign * entry.extra_gpu_hours
        self.n_superseded += sign * bool(run.superseded)

    def add_measurement(self, entry: StoredMeasurement) -> None:
        """Count a measurement in."""
        self.n_measurements += 1
        self.spent_gpu_hours += entry.cost_gpu_hours

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values."""
        return asdict(self)


def count_all(connection: Connection, study_id: str) -> Tallies:
    """Make a study's tallies from its rows."""
    runs, timings = schema.runs, schema.measurements
    here, timed_here = runs.c.study_id == study_id, timings.c.study_id == study_id
    is_paid = here & runs.c.status.not_in(OPEN) & (runs.c.purpose != "imported")

    def total(query: Any) -> Any:
        return connection.execute(query).scalar() or 0

    counts = connection.execute(
        select(runs.c.status, func.count()).where(here).group_by(runs.c.status)
    )
    return Tallies(
        {row[0]: row[1] for row in counts},
        total(select(func.sum(runs.c.cost_gpu_hours)).where(is_paid))
        + total(select(func.sum(runs.c.extra_gpu_hours)).where(here))
        + total(select(func.sum(timings.c.cost_gpu_hours)).where(timed_here)),
        total(select(func.count()).where(here & runs.c.is_superseded)),
        total(select(func.count()).where(timed_here)),
    )
