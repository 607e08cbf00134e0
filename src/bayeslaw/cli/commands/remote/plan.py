"""``bayeslaw remote plan``: what would be run next, and why."""

from __future__ import annotations

from typing import Any

from bayeslaw.cli.commands.remote.connection import Home, Study, TokenFile, Url, open_client
from bayeslaw.cli.commands.remote.shapes import shape
from bayeslaw.cli.options import AsJson
from bayeslaw.cli.output import console, number, print_json, print_table, stacked


def plan(
    study: Study,
    url: Url = None,
    token_file: TokenFile = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show the plan that is kept ahead: what the next who ask will be handed, and why."""
    with open_client(url, token_file, home) as client:
        found = client.study(study).plan()
    content = found.model_dump()
    if as_json:
        print_json(content)
        return
    age = "knows every result" if found.is_current else "new results are being worked in"
    print_table(
        f"plan of {study}: {age}",
        ["rank", "shape", "tokens", "loss [nats/token]", "TPOT [ms]", "cost [h]"],
        [
            [item["rank"], shape(item["architecture"]), item["n_tokens"],
             *(_believed(item.get(key)) for key in ("loss_nats", "tpot_ms", "cost_gpu_hours"))]
            for item in content["items"]
        ],
        left=2,
    )  # fmt: skip
    for item in content["items"]:
        if item.get("why"):
            _say(f"{item['rank']}: {item['why']}")
    for reason in (found.exhausted, found.waiting):
        if reason is not None:
            _say(f"{reason.code}: {reason.detail}")
    _say(
        f"{found.n_ready} of these are left; {found.pending} runs wait to be handed out before them"
    )


def _believed(value: Any) -> str:
    return stacked(value) if isinstance(value, dict) else number(value)


def _say(line: str) -> None:
    console().print(line, markup=False, highlight=False)
