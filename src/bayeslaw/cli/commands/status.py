"""``bayeslaw status``: where a study stands."""

from __future__ import annotations

from pathlib import Path

from bayeslaw.cli.options import AsJson, Folder
from bayeslaw.cli.output import console, print_json, print_table


def status(folder: Folder = Path("study"), as_json: AsJson = False) -> None:
    """Say what a study has run, what is pending, and what was spent."""
    from bayeslaw.study.opening import open_state

    state = open_state(folder)
    content = state.status()
    if as_json:
        print_json(content)
        return
    print_table(
        f"study {content['study_id']}",
        ["run", "purpose", "status", "shape", "tokens", "loss [nats/token]", "cost [h]"],
        [
            [run.run_id, run.purpose, "superseded" if run.superseded else run.status,
             run.architecture or "-", run.n_tokens, run.loss_nats, run.cost_gpu_hours]
            for run in state.runs()
        ],
        left=4,
    )  # fmt: skip
    console().print(
        f"{content['n_measurements']} measurements, {content['spent_gpu_hours']:.4f} device-hours "
        f"spent"
    )
