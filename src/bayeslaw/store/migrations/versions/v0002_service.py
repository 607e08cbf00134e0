"""What the planning service needs, and events from which all rows can be made again."""

from __future__ import annotations

import hashlib
import json
import time

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_FALSE = sa.text("false")
_IS_HELD = sa.text("holder <> ''")


def upgrade() -> None:
    """Add columns and tables, then tell the events what is in every row."""
    _add("studies", sa.Column("state", sa.String(20), nullable=False, server_default="active"))
    _add("studies", sa.Column("version", sa.Integer, nullable=False, server_default="1"))
    _add("studies", sa.Column("n_named", sa.Integer, nullable=False, server_default="0"))
    _add("studies", sa.Column("tallies", sa.JSON, nullable=False, server_default="{}"))
    _add("runs", sa.Column("purpose", sa.String(20), nullable=False, server_default=""))
    _add("runs", sa.Column("candidate", sa.String(24), nullable=False, server_default=""))
    _add("runs", sa.Column("cost_gpu_hours", sa.Double, nullable=True))
    _add("runs", sa.Column("extra_gpu_hours", sa.Double, nullable=False, server_default="0"))
    _add("runs", sa.Column("is_superseded", sa.Boolean, nullable=False, server_default=_FALSE))
    _add("runs", sa.Column("lease_seconds", sa.Double, nullable=True))
    _add("runs", sa.Column("is_late", sa.Boolean, nullable=False, server_default=_FALSE))
    _add("measurements", sa.Column("run_id", sa.String(200), nullable=False, server_default=""))
    _add("events", sa.Column("changes", sa.JSON, nullable=True))
    op.drop_index("ix_runs_study_status", "runs")
    op.create_index("ix_runs_study_status", "runs", ["study_id", "status", "position"])
    op.create_index("ix_runs_study_position", "runs", ["study_id", "position"])
    op.create_index("ix_runs_study_candidate", "runs", ["study_id", "candidate"])
    for name, columns in (
        ("ix_runs_held", ["study_id", "holder"]),
        ("ix_runs_lease", ["study_id", "expires_at", "lease_seconds"]),
    ):
        op.create_index(name, "runs", columns, sqlite_where=_IS_HELD, postgresql_where=_IS_HELD)
    op.create_index("ix_events_study_run_seq", "events", ["study_id", "run_id", "seq"])
    op.create_index("ix_events_study_kind_seq", "events", ["study_id", "kind", "seq"])
    _create_service_tables()
    _fill_runs(op.get_bind())
    _tell_all(op.get_bind())
    _count(op.get_bind())


def _add(table: str, column: sa.Column) -> None:
    op.add_column(table, column)


