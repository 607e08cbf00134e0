"""What the commands around a service share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from bayeslaw.errors import UnavailableError

Home = Annotated[Path, typer.Option("--home", envvar="BAYESLAW_HOME", help="The service's folder.")]
StoreUrl = Annotated[
    str | None,
    typer.Option(
        "--store",
        envvar="BAYESLAW_STORE",
        help="Where studies are kept: a file or postgresql://...; a file in the home by default. "
        "With a password in it, use the variable: other users can see a command line.",
        show_default=False,
        show_envvar=True,
    ),
]


@contextmanager
def needs_service() -> Iterator[None]:
    """Say what to install where the service's own packages are missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "bayeslaw":
            raise
        raise UnavailableError(
            f"the service needs the package {error.name!r}, which is not here; install "
            f"'bayeslaw[service]'"
        ) from error
