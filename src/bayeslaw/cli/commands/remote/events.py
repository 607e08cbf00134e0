"""``bayeslaw remote events``: what happened, and what happens."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from bayeslaw.cli.commands.remote.connection import Home, Study, TokenFile, Url, open_client
from bayeslaw.cli.options import AsJson
from bayeslaw.cli.output import console, print_json

if TYPE_CHECKING:
    from bayeslaw.client.types import EventDocument


def events(
    study: Study,
    since: Annotated[int, typer.Option("--since", min=0, help="Only after this number.")] = 0,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on as more happens; JSON is then one a line.")
    ] = False,
    kind: Annotated[
        list[str], typer.Option("--kind", help="Only of this kind, such as run_done; repeat it.")
    ] = [],  # noqa: B006  (typer copies it)
    run: Annotated[str | None, typer.Option("--run", help="Only of this run.")] = None,
    url: Url = None,
    token_file: TokenFile = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Tell what happened to a study, oldest first."""
    with open_client(url, token_file, home) as client:
        found = client.study(study).events(since, follow=follow, run_id=run, kinds=kind)
        if as_json and not follow:
            print_json([event.model_dump() for event in found])
            return
        for event in found:
            if as_json:
                sys.stdout.write(json.dumps(event.model_dump()) + "\n")
                sys.stdout.flush()
            else:
                console().print(_line(event), markup=False, highlight=False, soft_wrap=True)


def _line(event: EventDocument) -> str:
    details = ", ".join(
        f"{name} {value}" for name, value in event.payload.items() if _is_short(value)
    )
    return (
        f"{event.seq:>6}  {event.at}  {event.run_id or '-':<10}  {event.kind}  {details}".rstrip()
    )


def _is_short(value: object) -> bool:
    return isinstance(value, str | int | float) and value != "" and len(str(value)) <= 60
