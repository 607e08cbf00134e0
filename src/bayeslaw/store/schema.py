"""The tables. A change here comes with a file in ``migrations/versions`` and a new `HEAD`."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

# The newest migration. Known here so that opening an up-to-date file needs no alembic.
HEAD = "0001"

metadata = MetaData()

# SQLite numbers rows by itself only for a column of exactly this type.
_Number = BigInteger().with_variant(Integer, "sqlite")


def _study() -> Column[str]:
    return Column("study_id", String(200), ForeignKey("studies.study_id"), nullable=False)


studies = Table(
    "studies",
    metadata,
    Column("position", _Number, primary_key=True, autoincrement=True),
    Column("study_id", String(200), nullable=False, unique=True),
    Column("config", JSON, nullable=False),
    Column("created_at", Double, nullable=False),
    sqlite_autoincrement=True,
)

runs = Table(
    "runs",
    metadata,
    Column("position", _Number, primary_key=True, autoincrement=True),
    _study(),
    Column("run_id", String(200), nullable=False),
    Column("status", String(20), nullable=False),
    Column("payload", JSON, nullable=False),
    Column("version", Integer, nullable=False),
    Column("holder", String(200), nullable=False),
    Column("leased_at", Double, nullable=True),
    Column("expires_at", Double, nullable=True),
    Column("n_lost", Integer, nullable=False),
    UniqueConstraint("study_id", "run_id", name="uq_runs_study_run"),
    Index("ix_runs_study_status", "study_id", "status"),
    sqlite_autoincrement=True,
)

measurements = Table(
    "measurements",
    metadata,
    Column("position", _Number, primary_key=True, autoincrement=True),
    _study(),
    Column("measurement_id", String(200), nullable=False),
    Column("cost_gpu_hours", Double, nullable=False),
    Column("payload", JSON, nullable=False),
    UniqueConstraint("study_id", "measurement_id", name="uq_measurements_study_measurement"),
    sqlite_autoincrement=True,
)

# Append-only. AUTOINCREMENT, so that a number is never given twice.
events = Table(
    "events",
    metadata,
    Column("seq", _Number, primary_key=True, autoincrement=True),
    _study(),
    Column("at", Double, nullable=False),
    Column("kind", String(50), nullable=False),
    Column("run_id", String(200), nullable=False),
    Column("payload", JSON, nullable=False),
    Index("ix_events_study_seq", "study_id", "seq"),
    sqlite_autoincrement=True,
)

documents = Table(
    "documents",
    metadata,
    Column("position", _Number, primary_key=True, autoincrement=True),
    _study(),
    Column("name", String(200), nullable=False),
    Column("version", Integer, nullable=False),
    Column("at", Double, nullable=False),
    Column("payload", JSON, nullable=False),
    UniqueConstraint("study_id", "name", "version", name="uq_documents_study_name_version"),
    sqlite_autoincrement=True,
)
