"""``bayeslaw remote posterior``: what is believed of the laws."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bayeslaw.cli.commands.remote.connection import Home, Study, TokenFile, Url, open_client
from bayeslaw.cli.options import AsJson
from bayeslaw.cli.output import console, interval, print_json, print_table


def posterior(
    study: Study,
    netcdf: Annotated[
        Path | None, typer.Option("--netcdf", help="Write the draws to this file.")
    ] = None,
    law: Annotated[
        str | None, typer.Option("--law", help="Whose draws; the best law's by default.")
    ] = None,
    url: Url = None,
    token_file: TokenFile = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show every law's coefficients with intervals and weights, or fetch a law's draws."""
    with open_client(url, token_file, home) as client:
        remote = client.study(study)
        found = remote.posterior()
        written = None if netcdf is None else remote.download_posterior(netcdf, law=law)
    content = found.model_dump()
    if as_json:
        print_json({**content, "netcdf": None if written is None else str(written)})
        return
    for fit in content["laws"]:
        weight = "" if fit.get("weight") is None else f", weight {fit['weight']:.3g}"
        print_table(
            f"{fit['law']} ({fit['method']}{weight})",
            ["coefficient", "median [90 %]"],
            [[name, interval(of)] for name, of in fit["coefficients"].items()],
        )
    age = "every result is in it" if found.is_current else "newer results are being worked in"
    console().print(f"made {found.made_at}; {age}", highlight=False)
    if written is not None:
        console().print(f"wrote {written}", markup=False, highlight=False)
