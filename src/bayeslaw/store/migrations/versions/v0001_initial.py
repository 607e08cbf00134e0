"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# Spelt out, not taken from `bayeslaw.store.schema`: this file stays as it is when that moves on.
_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Bring an empty store to this schema."""
    op.create_table(
        "studies",
        _position(),
        sa.Column("study_id", sa.String(200), nullable=False, unique=True),
        sa.Column("config", sa.JSON, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "runs",
        _position(),
        _study(),
        sa.Column("run_id", sa.String(200), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("payload", sa.JSON, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("holder", sa.String(200), nullable=False),
        sa.Column("leased_at", sa.Double, nullable=True),
        sa.Column("expires_at", sa.Double, nullable=True),
        sa.Column("n_lost", sa.Integer, nullable=False),
        sa.UniqueConstraint("study_id", "run_id", name="uq_runs_study_run"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_runs_study_status", "runs", ["study_id", "status"])
    op.create_table(
        "measurements",
        _position(),
        _study(),
        sa.Column("measurement_id", sa.String(200), nullable=False),
        sa.Column("cost_gpu_hours", sa.Double, nullable=False),
        sa.Column("payload", sa.JSON, nullable=False),
        sa.UniqueConstraint("study_id", "measurement_id", name="uq_measurements_study_measurement"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "events",
        _position("seq"),
        _study(),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("kind", sa.String(50), nullable=False),
        sa.Column("run_id", sa.String(200), nullable=False),
        sa.Column("payload", sa.JSON, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_study_seq", "events", ["study_id", "seq"])
    op.create_table(
        "documents",
        _position(),
        _study(),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("payload", sa.JSON, nullable=False),
        sa.UniqueConstraint("study_id", "name", "version", name="uq_documents_study_name_version"),
        sqlite_autoincrement=True,
    )


def _position(name: str = "position") -> sa.Column:
    return sa.Column(name, _NUMBER, primary_key=True, autoincrement=True)


def _study() -> sa.Column:
    return sa.Column("study_id", sa.String(200), sa.ForeignKey("studies.study_id"), nullable=False)
