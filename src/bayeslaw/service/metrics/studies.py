"""Studies as a monitor sees them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bayeslaw.errors import BayeslawError, NotFoundError
from bayeslaw.service.freshness import EVIDENCE
from bayeslaw.store import Reader, SqlStore

_MAX_STUDIES = 100  # each is some fifteen time series; a monitor pays for every one of them
_FRESH_S = 5.0
_BY_STUDY = {
    "bayeslaw_plan_items": "Runs that can be handed out at once.",
    "bayeslaw_plan_age_seconds": "Since the plan was made.",
    "bayeslaw_plan_lag_seconds": "Since the first result that the plan does not know of; 0 for none.",
    "bayeslaw_refits": "Since the planner began.",
    "bayeslaw_fit_seconds": "That the last refit took.",
    "bayeslaw_planning_failed": "1 when the last attempt to plan or fit failed.",
}


class StudyMetrics(Collector):
    """Tell of runs and plans, of the latest hundred studies that are not closed.

    The store is asked when a monitor asks, but not again within 5 s.
    """

    def __init__(self, store: SqlStore, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._read_at = -_FRESH_S
        self._metrics: list[Metric] = []

    def describe(self) -> Iterable[Metric]:
        """Say nothing, so that registering does not ask the store."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Read it."""
        if time.monotonic() - self._read_at >= _FRESH_S:
            self._metrics = self._ask()
            self._read_at = time.monotonic()
        return self._metrics

    def _ask(self) -> list[Metric]:
        up = GaugeMetricFamily("bayeslaw_store_up", "1 when the store answers.")
        runs = GaugeMetricFamily("bayeslaw_runs", "By status.", labels=["study", "status"])
        of_study = {
            name: GaugeMetricFamily(name, meaning, labels=["study"])
            for name, meaning in _BY_STUDY.items()
        }
        try:
            studies = [study for study in self._store.studies() if study.state != "closed"]
            for study in studies[-_MAX_STUDIES:]:
                with self._store.reading() as reader:
                    for status, n_runs in reader.tallies(study.study_id).runs.items():
                        runs.add_metric([study.study_id, status], n_runs)
                    for name, value in _numbers(reader, study.study_id, self._clock()).items():
                        of_study[name].add_metric([study.study_id], value)
            up.add_metric([], 1)
        except BayeslawError:
            up.add_metric([], 0)
        return [up, runs, *of_study.values()]


def _numbers(reader: Reader, study_id: str, now: float) -> dict[str, float]:
    numbers: dict[str, float] = {"bayeslaw_plan_items": reader.n_plan_items(study_id)}
    based_on = reader.view_based_on(study_id, "plan") or 0
    unknown = reader.events(study_id, since=based_on, kinds=EVIDENCE, limit=1)
    numbers["bayeslaw_plan_lag_seconds"] = max(0.0, now - unknown[0].at) if unknown else 0.0
    try:
        numbers["bayeslaw_plan_age_seconds"] = max(0.0, now - reader.view(study_id, "plan").at)
        planner: dict[str, Any] = reader.view(study_id, "diagnostics").payload.get("planner", {})
    except NotFoundError:
        return numbers  # nothing has been planned yet
    numbers["bayeslaw_planning_failed"] = float(planner.get("last_error") is not None)
    numbers["bayeslaw_refits"] = planner.get("refits") or 0
    numbers["bayeslaw_fit_seconds"] = planner.get("fit_s") or 0.0
    return numbers
