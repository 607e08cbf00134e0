"""Every way to choose runs that is compared, by the name its figures have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bayeslaw.models.loss.laws import LAWS, LossLaw
from bayeslaw.search.acquisition import ACQUISITIONS
from benchmarks.scalebench.beliefs import laws_of
from benchmarks.scalebench.campaign import Method
from benchmarks.scalebench.tables import Group
from benchmarks.scalebench.tasks import Task

OURS = "ours"

COST_POWERS = (0.4,)
"""Of the cost that every planner divides its value by: active-sl's, for D- and V-optimality too.

On targets made of the pools' own dearest runs the look-ahead predicted as well with it as with the
default's choice among three, from a third of the runs (docs/scalebench.md).
"""


def _at_power(name: str, *, discrepancy: bool) -> Method:
    way = replace(ACQUISITIONS[name], cost_powers=COST_POWERS)
    return Method(way, discrepancy=discrepancy)


METHODS: Mapping[str, Method] = {
    OURS: _at_power("target_lookahead", discrepancy=True),
    "paired_random": Method(ACQUISITIONS["random"], plans=False),
    "paired_cheapest": Method(ACQUISITIONS["cheapest"], plans=False),
    # Criteria of active-sl: there laws are taken to be true.
    "paired_d_optimal": _at_power("d_optimal", discrepancy=False),
    "paired_v_optimal": _at_power("v_optimal", discrepancy=False),
    "paired_mspe": _at_power("mspe", discrepancy=False),
    "paired_target_lookahead": _at_power("target_lookahead", discrepancy=True),
}
"""`OURS` fits every law that a task's columns feed (part B), the others the task's one law (part A)."""


def laws_for(method: str, task: Task, group: Group) -> Sequence[LossLaw]:
    """Return the laws that a method fits to a group."""
    return laws_of(group.pool) if method == OURS else (LAWS[task.law],)
