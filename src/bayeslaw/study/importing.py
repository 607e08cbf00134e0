"""Runs that somebody trained elsewhere, as evidence of a study."""

from __future__ import annotations

from bayeslaw.runs import ARCHITECTURE_FIELDS, Run, RunTable
from bayeslaw.space import Architecture
from bayeslaw.study.state import StudyState

_OF_THE_RUN = ("n_tokens", "loss_nats", "loss_stderr", "cost_gpu_hours")


def import_table(state: StudyState, table: RunTable) -> list[str]:
    """Add a table's rows as done runs, all or none, and return their names.

    Raises:
        StateError: A run of that name is there already.
    """
    runs = [_imported(table, row) for row in range(len(table))]
    state.add_runs(runs)
    return [run.run_id for run in runs]


def _imported(table: RunTable, row: int) -> Run:
    values = {name: float(table[name][row]) for name in table}
    architecture = None
    if all(name in values for name in ARCHITECTURE_FIELDS):
        architecture = Architecture.from_numbers(values)
    run = Run(
        run_id=table.run_ids[row],
        n_tokens=int(values["n_tokens"]),
        architecture=architecture,
        purpose="imported",
        columns={} if architecture else {n: v for n, v in values.items() if n not in _OF_THE_RUN},
    )
    return run.complete(
        loss_nats=values["loss_nats"],
        loss_stderr=values.get("loss_stderr"),
        cost_gpu_hours=values.get("cost_gpu_hours", 0.0),
    )
