"""``bayeslaw remote status``: where a study stands."""

from __future__ import annotations

from bayeslaw.cli.commands.remote.connection import Home, Study, TokenFile, Url, open_client
from bayeslaw.cli.options import AsJson
from bayeslaw.cli.output import console, print_json


def status(
    study: Study,
    url: Url = None,
    token_file: TokenFile = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Say how many runs a study has of each kind, what was spent, and whether its plan is new."""
    with open_client(url, token_file, home) as client:
        found = client.study(study).get()
    if as_json:
        print_json(found.model_dump())
        return
    counts = ", ".join(f"{n} {name}" for name, n in found.runs.items()) or "none yet"
    budget = found.config["plan"]["budget_gpu_hours"]
    plan = found.plan
    for line in (
        f"study {found.study_id} is {found.state}",
        f"runs: {counts}",
        f"{found.n_measurements} measurements, {found.spent_gpu_hours:.4g} of {budget:.4g} "
        f"device-hours spent",
        f"{plan.n_ready} runs planned ahead, "
        + ("with every result known" if plan.is_current else "while new results are worked in"),
    ):
        console().print(line, highlight=False)
