"""Where a study's plan, posterior and diagnostics are put up for everybody to see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from bayeslaw.service.planner.views import (
    diagnostics_view,
    netcdf_views,
    plan_view,
    posterior_view,
)
from bayeslaw.space import Architecture
from bayeslaw.store import PlanItem, SqlStore
from bayeslaw.study.advising import to_measure

if TYPE_CHECKING:
    from bayeslaw.service.planner.desk import Desk


class Board:
    """Write one study's views, each only when it has changed.

    Args:
        store: Where they are put.
        clock: Returns the present time [s since 1970].
    """

    def __init__(self, store: SqlStore, clock: Callable[[], float]) -> None:
        self._store, self._clock = store, clock
        self._plan: tuple[dict[str, Any], int] = ({}, 0)
        self._posterior: tuple[Any, ...] = (None, None)
        self._measure: tuple[int, list[Architecture]] = (-1, [])

    def show(self, desk: Desk, items: Sequence[PlanItem]) -> None:
        """Put up a new plan and what it rests on, in one stroke with the items it is made of."""
        assert desk.advice is not None
        at, seq, learner = self._clock(), desk.known.seq, desk.learner
        notes = [*learner.notes, *learner.told.notes, *desk.advice.notes]
        plan = plan_view(desk.advice, self._to_measure(desk), notes, is_by_law=desk.is_by_law)
        views = {"plan": plan, "diagnostics": _diagnostics(desk)}
        posterior = (learner.place, desk.known.evidence_seq)
        if learner.place is not None and posterior != self._posterior:
            views["posterior"] = posterior_view(learner.told.posteriors)
            if learner.place != self._posterior[0]:
                views |= netcdf_views(learner.place, desk.config.plan.laws)
        with self._store.changing(desk.study_id) as change:
            if change.state == "closed":
                return
            change.replace_plan(items)
            for name, payload in views.items():
                change.put_view(name, payload, based_on_seq=seq, at=at)
        self._posterior, self._plan = posterior, (plan, seq)

    def show_that_it_goes_on(self, desk: Desk) -> None:
        """Say that the plan of before goes on, and what it does not know."""
        plan, seq = self._plan
        untold = [note.to_dict() for note in desk.learner.told.notes]
        plan = {**plan, "notes": [*plan["notes"], *untold]}
        at = self._clock()
        with self._store.changing(desk.study_id) as change:
            change.put_view("plan", plan, based_on_seq=seq, at=at)
            change.put_view("diagnostics", _diagnostics(desk), based_on_seq=desk.known.seq, at=at)

    def show_trouble(self, desk: Desk) -> None:
        """Say why there is no new plan."""
        at, seq = self._clock(), desk.known.seq
        with self._store.changing(desk.study_id) as change:
            change.put_view("diagnostics", _diagnostics(desk), based_on_seq=seq, at=at)

    def _to_measure(self, desk: Desk) -> list[Architecture]:
        timed = desk.evidence.measurements
        if len(timed) != self._measure[0]:
            self._measure = (len(timed), to_measure(desk.config, timed))
        return self._measure[1]


def _diagnostics(desk: Desk) -> dict[str, Any]:
    learner, advice = desk.learner, desk.advice
    notes = [*learner.notes, *learner.told.notes, *(() if advice is None else advice.notes)]
    planner = {
        "state": _state(desk),
        "last_error": desk.trouble or learner.trouble,
        "refits": learner.n_fits,
        "n_updated": learner.told.n_updated,
        "n_untold": learner.told.n_untold,
        "fit_s": learner.fit_s,
        **desk.seconds,
    }
    return diagnostics_view(learner.told, notes, planner)


def _state(desk: Desk) -> str:
    """Return ``trouble``, ``exhausted``, ``waiting``, ``behind`` (a refit is to come) or ``current``."""
    if desk.trouble or desk.learner.trouble:
        return "trouble"
    if desk.advice is not None and desk.advice.exhausted:
        return "exhausted"
    if desk.advice is not None and desk.advice.waiting:
        return "waiting"
    return "behind" if desk.learner.fitted and desk.learner.told.n_untold else "current"
