"""The planner: it watches all studies, plans what is due, has laws fitted, and answers operations."""

from __future__ import annotations

import logging
import time
import zlib
from collections.abc import Callable
from pathlib import Path

from bayeslaw.errors import UnavailableError
from bayeslaw.service.planner.attempts import MOST_DEATHS, Attempts
from bayeslaw.service.planner.desk import Desk, unreadable
from bayeslaw.service.planner.fitter import Fits, Fitter
from bayeslaw.service.planner.operations import Operations, Refused
from bayeslaw.service.planner.trouble import Problem, problem, problem_of
from bayeslaw.store import Operation, SqlStore

_LOG = logging.getLogger("bayeslaw.planner")

_OPERATIONS_AT_ONCE = 50
_LOOK_AGAIN_S = 30.0


class Planner:
    """Keep a plan ahead for every study of a store.

    It holds nothing that counts: killed at any moment, another comes to the same plans from the
    events. What is wrong with one study is said in that study's diagnostics and stops no other.

    Args:
        store: All studies.
        home: The service's folder; posteriors are kept there.
        clock: Returns the present time [s since 1970].
        share: Which of how many planners this is; each has its own studies.
        fitter: Who fits; a process of its own when left out.
    """

    def __init__(
        self,
        store: SqlStore,
        home: Path,
        clock: Callable[[], float],
        *,
        share: tuple[int, int] = (0, 1),
        fitter: Fits | None = None,
    ) -> None:
        self._store, self._home, self._clock = store, home, clock
        self._index, self._n = share
        self.fitter: Fits = fitter or Fitter()
        self._operations = Operations(store, self.fitter, clock)
        (home / "planner").mkdir(parents=True, exist_ok=True)
        self.attempts = Attempts(home / "planner" / f"{self._index}-at-work.json")
        self.desks: dict[str, Desk] = {}
        self._unusable: dict[str, Problem] = {}
        self._position = 0
        self._look_again_at = 0.0
        self._tried: set[str] = set()

    def close(self) -> None:
        """End the fitter."""
        self.fitter.close()

    def step(self) -> bool:
        """Look once at everything, do what is due, and return whether anything was.

        Raises:
            UnavailableError: The store is not there now.
        """
        self._look_for_studies()
        worked = self._take_fit()
        due = [desk for desk in self.desks.values() if self._is_due(desk)]
        # Asked before planning, so that the fit is under way meanwhile.
        self._ask_for_fit()
        for desk in due:
            self._plan(desk)
        answered = self._answer_operations()
        if worked or due or answered:
            return True
        return any(self._prepare(desk) for desk in self.desks.values())

    def _look_for_studies(self) -> None:
        now = time.monotonic()
        if now >= self._look_again_at:
            # Of two studies begun at once, Postgres may show the second first.
            self._position, self._look_again_at = 0, now + _LOOK_AGAIN_S
        for study in self._store.studies(after=self._position):
            self._position = study.position
            is_known = study.study_id in self.desks or study.study_id in self._unusable
            if is_known or not self._is_mine(study.study_id):
                continue
            try:
                self.desks[study.study_id] = Desk(
                    self._store, study.study_id, self._home, self._clock
                )
            except UnavailableError:
                raise
            except Exception as error:
                self._unusable[study.study_id] = trouble = unreadable(error)
                _LOG.warning("study %r: %s", study.study_id, trouble["detail"])
                with self._store.changing(study.study_id) as change:
                    view = {"notes": [], "laws": {}, "planner": _in_trouble(trouble)}
                    change.put_view("diagnostics", view, based_on_seq=0, at=self._clock())

    def _is_mine(self, study_id: str) -> bool:
        return zlib.crc32(study_id.encode()) % self._n == self._index

    def _take_fit(self) -> bool:
        fit = self.fitter.poll()
        if fit is None:
            return False
        self._operations.hear_of(fit)
        desk = self.desks[fit.request["study_id"]]
        try:
            desk.take(fit)
        except UnavailableError:
            raise
        except Exception as error:
            self._report(desk, error)
        return True

    def _is_due(self, desk: Desk) -> bool:
        try:
            return desk.is_plan_due()
        except UnavailableError:
            raise
        except Exception as error:
            self._report(desk, error)
            return False

    def _prepare(self, desk: Desk) -> bool:
        try:
            return desk.prepare()
        except Exception as error:
            self._report(desk, error)
            return False

    def _ask_for_fit(self) -> None:
        if not self.fitter.is_free:
            return
        if any(desk.is_by_law for desk in self.desks.values()):
            self.fitter.warm_up()
        waiting = [(request, desk) for desk in self.desks.values() if (request := desk.fit_due())]
        if waiting:
            # The study that has waited for longest, by its fits.
            request, _ = min(waiting, key=lambda pair: pair[1].learner.n_fits)
            self.fitter.ask(request)

    def _plan(self, desk: Desk) -> None:
        work = f"plan {desk.study_id}"
        n_deaths = self.attempts.n_deaths(work)
        if n_deaths >= MOST_DEATHS and not desk.is_set_aside:
            desk.set_aside(_died(work, n_deaths))
            return
        # One that was set aside is due again only when something of it has changed.
        desk.is_set_aside = False
        with self.attempts.at(work):
            desk.plan()

    def _answer_operations(self) -> bool:
        answered = False
        # Those of other planners' studies stand between.
        most = _OPERATIONS_AT_ONCE if self._n == 1 else None
        pending = self._store.pending_operations(most)
        self._tried &= {operation.operation_id for operation in pending}
        for operation in pending:
            desk = self.desks.get(operation.study_id)
            if desk is not None:
                answered |= self._answer(operation, desk)
            elif operation.study_id in self._unusable:
                trouble = self._unusable[operation.study_id]
                self._operations.finish(operation, None, error=trouble)
            elif self._is_mine(operation.study_id):
                self._look_again_at = 0.0
        return answered

    def _answer(self, operation: Operation, desk: Desk) -> bool:
        work = f"operation {operation.operation_id}"
        if (n_deaths := self.attempts.n_deaths(work)) >= MOST_DEATHS:
            self._operations.finish(operation, desk, error=_died(operation.kind, n_deaths))
            return True
        if operation.operation_id not in self._tried:
            self._tried.add(operation.operation_id)
            with self._store.transaction() as transaction:
                transaction.try_operation(operation.operation_id)
        try:
            with self.attempts.at(work):
                desk.known.follow(self._store)
                return self._operations.try_to_answer(operation, desk)
        except UnavailableError:
            raise
        except Refused as refused:
            trouble = refused.trouble
        except Exception as error:
            trouble = problem_of(error)
            if trouble["code"] == "planner-fault":
                _LOG.exception("operation %s failed", operation.operation_id)
        self._operations.finish(operation, desk, error=trouble)
        return True

    def _report(self, desk: Desk, error: Exception) -> None:
        trouble = problem_of(error)
        if desk.trouble != trouble:
            _LOG.exception("study %r", desk.study_id)
            desk.report(trouble)


def _died(work: str, n_deaths: int) -> Problem:
    return problem(
        503,
        "planner-died",
        f"the planner died {n_deaths} times over this ({work}), so it is left alone",
        "look into the service's log; it is tried again when something of the study changes",
    )


def _in_trouble(trouble: Problem) -> dict[str, object]:
    return {"state": "trouble", "last_error": trouble}
