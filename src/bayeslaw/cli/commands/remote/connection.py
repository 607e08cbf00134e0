"""Where the service is and who asks: the options that every ``bayeslaw remote`` command has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bayeslaw.cli.service_options import needs_service
from bayeslaw.errors import InvalidInputError

if TYPE_CHECKING:
    from bayeslaw.client import Client

PATIENCE_S = 10.0
"""How long a command at a terminal tries a service that does not answer [s]."""

Study = Annotated[str, typer.Argument(help="The study's name.", show_default=False)]
RunId = Annotated[str, typer.Argument(help="The run's name.", show_default=False)]
Url = Annotated[
    str | None,
    typer.Option("--url", help="Where the service is; BAYESLAW_URL, else this machine."),
]
TokenFile = Annotated[
    Path | None,
    typer.Option("--token-file", help="File that holds the token; BAYESLAW_TOKEN when left out."),
]
Home = Annotated[
    Path | None,
    typer.Option("--home", help="Folder of a `bayeslaw serve` on this machine: url and token."),
]


def open_client(url: str | None, token_file: Path | None, home: Path | None) -> Client:
    """Return a client of the service that the options name.

    A token is never an option of its own: what stands on a command line, every user can read.
    """
    with needs_service():
        from bayeslaw.client import Client, RetryPolicy
    policy = RetryPolicy(patience_s=PATIENCE_S)
    if home is not None:
        if url or token_file:
            raise InvalidInputError("--home says where and with which token; leave out the others")
        return Client.local(home, retries=policy)
    return Client(url, None if token_file is None else _token(token_file), retries=policy)


def _token(path: Path) -> str:
    try:
        token = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"cannot read a token from {path}: {error}") from error
    if not token:
        raise InvalidInputError(f"{path} is empty; it shall hold a token")
    return token
