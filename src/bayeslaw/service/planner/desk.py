"""One study on the planner's desk: what is known of it, and its plan."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bayeslaw.runs import Run
from bayeslaw.search import Beliefs
from bayeslaw.service.planner.board import Board
from bayeslaw.service.planner.fitter import Fit
from bayeslaw.service.planner.known import Known
from bayeslaw.service.planner.learning import Learner
from bayeslaw.service.planner.trouble import Problem, problem, problem_of
from bayeslaw.service.planner.views import shown
from bayeslaw.space import Candidate
from bayeslaw.store import PlanItem, SqlStore
from bayeslaw.study.advising import Advice, advise, needs_a_law
from bayeslaw.study.config import StudyConfig
from bayeslaw.study.evidence import Evidence, may_learn
from bayeslaw.study.planning import check_names

_LOG = logging.getLogger("bayeslaw.planner")

# Items that are planned ahead at most [count]: chosen by a law, by a design, by chance.
_MOST_BY_LAW = 32
_MOST_BY_DESIGN = 64
_MOST_BY_CHANCE = 1000


class Desk:
    """Keep one study's plan up to date.

    Everything here follows from the study's events and from which fits have landed; a planner that
    starts anew comes to the same plan once the fit of the same runs has landed.

    Args:
        store: Where the study is.
        study_id: Its name.
        home: The service's folder.
        clock: Returns the present time [s since 1970].

    Attributes:
        known: What the study knows.
        config: Of the study.
        learner: What is believed of it.
        trouble: Why there is no new plan; None when there is one.
        advice: What was planned last; None before.
        wants_fit: Whether somebody asked for what needs a fit, though no plan does.
        is_set_aside: Whether it is left alone, because the planner died over it.
        seconds: That the update and the plan took last, by name [s].

    Raises:
        BayeslawError: The study's config cannot be read, or names what there is not.
    """

    def __init__(
        self, store: SqlStore, study_id: str, home: Path, clock: Callable[[], float]
    ) -> None:
        self._store = store
        self.study_id = study_id
        self.config = StudyConfig.from_dict(store.config(study_id), source=study_id)
        check_names(self.config)
        self.is_by_law = needs_a_law(self.config)
        self.known = Known(study_id)
        self.learner = Learner(self.config, study_id, home)
        self.trouble: Problem | None = None
        self.advice: Advice | None = None
        self.wants_fit = False
        self.is_set_aside = False
        self.seconds: dict[str, float] = {}
        self._items: list[PlanItem] = []
        self._is_low = False
        self._planned_for: set[Candidate] = set()
        self._planned_at: tuple[Any, ...] | None = None
        self._failed_at: tuple[Any, ...] | None = None
        self._board = Board(store, clock)

    @property
    def evidence(self) -> Evidence:
        """What is known, as planning takes it."""
        return self.known.evidence

    @property
    def stamp(self) -> tuple[Any, ...]:
        """What a plan follows from, but for the runs that were handed out since."""
        return (self.known.evidence_seq, self.learner.place, self.known.state)

    @property
    def is_at_its_end(self) -> bool:
        """Whether there is no run to plan, by all that is known now."""
        is_empty = self.advice is not None and not self.advice.suggestions
        return is_empty and self._planned_at == self.stamp

    # What is due.

    def is_plan_due(self) -> bool:
        """Look at the store, and say whether the plan at hand is not what it could be."""
        self._is_low = False
        if self._items:
            with self._store.reading() as reader:
                self._is_low = 2 * reader.n_plan_items(self.study_id) < len(self._items)
            if not self._is_low and not self.is_by_law:
                # Its runs do not hang on results, of which there may be hundreds a second.
                return False
        self.known.follow(self._store)
        if self.known.state == "closed" or self.stamp == self._failed_at:
            return False
        if self._items and self.is_by_law:
            self._is_low |= self._has_runs_of_others()
        return self._is_low or self.stamp != self._planned_at

    def _has_runs_of_others(self) -> bool:
        """Whether runs are under way of which the plan did not know."""
        return not self._planned_for.issuperset(_candidates(self.evidence.pending))

    def prepare(self) -> bool:
        """Learn what the first plan by a law will need, while nothing else is to be done."""
        is_open = self.is_by_law and self.known.state == "active" and self.known.seq > 0
        return is_open and self.learner.learn_latency(self.evidence)

    def fit_due(self) -> dict[str, Any] | None:
        """Return the request for the fit that is due; None where none is."""
        if self.known.state == "closed" or not (self.is_by_law or self.wants_fit):
            return None
        return self.learner.fit_due(self.evidence)

    def take(self, fit: Fit) -> None:
        """Take what became of a fit; a plan is due after it."""
        self.learner.take(fit)
        if self.learner.trouble is not None:
            # What waited for this fit is planned without it.
            self._planned_at = None
            self._board.show_trouble(self)
        else:
            self.wants_fit = False

    # What is planned.

    def plan(self, n_asked: int = 0) -> Advice | None:
        """Make the plan anew and write it, with what it rests on; None where that failed.

        The plan at hand goes on, with a note, while there is enough of it, nobody asks for more, and
        the posterior cannot be told of what is new: a refit is under way then.

        Args:
            n_asked: Runs that somebody waits for [count].
        """
        stamp = self.stamp
        try:
            if not n_asked and self._waits_for_a_refit():
                self._board.show_that_it_goes_on(self)
                self._planned_at = stamp
                return self.advice
            began = time.monotonic()
            beliefs = self._beliefs()
            told = time.monotonic()
            advice = advise(self.config, self.evidence, beliefs, n_runs=max(self._depth(), n_asked))
            self.seconds = {"update_s": told - began, "plan_s": time.monotonic() - told}
            self.trouble, self.advice = None, advice
            self._set_items(self._as_items(advice))
            self._board.show(self, self._items)
        except Exception as error:
            self._fail(error, stamp)
            return None
        self._planned_at = stamp
        return advice

    def add_affordable(self, n_asked: int, max_gpu_hours: float) -> Advice:
        """Add runs to the plan that take no more than somebody has time for.

        Raises:
            BayeslawError: The config or the data do not allow a plan.
        """
        kept = self._store.plan_items(self.study_id)
        ahead = [replace(item.run, run_id=f"plan-{item.rank}") for item in kept]
        evidence = replace(self.evidence, runs=[*self.evidence.runs, *ahead])
        advice = advise(
            self.config, evidence, self._beliefs(),
            n_runs=max(self.config.plan.runs_per_round, n_asked), max_gpu_hours=max_gpu_hours,
        )  # fmt: skip
        first = 1 + max((item.rank for item in kept), default=0)
        self._set_items([*kept, *self._as_items(advice, first)])
        with self._store.changing(self.study_id) as change:
            change.replace_plan(self._items)
        return advice

    def _beliefs(self) -> Beliefs:
        is_early = not (self.is_by_law and may_learn(self.config, self.evidence))
        return self.learner.beliefs(self.evidence, only_costs=is_early)

    def _waits_for_a_refit(self) -> bool:
        if not self._items or self._is_low or not self.is_by_law:
            return False
        if self.advice is None or self.advice.purpose == "initial":
            return False
        if not self.learner.update(self.evidence).n_untold:
            return False
        return self.learner.fit_due(self.evidence) is not None

    def _as_items(self, advice: Advice, first: int = 1) -> list[PlanItem]:
        items = []
        for rank, suggestion in enumerate(advice.suggestions, start=first):
            record: dict[str, Any] = {"round": advice.round_number}
            if self.is_by_law:
                # Kept with the run. What chance or a design chose, a thousand at once, says little.
                record["suggestion"] = shown(suggestion)
            candidate, cost = suggestion.candidate, suggestion.cost_gpu_hours
            run = Run(
                f"plan-{rank}", candidate.n_tokens, candidate.architecture,
                purpose=advice.purpose, record=record,
            )  # fmt: skip
            items.append(PlanItem(rank, run, None if cost is None else cost["p50"]))
        return items

    def _set_items(self, items: list[PlanItem]) -> None:
        self._items = items
        planned = _candidates([item.run for item in items])
        self._planned_for = planned | _candidates(self.evidence.pending)

    def _depth(self) -> int:
        """Return how many runs are worth planning ahead, for the workers that are there [count]."""
        plan = self.config.plan
        if not self.is_by_law:
            return _MOST_BY_CHANCE if plan.acquisition == "random" else _MOST_BY_DESIGN
        if not may_learn(self.config, self.evidence):
            return plan.initial_runs
        most = max(_MOST_BY_LAW, plan.runs_per_round)
        return min(max(plan.runs_per_round, 2 * len(self.known.held)), most)

    # What goes wrong.

    def set_aside(self, trouble: Problem) -> None:
        """Leave the study alone until something of it changes."""
        self.known.follow(self._store)
        self._failed_at, self.is_set_aside = self.stamp, True
        self.report(trouble)

    def report(self, trouble: Problem) -> None:
        """Say why there is no new plan; the plan of before goes on."""
        self.trouble = trouble
        self._board.show_trouble(self)

    def _fail(self, error: Exception, stamp: tuple[Any, ...]) -> None:
        trouble = problem_of(error)
        if trouble["code"] == "store-unavailable":
            raise error
        if trouble["code"] == "planner-fault":
            _LOG.exception("planning study %r failed", self.study_id)
        self._failed_at = stamp
        self.report(trouble)


def _candidates(runs: Sequence[Run]) -> set[Candidate]:
    return {Candidate(run.architecture, run.n_tokens) for run in runs if run.architecture}


def unreadable(error: Exception) -> Problem:
    """Return why a study's config cannot be planned for."""
    found = problem_of(error)
    todo = "create the study anew, under another name, with the config mended"
    return problem(422, "config-unusable", str(found["detail"]), todo)
