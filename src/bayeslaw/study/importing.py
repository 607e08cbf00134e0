"""Runs that somebody trained elsewhere, as evidence of a study."""

from __future__ import annotations

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss.laws import LAWS
from bayeslaw.runs import ARCHITECTURE_FIELDS, Run, RunTable
from bayeslaw.space import Architecture
from bayeslaw.study.state import StudyState

_OF_THE_RUN = ("n_tokens", "loss_nats", "loss_stderr", "cost_gpu_hours")


def import_table(state: StudyState, table: RunTable) -> list[str]:
    """Add a table's rows as done runs, all or none, and return their names.

    Raises:
        StateError: A run of that name is there already.
        InvalidInputError: A law of the study needs a column that the table lacks; a run cannot be
            taken out again, and one without it would keep the study from ever fitting that law.
            Or no run has a cost, so that nothing could be planned per hour.
    """
    for name in state.config["plan"]["laws"]:
        LAWS[name].variables(table)
    if "cost_gpu_hours" not in table and not any(run.cost_gpu_hours for run in state.runs()):
        raise InvalidInputError(
            "the table has no cost_gpu_hours and the study no run with a cost, so what a run costs "
            "could not be predicted; map that column, or train the study's first runs before"
        )
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
