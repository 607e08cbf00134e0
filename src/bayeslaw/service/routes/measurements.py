"""Latency measurements: added and listed."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from bayeslaw.runs import Measurement
from bayeslaw.service.answering import Reply, json_response
from bayeslaw.service.lean_route import lean_router
from bayeslaw.service.paging import page, position_of
from bayeslaw.service.parts import Here
from bayeslaw.service.routes.callers import MayRead, Reporting
from bayeslaw.service.schemas.measurement import (
    MeasurementNames,
    MeasurementPage,
    NewMeasurement,
    NewMeasurements,
    measurement_answer,
    measurement_name,
)
from bayeslaw.service.schemas.names import PageSize, PageToken, StudyPath
from bayeslaw.service.schemas.problem import problems
from bayeslaw.store import Reader, Transaction

router = lean_router("measurements")


@router.post(
    "/v1/studies/{study_id}/measurements",
    status_code=201,
    response_model=MeasurementNames,
    summary="Add measurements",
    responses=problems(404, 409, with_body=True),
)
async def add_measurements(
    writing: Reporting, study_id: StudyPath, body: NewMeasurements
) -> Response:
    """Add timings, all or none; adding one again under its name changes nothing."""
    parts = writing.parts
    timings = await parts.reads.run(lambda: _timings(body))

    def add(_: Transaction) -> Reply:
        state = parts.state(study_id)
        names = [
            state.add_measurement(
                timing,
                measurement_id=entry.measurement_id or measurement_name(timing, entry.run_id or ""),
                cost_gpu_hours=entry.cost_gpu_hours,
                run_id=entry.run_id or "",
            )
            for entry, timing in timings
        ]
        return Reply({"measurement_ids": names}, 201)

    return await writing.answer(add, study_id=study_id)


@router.get(
    "/v1/studies/{study_id}/measurements",
    response_model=MeasurementPage,
    summary="List measurements",
    responses=problems(404),
)
async def list_measurements(
    parts: Here,
    caller: MayRead,
    study_id: StudyPath,
    page_size: PageSize = 100,
    page_token: PageToken = "",
) -> Response:
    """List a study's timings in the order they were added."""
    after = position_of(page_token)

    def ask(reader: Reader) -> dict[str, Any]:
        found = reader.measurements(study_id, after=after, limit=page_size + 1)
        return page("measurements", found, page_size, measurement_answer)

    return json_response(await parts.reads.ask(ask))


def _timings(body: NewMeasurements) -> list[tuple[NewMeasurement, Measurement]]:
    return [(entry, entry.measurement.to_measurement()) for entry in body.measurements]
