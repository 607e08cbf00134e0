"""Studies: begun, looked at, paused and closed."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from bayeslaw.errors import InvalidInputError, NotFoundError
from bayeslaw.service.answering import Reply, check_match, etag, json_response
from bayeslaw.service.freshness import is_current
from bayeslaw.service.lean_route import lean_router
from bayeslaw.service.paging import page, position_of
from bayeslaw.service.parts import Here
from bayeslaw.service.problems import ProblemError
from bayeslaw.service.routes.callers import MayRead, Planning
from bayeslaw.service.schemas.names import (
    IfMatch,
    PageSize,
    PageToken,
    StudyPath,
    checked_new_name,
)
from bayeslaw.service.schemas.problem import problems
from bayeslaw.service.schemas.study import (
    NewStudy,
    StudyChange,
    StudyDocument,
    StudyPage,
    study_entry,
)
from bayeslaw.store import Reader, StoredStudy, Transaction
from bayeslaw.study.config import StudyConfig

router = lean_router("studies")


@router.post(
    "/v1/studies",
    status_code=201,
    response_model=StudyDocument,
    summary="Begin a study",
    responses={
        200: {"model": StudyDocument, "description": "It is there already, with this very config."},
        **problems(409, with_body=True),
    },
)
async def create_study(
    writing: Planning,
    body: NewStudy,
) -> Response:
    """Begin a study; its name is in its config. Beginning it again changes nothing."""
    parts = writing.parts
    # A space is large at worst: its axes are laid out to see whether they make sense.
    await parts.reads.run(lambda: _check(body.config))
    study_id, config = body.config.name, body.config.to_dict()

    def create(transaction: Transaction) -> Reply:
        status = 201
        try:
            study = transaction.reader.study(study_id)
        except NotFoundError:
            study = transaction.create_study(study_id, config, at=parts.clock())
        else:
            status = 200
            if study.config != config:
                raise ProblemError(
                    409,
                    "study-differs",
                    f"study {study_id!r} exists with another config",
                    "open it as it is, or give the new one another name",
                )
        body = _document(transaction.reader, study)
        return Reply(body, status, {"Location": f"/v1/studies/{study_id}", **etag(study.version)})

    return await writing.answer(create, study_id=study_id)


@router.get("/v1/studies", response_model=StudyPage, summary="List studies", responses=problems())
async def list_studies(
    parts: Here,
    caller: MayRead,
    page_size: PageSize = 100,
    page_token: PageToken = "",
) -> Response:
    """List studies, oldest first."""
    after = position_of(page_token)
    found = await parts.reads.ask(
        lambda reader: page(
            "studies", reader.studies(after=after, limit=page_size + 1), page_size, study_entry
        )
    )
    return json_response(found)


@router.get(
    "/v1/studies/{study_id}",
    response_model=StudyDocument,
    summary="Say where a study stands",
    responses=problems(404),
)
async def get_study(parts: Here, caller: MayRead, study_id: StudyPath) -> Response:
    """Return a study: how many runs of each status, what was spent, and where its plan stands."""

    def ask(reader: Reader) -> tuple[dict[str, Any], int]:
        study = reader.study(study_id)
        return _document(reader, study), study.version

    document, version = await parts.reads.ask(ask)
    return json_response(document, headers=etag(version))


@router.patch(
    "/v1/studies/{study_id}",
    response_model=StudyDocument,
    summary="Pause, resume or close a study",
    responses=problems(404, 409, 412, with_body=True),
)
async def change_study(
    writing: Planning,
    study_id: StudyPath,
    body: StudyChange,
    if_match: IfMatch = None,
) -> Response:
    """Hand out runs from now on, or not for now, or never again; results are always taken."""

    def change(transaction: Transaction) -> Reply:
        state = writing.parts.state(study_id)
        study = transaction.reader.study(study_id)
        check_match(if_match, study.version, f"study {study_id!r}")
        state.set_state(body.state)
        study = transaction.reader.study(study_id)
        return Reply(_document(transaction.reader, study), headers=etag(study.version))

    return await writing.answer(change, study_id=study_id)


def _check(config: StudyConfig) -> None:
    checked_new_name(config.name, "a study's name")
    try:
        _ = config.training_space, config.target_space
    except ArithmeticError as error:
        raise InvalidInputError(f"the config makes no sense in numbers: {error}") from error


def _document(reader: Reader, study: StoredStudy) -> dict[str, Any]:
    study_id = study.study_id
    based_on = reader.view_based_on(study_id, "plan")
    tallies = reader.tallies(study_id)
    return {
        **study_entry(study),
        "runs": tallies.runs,
        "spent_gpu_hours": tallies.spent_gpu_hours,
        "n_measurements": tallies.n_measurements,
        "plan": {
            "n_ready": reader.n_plan_items(study_id),
            "based_on_seq": based_on,
            "is_current": based_on is not None and is_current(reader, study_id, based_on),
        },
        "last_seq": reader.last_seq(study_id),
    }
