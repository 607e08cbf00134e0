"""``bayeslaw remote``: the planning service from a terminal."""

from __future__ import annotations

import typer

from bayeslaw.cli.commands.remote import (
    complete,
    create,
    diagnostics,
    events,
    fail,
    plan,
    posterior,
    recommend,
    runs,
    status,
    studies,
    suggest,
    validate,
)

remote = typer.Typer(
    help="Ask a planning service (`bayeslaw serve`): studies, runs, what to do next, what is "
    "believed. Address and token come from BAYESLAW_URL and BAYESLAW_TOKEN, or from options.",
    no_args_is_help=True,
)
remote.command("studies")(studies.studies)
remote.command("validate")(validate.validate)
remote.command("create")(create.create)
remote.command("status")(status.status)
remote.command("suggest")(suggest.suggest)
remote.command("complete")(complete.complete)
remote.command("fail")(fail.fail)
remote.command("runs")(runs.runs)
remote.command("plan")(plan.plan)
remote.command("recommend")(recommend.recommend)
remote.command("posterior")(posterior.posterior)
remote.command("diagnostics")(diagnostics.diagnostics)
remote.command("events")(events.events)
