"""``bayeslaw serve``: the planning service."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from bayeslaw.cli.service_options import Home, StoreUrl, needs_service


def serve(
    home: Home,
    store: StoreUrl = None,
    host: Annotated[
        str, typer.Option("--host", help="IP address to listen on; this machine only by default.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="Of TCP; 0 for any that is free.")] = 8080,
    planners: Annotated[
        int,
        typer.Option("--planners", min=0, help="Processes that fit and plan; 0 for none."),
    ] = 1,
    allowed_host: Annotated[
        list[str],
        typer.Option("--allowed-host", help="A name that a proxy passes on in the Host header."),
    ] = [],  # noqa: B006  (typer copies it)
    access_log: Annotated[
        bool, typer.Option("--access-log", help="Log each request, secrets made unreadable.")
    ] = False,
) -> None:
    """Serve studies over HTTP: a scheduler asks for runs, keeps them alive and reports results.

    Everything needs a token. The first start writes an admin token to HOME/admin.token.
    """
    with needs_service():
        from bayeslaw.service.serve import log_to_stderr
        from bayeslaw.service.serve import serve as run

    os.umask(0o077)  # what the service and its planners write is the owner's alone
    log_to_stderr()
    run(
        home,
        store_url=store,
        host=host,
        port=port,
        n_planners=planners,
        allowed_hosts=allowed_host,
        access_log=access_log,
        on_listening=lambda address: typer.echo(
            f"listening on {address}, home {Path(home).absolute()}", err=True
        ),
    )
