"""The planner as a monitor sees it."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class PlannerMetrics(Collector):
    """Tell whether fits and plans are being made, and by how much memory.

    Args:
        state: Of `PlannerSupervisor`: ``is_alive``, and ``restarts`` and ``pids`` where there are
            planners.
    """

    def __init__(self, state: Callable[[], dict[str, Any]]) -> None:
        self._state = state

    def describe(self) -> Iterable[Metric]:
        """Say nothing: what is there depends on the planner."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Read it."""
        state = self._state()
        yield GaugeMetricFamily(
            "bayeslaw_planner_up", "1 when all planners are alive.", value=float(state["is_alive"])
        )
        if "restarts" in state:
            yield CounterMetricFamily(
                "bayeslaw_planner_restarts", "After a death.", value=state["restarts"]
            )
        if "pids" in state:
            yield GaugeMetricFamily(
                "bayeslaw_planner_resident_memory_bytes",
                "Of the planners, without their fits.",
                value=_resident_bytes(state["pids"]),
            )


def _resident_bytes(pids: Sequence[int]) -> int:
    n_pages = 0
    for pid in pids:
        try:
            n_pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        except OSError:
            continue  # it has ended meanwhile
    return n_pages * resource.getpagesize()
