"""What somebody asked for and waits for: every operation ends, done or failed with a reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss.fit import MIN_RUNS
from bayeslaw.models.notes import Note
from bayeslaw.service.planner.desk import Desk
from bayeslaw.service.planner.fitter import Fit, Fits
from bayeslaw.service.planner.trouble import Problem, problem
from bayeslaw.service.planner.views import finite
from bayeslaw.store import Operation, SqlStore
from bayeslaw.study.asking import needs_latency, recommend_for
from bayeslaw.study.evidence import Reason

_N_MEMBERS = 1000
_METHODS = ("nuts", "laplace")


_COSTS_UNKNOWN = Reason(
    "costs-unknown",
    "nobody knows yet what a run costs, so none can be kept below max_gpu_hours",
    "ask without max_gpu_hours, or import a run with its cost",
)


class Refused(Exception):
    """An operation that ends with a problem."""

    def __init__(self, trouble: Problem) -> None:
        super().__init__(str(trouble["detail"]))
        self.trouble = trouble


class Operations:
    """Answer operations, one try at a time; what must wait for a fit is tried again later.

    Args:
        store: Where they are.
        fitter: Who fits.
        clock: Returns the present time [s since 1970].
    """

    def __init__(self, store: SqlStore, fitter: Fits, clock: Callable[[], float]) -> None:
        self._store, self._fitter, self._clock = store, fitter, clock
        self._fits: dict[str, dict[str, Any]] = {}
        self._landed: dict[str, Fit] = {}
        self._fits_before: dict[str, int] = {}

    def try_to_answer(self, operation: Operation, desk: Desk) -> bool:
        """Answer an operation and end it; False where it has to wait.

        Raises:
            Refused: It cannot be answered.
            BayeslawError: What was asked makes no sense, or the store is not there.
        """
        ways = {
            "suggest": self._suggest, "recommend": self._recommend,
            "plan": self._plan, "fit": self._fit,
        }  # fmt: skip
        if operation.kind not in ways:
            raise Refused(problem(422, "invalid-input", f"no operation {operation.kind!r}"))
        result = ways[operation.kind](operation, desk)
        if result is None:
            return False
        self.finish(operation, desk, result=result)
        return True

    def finish(
        self,
        operation: Operation,
        desk: Desk | None,
        *,
        result: dict[str, Any] | None = None,
        error: Problem | None = None,
    ) -> None:
        """End an operation; one that has ended already stays as it is."""
        at, operation_id = self._clock(), operation.operation_id
        with self._store.transaction() as transaction:
            transaction.finish_operation(operation_id, result=result, error=error, at=at)
            is_own = not any(operation.request.values())
            if operation.kind == "recommend" and is_own and result is not None and desk is not None:
                change = transaction.change(operation.study_id)
                seq = desk.known.seq
                change.put_view("recommendation", result, based_on_seq=seq, at=at)
        self._fits.pop(operation_id, None)
        self._landed.pop(operation_id, None)
        self._fits_before.pop(operation_id, None)

    def hear_of(self, fit: Fit) -> None:
        """Take note of a fit that has landed or failed."""
        for operation_id, request in self._fits.items():
            if request is fit.request:
                self._landed[operation_id] = fit

    def _suggest(self, operation: Operation, desk: Desk) -> dict[str, Any] | None:
        """Put runs into the plan; who asked is given them when asking again."""
        count = int(operation.request.get("count") or 1)
        limit = operation.request.get("max_gpu_hours")
        if desk.known.state != "active":
            what = f"the study is {desk.known.state}"
            return {"n_ready": 0, "reason": {"code": "study-not-active", "detail": what}}
        if n_ready := self._n_ready(desk, count, limit):
            return {"n_ready": n_ready, "reason": None}
        if limit is not None:
            advice = desk.add_affordable(count, limit)
        else:
            advice = desk.advice if desk.is_at_its_end else desk.plan(count)
        if advice is None:
            assert desk.trouble is not None
            raise Refused(desk.trouble)
        if n_ready := self._n_ready(desk, count, limit):
            return {"n_ready": n_ready, "reason": None}
        reason = _COSTS_UNKNOWN if limit and advice.is_blind else advice.exhausted or advice.waiting
        assert reason is not None
        if reason.code == "waiting-for-fit":
            if self._is_fit_to_come(desk):
                return None
            raise Refused(desk.learner.trouble or problem(503, reason.code, reason.detail))
        return {"n_ready": 0, "reason": reason.to_dict()}

    def _n_ready(self, desk: Desk, count: int, limit: float | None) -> int:
        with self._store.reading() as reader:
            waiting = reader.waiting(desk.study_id, count, max_gpu_hours=limit)
            items = reader.plan_items(desk.study_id, limit=count, max_gpu_hours=limit)
        return len(waiting) + len(items)

    def _recommend(self, operation: Operation, desk: Desk) -> dict[str, Any] | None:
        desk.wants_fit = True
        learner, asked = desk.learner, operation.request
        n_before = self._fits_before.setdefault(operation.operation_id, learner.n_fits)
        told = learner.update(desk.evidence)
        # A refit is worth waiting for, once; results that never end must not keep the answer away.
        if told.n_untold and learner.n_fits == n_before and self._is_fit_to_come(desk):
            return None
        desk.wants_fit = False
        if not learner.fitted:
            if learner.trouble is not None:
                raise Refused(learner.trouble)
            raise Refused(_too_few(desk))
        beliefs = learner.beliefs(desk.evidence, n_members=_N_MEMBERS)
        if beliefs.latency is None and needs_latency(desk.config, asked):
            notes = [note.message for note in learner.notes if note.code.startswith("latency")]
            raise Refused(
                problem(
                    422,
                    "latency-not-measured",
                    "; ".join(notes),
                    "add measurements of the plan's `measure`, or ask for objectives and limits "
                    "without a latency",
                )
            )
        found = recommend_for(desk.config, beliefs, desk.evidence, asked)
        notes = [note.to_dict() for note in (*learner.notes, *learner.told.notes)]
        values = found.to_dict()
        methods = {posterior.law_name: posterior.method for posterior in learner.told.posteriors}
        return finite(
            {
                **values,
                "notes": [*values["notes"], *notes, *_by_laplace(methods)],
                "methods": methods,
                "n_runs": learner.told.posteriors[0].n_runs,
                "based_on_seq": desk.known.seq,
            }
        )

    def _plan(self, operation: Operation, desk: Desk) -> dict[str, Any]:
        advice = desk.plan(1)
        if advice is None:
            assert desk.trouble is not None
            raise Refused(desk.trouble)
        nothing = advice.exhausted or advice.waiting
        return {
            "n_items": len(advice.suggestions),
            "based_on_seq": desk.known.seq,
            "reason": None if nothing is None else nothing.to_dict(),
        }

    def _fit(self, operation: Operation, desk: Desk) -> dict[str, Any] | None:
        method = operation.request.get("method") or "nuts"
        if method not in _METHODS:
            raise InvalidInputError(f"method must be one of {_METHODS}, got {method!r}")
        learner, operation_id = desk.learner, operation.operation_id
        landed = self._landed.pop(operation_id, None)
        if landed is None and operation_id in self._fits:
            return None
        if landed is None or landed.is_death:
            request = learner.fit_due(desk.evidence, method)
            if request is not None:
                if self._fitter.is_free:
                    self._fits[operation_id] = request
                    self._fitter.ask(request)
                return None
        if learner.trouble is not None:
            raise Refused(learner.trouble)
        if not learner.fitted:
            raise Refused(_too_few(desk))
        return {
            "methods": {posterior.law_name: posterior.method for posterior in learner.fitted},
            "n_runs": learner.fitted[0].n_runs,
            "seconds": learner.fit_s,
            "based_on_seq": desk.known.seq,
        }

    def _is_fit_to_come(self, desk: Desk) -> bool:
        under_way = self._fitter.asked
        if under_way is not None and under_way["study_id"] == desk.study_id:
            return True
        return desk.learner.fit_due(desk.evidence) is not None


def _too_few(desk: Desk) -> Problem:
    what = f"{len(desk.evidence.losses)} runs are done; a law needs at least {MIN_RUNS}"
    return problem(422, "not-enough-runs", what, "wait for more, or import some")


def _by_laplace(methods: dict[str, str]) -> list[dict[str, str]]:
    if all(method.startswith("nuts") for method in methods.values()):
        return []
    what = "; ask for an operation `fit` with method nuts before a decision that costs"
    used = ", ".join(sorted(set(methods.values())))
    return [Note("not_sampled", "info", f"the posterior is by {used}{what}").to_dict()]
