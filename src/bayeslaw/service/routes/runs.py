"""Runs: listed, looked at, added."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

from fastapi import Query
from starlette.responses import Response

from bayeslaw.runs import Run, RunTable
from bayeslaw.service.answering import Reply, etag, json_response
from bayeslaw.service.lean_route import lean_router
from bayeslaw.service.paging import page, position_of
from bayeslaw.service.parts import Here
from bayeslaw.service.routes.callers import MayRead, Planning
from bayeslaw.service.schemas.names import PageSize, PageToken, RunPath, StudyPath
from bayeslaw.service.schemas.problem import problems
from bayeslaw.service.schemas.run import (
    NewRuns,
    RunDocument,
    RunNames,
    RunPage,
    RunState,
    run_answer,
)
from bayeslaw.store import Reader, Transaction

router = lean_router("runs")


@router.get(
    "/v1/studies/{study_id}/runs",
    response_model=RunPage,
    summary="List runs",
    responses=problems(404),
)
async def list_runs(
    parts: Here,
    caller: MayRead,
    study_id: StudyPath,
    status: Annotated[
        list[RunState], Query(max_length=7, description="Only of these statuses; repeated.")
    ] = [],  # noqa: B006
    worker_id: Annotated[
        str | None, Query(min_length=1, max_length=200, description="Only what it holds now.")
    ] = None,
    page_size: PageSize = 100,
    page_token: PageToken = "",
) -> Response:
    """List a study's runs in the order they were added."""
    after = position_of(page_token)

    def ask(reader: Reader) -> dict[str, Any]:
        found = reader.runs(
            study_id,
            statuses=status or None,
            holder=worker_id,
            after=after,
            limit=page_size + 1,
        )
        return page("runs", found, page_size, lambda entry: run_answer(study_id, entry))

    return json_response(await parts.reads.ask(ask))


@router.get(
    "/v1/studies/{study_id}/runs/{run_id}",
    response_model=RunDocument,
    summary="Look at a run",
    responses=problems(404),
)
async def get_run(
    parts: Here,
    caller: MayRead,
    study_id: StudyPath,
    run_id: RunPath,
) -> Response:
    """Return one run."""
    entry = await parts.reads.ask(lambda reader: reader.run(study_id, run_id))
    return json_response(run_answer(study_id, entry), headers=etag(entry.version))


@router.post(
    "/v1/studies/{study_id}/runs",
    status_code=201,
    response_model=RunNames,
    summary="Add runs",
    responses=problems(404, 409, with_body=True),
)
async def add_runs(
    writing: Planning,
    study_id: StudyPath,
    body: NewRuns,
) -> Response:
    """Add runs that somebody trained elsewhere, or that shall be done next; all or none."""
    parts = writing.parts
    runs = await parts.reads.run(lambda: _runs(body))

    def add(transaction: Transaction) -> Reply:
        parts.state(study_id).add_runs(runs)
        return Reply({"run_ids": [run.run_id for run in runs]}, 201)

    return await writing.answer(add, study_id=study_id)


def _runs(body: NewRuns) -> list[Run]:
    """Return the runs of a body, named where it names none, and laid out once to check them."""
    runs = [run.to_run(run.run_id or f"x-{secrets.token_hex(8)}") for run in body.runs]
    for has_shape in (True, False):
        done = [r for r in runs if r.is_evidence and (r.architecture is not None) == has_shape]
        if done:
            RunTable.from_runs(done)
    return runs
