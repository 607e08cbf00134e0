"""``bayeslaw remote recommend``: which architecture for the target."""

from __future__ import annotations

from typing import Annotated

import typer

from bayeslaw.cli.commands.remote.connection import Home, Study, TokenFile, Url, open_client
from bayeslaw.cli.options import AsJson
from bayeslaw.cli.output import print_json
from bayeslaw.cli.progress import waiting


def recommend(
    study: Study,
    n_params: Annotated[
        int | None, typer.Option("--n-params", min=1, help="Weights; the study's own by default.")
    ] = None,
    n_tokens: Annotated[
        int | None, typer.Option("--n-tokens", min=1, help="Tokens; the study's own by default.")
    ] = None,
    limit: Annotated[
        list[str], typer.Option("--limit", help="What must hold: 'tpot_ms <= 0.95 * baseline'.")
    ] = [],  # noqa: B006  (typer copies it)
    objective: Annotated[
        list[str], typer.Option("--objective", help="What is wanted: '-loss_nats'; repeat it.")
    ] = [],  # noqa: B006
    wait_s: Annotated[
        float, typer.Option("--wait", min=0.0, help="How long to wait for the planner [s].")
    ] = 600.0,
    show: Annotated[int, typer.Option("--show", help="Candidates of the front to list.")] = 8,
    url: Url = None,
    token_file: TokenFile = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Recommend an architecture for a target, with intervals and probabilities."""
    with (
        open_client(url, token_file, home) as client,
        waiting("waiting for the planner", silent=as_json),
    ):
        content = client.study(study).recommendation(
            n_params=n_params, n_tokens=n_tokens, limits=limit, objectives=objective, wait_s=wait_s
        )
    if as_json:
        print_json(content)
        return
    from bayeslaw.cli.recommendation import show_recommendation

    show_recommendation(content, show)
