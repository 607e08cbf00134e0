"""The tables. A change here comes with a file in ``migrations/versions`` and a new `HEAD`.

`studies` (but for the sums over them), `runs`, `measurements` and `documents` are the state: what the `events` tell, laid out
for looking up. `plan_items` and `views` can be computed again; `operations`, `answers` and
`tokens` belong to the service.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    text,
)

# The newest migration. Known here so that opening an up-to-date file needs no alembic.
HEAD = "0002"

metadata = MetaData()

# SQLite numbers rows by itself only for a column of exactly this type.
_Number = BigInteger().with_variant(Integer, "sqlite")
_IS_HELD = text("holder <> ''")


def _position(name: str = "position") -> Column[int]:
    return Column(name, _Number, primary_key=True, autoincrement=True)


def _study() -> Column[str]:
    return Column("study_id", String(200), ForeignKey("studies.study_id"), nullable=False)


studies = Table(
    "studies",
    metadata,
    _position(),
    Column("study_id", String(200), nullable=False, unique=True),
    Column("config", JSON, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("state", String(20), nullable=False, server_default="active"),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("n_named", Integer, nullable=False, server_default="0"),
    Column("tallies", JSON, nullable=False, server_default="{}"),
    sqlite_autoincrement=True,
)

runs = Table(
    "runs",
    metadata,
    _position(),
    _study(),
    Column("run_id", String(200), nullable=False),
    Column("status", String(20), nullable=False),
    Column("payload", JSON, nullable=False),
    Column("version", Integer, nullable=False),
    Column("holder", String(200), nullable=False),
    Column("leased_at", Double, nullable=True),
    Column("expires_at", Double, nullable=True),
    Column("n_lost", Integer, nullable=False),
    Column("purpose", String(20), nullable=False, server_default=""),
    Column("candidate", String(24), nullable=False, server_default=""),
    Column("cost_gpu_hours", Double, nullable=True),
    Column("extra_gpu_hours", Double, nullable=False, server_default="0"),
    Column("is_superseded", Boolean, nullable=False, server_default=text("false")),
    Column("lease_seconds", Double, nullable=True),
    Column("is_late", Boolean, nullable=False, server_default=text("false")),
    UniqueConstraint("study_id", "run_id", name="uq_runs_study_run"),
    Index("ix_runs_study_position", "study_id", "position"),
    Index("ix_runs_study_status", "study_id", "status", "position"),
    Index("ix_runs_study_candidate", "study_id", "candidate"),
    Index("ix_runs_held", "study_id", "holder", sqlite_where=_IS_HELD, postgresql_where=_IS_HELD),
    Index(
        "ix_runs_lease",
        *("study_id", "expires_at", "lease_seconds"),
        sqlite_where=_IS_HELD,
        postgresql_where=_IS_HELD,
    ),
    sqlite_autoincrement=True,
)

measurements = Table(
    "measurements",
    metadata,
    _position(),
    _study(),
    Column("measurement_id", String(200), nullable=False),
    Column("cost_gpu_hours", Double, nullable=False),
    Column("payload", JSON, nullable=False),
    Column("run_id", String(200), nullable=False, server_default=""),
    UniqueConstraint("study_id", "measurement_id", name="uq_measurements_study_measurement"),
    sqlite_autoincrement=True,
)

# Append-only. AUTOINCREMENT, so that a number is never given twice. `changes` says what became
# of which row, so that all rows can be made again (`bayeslaw.store.replay`).
events = Table(
    "events",
    metadata,
    _position("seq"),
    _study(),
    Column("at", Double, nullable=False),
    Column("kind", String(50), nullable=False),
    Column("run_id", String(200), nullable=False),
    Column("payload", JSON, nullable=False),
    Column("changes", JSON(none_as_null=True), nullable=True),
    Index("ix_events_study_seq", "study_id", "seq"),
    Index("ix_events_study_run_seq", "study_id", "run_id", "seq"),
    Index("ix_events_study_kind_seq", "study_id", "kind", "seq"),
    sqlite_autoincrement=True,
)

documents = Table(
    "documents",
    metadata,
    _position(),
    _study(),
    Column("name", String(200), nullable=False),
    Column("version", Integer, nullable=False),
    Column("at", Double, nullable=False),
    Column("payload", JSON, nullable=False),
    UniqueConstraint("study_id", "name", "version", name="uq_documents_study_name_version"),
    sqlite_autoincrement=True,
)

plan_items = Table(
    "plan_items",
    metadata,
    _position(),
    _study(),
    Column("rank", Integer, nullable=False),
    Column("payload", JSON, nullable=False),
    Column("cost_gpu_hours", Double, nullable=True),
    UniqueConstraint("study_id", "rank", name="uq_plan_items_study_rank"),
    sqlite_autoincrement=True,
)

views = Table(
    "views",
    metadata,
    _position(),
    _study(),
    Column("name", String(200), nullable=False),
    Column("payload", JSON, nullable=False),
    Column("based_on_seq", BigInteger, nullable=False),
    Column("at", Double, nullable=False),
    UniqueConstraint("study_id", "name", name="uq_views_study_name"),
    sqlite_autoincrement=True,
)

operations = Table(
    "operations",
    metadata,
    _position(),
    Column("operation_id", String(200), nullable=False, unique=True),
    _study(),
    Column("kind", String(20), nullable=False),
    Column("request", JSON, nullable=False),
    Column("status", String(20), nullable=False),
    Column("result", JSON(none_as_null=True), nullable=True),
    Column("error", JSON(none_as_null=True), nullable=True),
    Column("created_at", Double, nullable=False),
    Column("finished_at", Double, nullable=True),
    Column("n_tries", Integer, nullable=False),
    Index("ix_operations_study", "study_id", "position"),
    Index("ix_operations_status", "status", "position"),
    sqlite_autoincrement=True,
)

answers = Table(
    "answers",
    metadata,
    _position(),
    Column("token_id", String(200), nullable=False),
    Column("key", String(200), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("status", Integer, nullable=False),
    Column("headers", JSON, nullable=False),
    Column("body", JSON, nullable=False),
    Column("at", Double, nullable=False),
    UniqueConstraint("token_id", "key", name="uq_answers_token_key"),
    Index("ix_answers_at", "at"),
    sqlite_autoincrement=True,
)

tokens = Table(
    "tokens",
    metadata,
    _position(),
    Column("token_id", String(200), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("secret_hash", String(64), nullable=False, unique=True),
    Column("scopes", JSON, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=True),
    Column("revoked_at", Double, nullable=True),
    Column("previous_hash", String(64), nullable=False, index=True),
    Column("previous_until", Double, nullable=True),
    sqlite_autoincrement=True,
)
