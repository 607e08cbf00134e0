"""How alembic reaches the database: on the connection that `bayeslaw.store.connect` opened."""

from __future__ import annotations

from alembic import context

from bayeslaw.store.connect import VERSION_TABLE
from bayeslaw.store.schema import metadata


def run_migrations() -> None:
    """Run what is missing inside the caller's transaction: all of it or nothing."""
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=metadata,
        version_table=VERSION_TABLE,
        render_as_batch=True,  # SQLite can alter a table only by copying it
    )
    with context.begin_transaction():
        context.run_migrations()


# Alembic runs this file under this name; importing it as a module does nothing.
if __name__ == "env_py":
    run_migrations()
