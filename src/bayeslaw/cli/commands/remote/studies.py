"""``bayeslaw remote studies``: what is planned there."""

from __future__ import annotations

from bayeslaw.cli.commands.remote.connection import Home, TokenFile, Url, open_client
from bayeslaw.cli.options import AsJson
from bayeslaw.cli.output import print_json, print_table


def studies(
    url: Url = None, token_file: TokenFile = None, home: Home = None, as_json: AsJson = False
) -> None:
    """List the studies of a service."""
    with open_client(url, token_file, home) as client:
        found = list(client.studies())
    if as_json:
        print_json([study.model_dump() for study in found])
        return
    print_table(
        f"studies of {client.url}",
        ["study", "state", "made", "budget [h]"],
        [
            [
                study.study_id,
                study.state,
                study.created_at,
                study.config["plan"]["budget_gpu_hours"],
            ]
            for study in found
        ],
        left=3,
    )
