"""Rows of the tables and the records they hold, each made from the other."""

from __future__ import annotations

import json
import re
from typing import Any

from bayeslaw.errors import InvalidInputError
from bayeslaw.runs import Measurement, Run
from bayeslaw.store.records import (
    Document,
    Event,
    Operation,
    PlanItem,
    StoredMeasurement,
    StoredRun,
    StoredStudy,
    Token,
    View,
    candidate_key,
)

_ENCODER = json.JSONEncoder(allow_nan=False, ensure_ascii=False)
# The escape of a NUL character, and not the text of one.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def to_study(row: Any) -> StoredStudy:
    """Return the study of a row."""
    return StoredStudy(
        row.study_id, row.config, row.state, row.version, row.created_at, row.position
    )


def to_run(row: Any) -> StoredRun:
    """Return the run of a row; its status has a column of its own."""
    return StoredRun(
        run=Run.from_dict({**row.payload, "status": row.status}),
        version=row.version,
        holder=row.holder,
        leased_at=row.leased_at,
        expires_at=row.expires_at,
        lease_seconds=row.lease_seconds,
        n_lost=row.n_lost,
        is_late=bool(row.is_late),
        extra_gpu_hours=row.extra_gpu_hours,
        position=row.position,
    )


def of_run(entry: StoredRun) -> dict[str, Any]:
    """Return what a run's row holds, but for its place and its name."""
    run = entry.run
    payload = run.to_dict()
    del payload["status"]
    return {
        "status": run.status,
        "payload": checked_json(payload, f"run {run.run_id!r}"),
        "version": entry.version + 1,
        "holder": entry.holder,
        "leased_at": entry.leased_at,
        "expires_at": entry.expires_at,
        "lease_seconds": entry.lease_seconds,
        "n_lost": entry.n_lost,
        "is_late": entry.is_late,
        "purpose": run.purpose,
        "candidate": candidate_key(run),
        "cost_gpu_hours": run.cost_gpu_hours,
        "extra_gpu_hours": entry.extra_gpu_hours,
        "is_superseded": bool(run.superseded),
    }


def to_measurement(row: Any) -> StoredMeasurement:
    """Return the measurement of a row."""
    return StoredMeasurement(
        row.measurement_id,
        Measurement.from_dict(row.payload),
        row.cost_gpu_hours,
        row.run_id,
        row.position,
    )


def of_measurement(entry: StoredMeasurement) -> dict[str, Any]:
    """Return what a measurement's row holds, but for its name."""
    payload = entry.measurement.to_dict()
    return {
        "cost_gpu_hours": entry.cost_gpu_hours,
        "payload": checked_json(payload, f"measurement {entry.measurement_id!r}"),
        "run_id": entry.run_id,
    }


def to_event(row: Any) -> Event:
    """Return the event of a row."""
    return Event(row.kind, row.at, row.run_id, row.payload, row.seq)


def to_document(row: Any) -> Document:
    """Return the document of a row."""
    return Document(row.name, row.version, row.at, row.payload)


def to_view(row: Any) -> View:
    """Return the view of a row."""
    return View(row.name, row.payload, row.based_on_seq, row.at)


def to_plan_item(row: Any) -> PlanItem:
    """Return the plan item of a row."""
    return PlanItem(row.rank, Run.from_dict(row.payload), row.cost_gpu_hours)


def of_plan_item(study_id: str, item: PlanItem) -> dict[str, Any]:
    """Return the row of a plan item."""
    return {
        "study_id": study_id,
        "rank": item.rank,
        "payload": checked_json(item.run.to_dict(), f"plan item {item.rank}"),
        "cost_gpu_hours": item.cost_gpu_hours,
    }


def to_operation(row: Any) -> Operation:
    """Return the operation of a row."""
    return Operation(
        row.operation_id, row.study_id, row.kind, row.request, row.status, row.result, row.error,
        row.created_at, row.finished_at, row.n_tries, row.position,
    )  # fmt: skip


def to_token(row: Any) -> Token:
    """Return the token of a row."""
    return Token(
        row.token_id, row.name, row.secret_hash, tuple(row.scopes), row.created_at,
        row.expires_at, row.revoked_at, row.previous_hash, row.previous_until,
    )  # fmt: skip


def checked_json(value: Any, what: str) -> Any:
    """Return the value if every database keeps it unharmed as JSON.

    NaN, arrays and paths are not JSON; Postgres takes neither NUL characters nor half a
    surrogate pair.

    Raises:
        InvalidInputError: It would not come back as it was.
    """
    try:
        text = _ENCODER.encode(value)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInputError(
            f"{what} is not JSON: {error}; store plain numbers, text, lists and dicts"
        ) from error
    if _NUL.search(text):
        raise InvalidInputError(f"{what} is not JSON that a database keeps: it has a NUL character")
    return value