def _create_service_tables() -> None:
    op.create_table(
        "plan_items",
        _position(),
        _study(),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("payload", sa.JSON, nullable=False),
        sa.Column("cost_gpu_hours", sa.Double, nullable=True),
        sa.UniqueConstraint("study_id", "rank", name="uq_plan_items_study_rank"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "views",
        _position(),
        _study(),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("payload", sa.JSON, nullable=False),
        sa.Column("based_on_seq", sa.BigInteger, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.UniqueConstraint("study_id", "name", name="uq_views_study_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "operations",
        _position(),
        sa.Column("operation_id", sa.String(200), nullable=False, unique=True),
        _study(),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("request", sa.JSON, nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("result", sa.JSON, nullable=True),
        sa.Column("error", sa.JSON, nullable=True),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("finished_at", sa.Double, nullable=True),
        sa.Column("n_tries", sa.Integer, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_operations_study", "operations", ["study_id", "position"])
    op.create_index("ix_operations_status", "operations", ["status", "position"])
    op.create_table(
        "answers",
        _position(),
        sa.Column("token_id", sa.String(200), nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("headers", sa.JSON, nullable=False),
        sa.Column("body", sa.JSON, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.UniqueConstraint("token_id", "key", name="uq_answers_token_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_answers_at", "answers", ["at"])
    op.create_table(
        "tokens",
        _position(),
        sa.Column("token_id", sa.String(200), nullable=False, unique=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("secret_hash", sa.String(64), nullable=False, unique=True),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=True),
        sa.Column("revoked_at", sa.Double, nullable=True),
        sa.Column("previous_hash", sa.String(64), nullable=False),
        sa.Column("previous_until", sa.Double, nullable=True),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_tokens_previous_hash", "tokens", ["previous_hash"])


# The tables as this file leaves them, spelt out: `bayeslaw.store.schema` moves on.
_STUDIES = sa.table(
    "studies",
    *(sa.column(name) for name in ("position", "study_id", "created_at", "state", "version")),
    sa.column("config", sa.JSON),
    sa.column("tallies", sa.JSON),
)
_RUN_COLUMNS = (
    "status", "version", "holder", "leased_at", "expires_at", "lease_seconds", "n_lost", "purpose",
    "candidate", "cost_gpu_hours", "extra_gpu_hours",
)  # fmt: skip
_RUNS = sa.table(
    "runs",
    *(sa.column(name) for name in ("position", "study_id", "run_id", *_RUN_COLUMNS)),
    sa.column("is_superseded", sa.Boolean),
    sa.column("is_late", sa.Boolean),
    sa.column("payload", sa.JSON),
)
_MEASUREMENTS = sa.table(
    "measurements",
    *(
        sa.column(name)
        for name in ("position", "study_id", "measurement_id", "cost_gpu_hours", "run_id")
    ),
    sa.column("payload", sa.JSON),
)
_DOCUMENTS = sa.table(
    "documents",
    *(sa.column(name) for name in ("position", "study_id", "name", "version", "at")),
    sa.column("payload", sa.JSON),
)
_EVENTS = sa.table(
    "events",
    *(sa.column(name) for name in ("seq", "study_id", "at", "kind", "run_id")),
    sa.column("payload", sa.JSON),
    sa.column("changes", sa.JSON),
)


def _fill_runs(connection: sa.Connection) -> None:
    """Take what has a column of its own now out of the payloads."""
    extra = _paid_twice(connection)
    for row in connection.execute(sa.select(_RUNS).order_by(_RUNS.c.position)).all():
        payload = dict(row.payload)
        del payload["status"]
        # Only a run that was given up for lost has both; a failure of its own counts none lost.
        is_given_up = row.status == "failed" and row.n_lost > 0
        connection.execute(
            sa.update(_RUNS)
            .where(_RUNS.c.position == row.position)
            .values(
                status="abandoned" if is_given_up else row.status,
                payload=payload,
                purpose=payload["purpose"],
                candidate=_candidate(payload),
                cost_gpu_hours=payload["cost_gpu_hours"],
                extra_gpu_hours=extra.get((row.study_id, row.run_id), 0.0),
                is_superseded=bool(payload["superseded"]),
            )
        )


def _paid_twice(connection: sa.Connection) -> dict[tuple[str, str], float]:
    """Return what results that came second cost, by study and run [h]."""
    query = sa.select(_EVENTS).where(_EVENTS.c.kind == "run_result_ignored")
    spent: dict[tuple[str, str], float] = {}
    for row in connection.execute(query.order_by(_EVENTS.c.seq)).all():
        key = (row.study_id, row.run_id)
        spent[key] = spent.get(key, 0.0) + row.payload["cost_gpu_hours"]
    return spent


def _candidate(payload: dict) -> str:
    if payload["architecture"] is None:
        return ""
    content = json.dumps([payload["architecture"], payload["n_tokens"]], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:24]


def _tell_all(connection: sa.Connection) -> None:
    """Append an event for every row: earlier events do not say enough to make rows from."""
    now = time.time()

    def tell(table: str, key: object, row: sa.Row, columns: tuple[str, ...], run_id: str = ""):
        values = {name: getattr(row, name) for name in columns}
        connection.execute(
            sa.insert(_EVENTS).values(
                study_id=row.study_id, at=now, kind="row_recorded", run_id=run_id,
                payload={"table": table}, changes=[[table, key, values]],
            )
        )  # fmt: skip

    for row in connection.execute(sa.select(_STUDIES).order_by(_STUDIES.c.position)).all():
        # Its own first event is there already, and everything else refers to the study.
        names = ("config", "created_at", "state", "version")
        values = {name: getattr(row, name) for name in names}
        connection.execute(
            sa.update(_EVENTS)
            .where(_EVENTS.c.study_id == row.study_id, _EVENTS.c.kind == "study_created")
            .values(changes=[["studies", row.study_id, values]])
        )
    columns = (*_RUN_COLUMNS, "is_superseded", "is_late", "payload")
    for row in connection.execute(sa.select(_RUNS).order_by(_RUNS.c.position)).all():
        tell("runs", row.run_id, row, columns, row.run_id)
    columns = ("cost_gpu_hours", "payload", "run_id")
    query = sa.select(_MEASUREMENTS).order_by(_MEASUREMENTS.c.position)
    for row in connection.execute(query).all():
        tell("measurements", row.measurement_id, row, columns)
    for row in connection.execute(sa.select(_DOCUMENTS).order_by(_DOCUMENTS.c.position)).all():
        tell("documents", [row.name, row.version], row, ("at", "payload"))


def _count(connection: sa.Connection) -> None:
    """Sum every study up."""
    runs = connection.execute(sa.select(_RUNS).order_by(_RUNS.c.position)).all()
    timings = connection.execute(sa.select(_MEASUREMENTS)).all()
    for study in connection.execute(sa.select(_STUDIES)).all():
        own = [row for row in runs if row.study_id == study.study_id]
        timed = [row for row in timings if row.study_id == study.study_id]
        ended = [row for row in own if row.status not in ("planned", "leased", "running")]
        paid = [row.cost_gpu_hours or 0.0 for row in ended if row.purpose != "imported"]
        statuses = [row.status for row in own]
        tallies = {
            "runs": {status: statuses.count(status) for status in sorted(set(statuses))},
            "spent_gpu_hours": sum(paid)
            + sum(row.extra_gpu_hours for row in own)
            + sum(row.cost_gpu_hours for row in timed),
            "n_superseded": sum(bool(row.is_superseded) for row in own),
            "n_measurements": len(timed),
        }
        connection.execute(
            sa.update(_STUDIES).where(_STUDIES.c.study_id == study.study_id).values(tallies=tallies)
        )


def _position(name: str = "position") -> sa.Column:
    return sa.Column(name, _NUMBER, primary_key=True, autoincrement=True)


def _study() -> sa.Column:
    return sa.Column("study_id", sa.String(200), sa.ForeignKey("studies.study_id"), nullable=False)
