"""What takes longer than an answer may."""

from __future__ import annotations

from typing import Any, Literal

from bayeslaw.service.schemas.names import (
    Document,
    Instant,
    NextPageToken,
    instant,
    instant_or_none,
)
from bayeslaw.store import Operation


class OperationDocument(Document):
    """Something that was asked for."""

    operation_id: str
    kind: Literal["suggest", "recommend", "plan", "fit"]
    study_id: str
    status: Literal["pending", "done", "failed"]
    request: dict[str, Any]
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    created_at: Instant
    finished_at: Instant | None


class OperationPage(Document):
    """Some operations of a study, oldest first."""

    operations: list[OperationDocument]
    next_page_token: NextPageToken


def operation_answer(operation: Operation) -> dict[str, Any]:
    """Return an operation as JSON."""
    return {
        "operation_id": operation.operation_id,
        "kind": operation.kind,
        "study_id": operation.study_id,
        "status": operation.status,
        "request": operation.request,
        "result": operation.result,
        "error": operation.error,
        "created_at": instant(operation.created_at),
        "finished_at": instant_or_none(operation.finished_at),
    }
