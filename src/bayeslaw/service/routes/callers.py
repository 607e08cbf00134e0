"""Who calls, and what they may do; what a write needs to be carried out once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import Response

from bayeslaw.service.answering import Reply, Writing, check_match, etag
from bayeslaw.service.parts import Here, Parts
from bayeslaw.service.schemas.names import IdempotencyKey, IfMatch, RunPath, StudyPath
from bayeslaw.service.security import authorise
from bayeslaw.store import Change, StoredRun, Token, Transaction
from bayeslaw.study.state import StudyState

MayRead = Annotated[Token, Depends(authorise("read"))]
MayReport = Annotated[Token, Depends(authorise("report"))]
MayPlan = Annotated[Token, Depends(authorise("plan"))]
MayReportOrPlan = Annotated[Token, Depends(authorise("report", "plan"))]


async def _planning(
    request: Request, parts: Here, caller: MayPlan, idempotency_key: IdempotencyKey = None
) -> Writing:
    return Writing(parts, request, caller, idempotency_key)


async def _reporting(
    request: Request, parts: Here, caller: MayReport, idempotency_key: IdempotencyKey = None
) -> Writing:
    return Writing(parts, request, caller, idempotency_key)


async def _either(
    request: Request, parts: Here, caller: MayReportOrPlan, idempotency_key: IdempotencyKey = None
) -> Writing:
    return Writing(parts, request, caller, idempotency_key)


Planning = Annotated[Writing, Depends(_planning)]
Reporting = Annotated[Writing, Depends(_reporting)]
_Either = Annotated[Writing, Depends(_either)]


@dataclass(frozen=True, slots=True)
class Verb:
    """Do something to one run.

    Attributes:
        writing: Of the request.
        study_id: The study.
        run_id: The run.
        if_match: The version it must be at, if any.
    """

    writing: Writing
    study_id: str
    run_id: str
    if_match: str | None

    @property
    def parts(self) -> Parts:
        """Of the service."""
        return self.writing.parts

    async def answer(
        self,
        change: Callable[[StudyState], object],
        reply: Callable[[StoredRun, StoredRun, Change], dict[str, Any]],
        *,
        unless_stopped: bool = False,
    ) -> Response:
        """Change the run in the writer's thread and answer once that is on disk.

        Args:
            change: Changes the run.
            reply: Says what to answer, from the run as it was, as it is, and its study.
            unless_stopped: Change nothing once somebody has stopped the run.
        """

        def decide(transaction: Transaction) -> Reply:
            state, study = self.parts.state(self.study_id), transaction.change(self.study_id)
            before = study.run(self.run_id)
            check_match(self.if_match, before.version, f"run {self.run_id!r}")
            if not (unless_stopped and before.run.status == "stopped"):
                change(state)
            after = study.run(self.run_id)
            return Reply(reply(before, after, study), headers=etag(after.version))

        return await self.writing.answer(decide, study_id=self.study_id)


async def _report_verb(
    writing: Reporting, study_id: StudyPath, run_id: RunPath, if_match: IfMatch = None
) -> Verb:
    return Verb(writing, study_id, run_id, if_match)


async def _plan_verb(
    writing: Planning, study_id: StudyPath, run_id: RunPath, if_match: IfMatch = None
) -> Verb:
    return Verb(writing, study_id, run_id, if_match)


async def _either_verb(
    writing: _Either, study_id: StudyPath, run_id: RunPath, if_match: IfMatch = None
) -> Verb:
    return Verb(writing, study_id, run_id, if_match)


EitherVerb = Annotated[Verb, Depends(_either_verb)]
ReportVerb = Annotated[Verb, Depends(_report_verb)]
PlanVerb = Annotated[Verb, Depends(_plan_verb)]
RUN_PATH = "/v1/studies/{study_id}/runs/{run_id}"
