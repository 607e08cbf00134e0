"""``bayeslaw remote diagnostics``: what to know before one believes the rest."""

from __future__ import annotations

from bayeslaw.cli.commands.remote.connection import Home, Study, TokenFile, Url, open_client
from bayeslaw.cli.options import AsJson
from bayeslaw.cli.output import console, print_json, print_notes


def diagnostics(
    study: Study,
    url: Url = None,
    token_file: TokenFile = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show how the planner is and what it warns about."""
    with open_client(url, token_file, home) as client:
        found = client.study(study).diagnostics()
    if as_json:
        print_json(found.model_dump())
        return
    from bayeslaw.models.notes import Note

    state = "is alive" if found.planner.is_alive else "does not answer"
    detail = f": {found.planner.detail}" if found.planner.detail else ""
    console().print(f"the planner {state}{detail}", markup=False, highlight=False)
    print_notes(Note(**note) for note in found.notes)
