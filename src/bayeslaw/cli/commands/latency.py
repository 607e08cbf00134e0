"""``bayeslaw latency``: what timings taught, what others would take, and what to time next."""

from __future__ import annotations

import typer

from bayeslaw.cli.commands import latency_fit, latency_predict, latency_suggest

latency = typer.Typer(
    help="Learn a device from timings, predict other networks on it, choose what to time next.",
    no_args_is_help=True,
)
latency.command("fit")(latency_fit.fit)
latency.command("predict")(latency_predict.predict)
latency.command("suggest")(latency_suggest.suggest)
