"""``bayeslaw predict``: the loss of a network nobody has trained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from bayeslaw.cli.options import AsJson, Columns, Ignore, Seed
from bayeslaw.cli.output import print_json, print_notes, print_table
from bayeslaw.errors import InvalidInputError


def predict(
    table: Annotated[Path, typer.Argument(help="Runs as .csv, .parquet or .jsonl.")],
    n_tokens: Annotated[float, typer.Option("--n-tokens", help="Training tokens, such as 2e10.")],
    n_params: Annotated[
        float | None,
        typer.Option("--n-params", help="Weights, counted as the fitted law does, such as 1e9."),
    ] = None,
    architecture: Annotated[
        Path | None,
        typer.Option("--architecture", help="A Hugging Face config.json, for laws with shape."),
    ] = None,
    law: Annotated[
        str,
        typer.Option(
            "--law", help="`stack` (several laws, weighed alike), or one of `bayeslaw laws`."
        ),
    ] = "stack",
    method: Annotated[
        Literal["nuts", "laplace", "map"] | None,
        typer.Option("--method", help="laplace for the stack and nuts for one law when left out."),
    ] = None,
    level: Annotated[float, typer.Option("--level", help="Share of belief in the interval.")] = 0.9,
    column: Columns = [],  # noqa: B006  (typer copies it)
    ignore: Ignore = [],  # noqa: B006
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Predict the final loss at a scale, with an interval, from a table of runs."""
    import numpy as np

    from bayeslaw.cli.tables import fit_table, known_law, stack_table
    from bayeslaw.models.loss.laws.law import COUNTINGS

    if (n_params is None) == (architecture is None):
        raise InvalidInputError("give either --n-params or --architecture (a config.json)")
    for name, value in (("--n-tokens", n_tokens), ("--n-params", n_params)):
        if value is not None and not 0 < value < np.inf:
            raise InvalidInputError(f"{name} must be positive and finite, got {value}")
    if not 0 < level < 1:
        raise InvalidInputError(f"--level must be between 0 and 1, such as 0.9, got {level}")
    inputs = () if law == "stack" else known_law(law).inputs
    shape = [name for name in inputs if name not in (*COUNTINGS, "n_tokens")]
    if shape and architecture is None:
        raise InvalidInputError(f"law {law!r} needs {shape}; give --architecture config.json")
    columns: dict[str, Any] = {"n_tokens": np.array([n_tokens])}
    if architecture is not None:
        from bayeslaw.runs import architecture_columns
        from bayeslaw.space import from_huggingface

        columns |= architecture_columns([from_huggingface(architecture)])
    if law == "stack":
        # One number cannot be both counts, and it is of all weights.
        counts = COUNTINGS if architecture else ("n_params",)
        method = method or "laplace"
        posterior = stack_table(table, counts, method, column, ignore, seed, silent=as_json)
        n_column = posterior.posteriors[0].n_column
    else:
        method = method or "nuts"
        posterior = fit_table(table, law, method, column, ignore, seed, silent=as_json)
        n_column = posterior.n_column
    if architecture is None:
        columns[n_column] = np.array([n_params])
    answers = {
        kind: posterior.predict(columns, level=level, new_run=kind == "new_run")
        for kind in ("mean", "new_run")
    }
    notes = [*posterior.notes, *answers["new_run"].notes]
    ratio = float(np.exp(answers["mean"].log_cost_distance[0]))
    if as_json:
        print_json(
            {
                "law": law,
                "carried_by": answers["mean"].carried_by,
                "n_counted_as": n_column,
                "method": method,
                "n_params": float(columns[n_column][0]),
                "n_tokens": n_tokens,
                "level": level,
                **{kind: _quantiles(answer) for kind, answer in answers.items()},
                "sensitivity": {
                    name: {"lower_nats": float(low[0]), "upper_nats": float(high[0])}
                    for name, (low, high) in answers["new_run"].sensitivity.items()
                },
                "cost_over_costliest_run": ratio,
                "notes": [note.to_dict() for note in notes],
            }
        )
        return
    print_table(
        f"{law} at {columns[n_column][0]:.4g} {n_column} and "
        f"{n_tokens:.4g} tokens: {ratio:.3g}x the cost of the costliest run seen",
        [
            "final loss [nats per token]",
            f"{50 - 50 * level:.3g} %",
            "50 %",
            f"{50 + 50 * level:.3g} %",
        ],
        [
            [label, *_quantiles(answers[kind]).values()]
            for kind, label in (("mean", "the law's curve"), ("new_run", "one new run"))
        ]
        + [
            [f"one new run, {name.replace('_', ' ')}", float(low[0]), "", float(high[0])]
            for name, (low, high) in answers["new_run"].sensitivity.items()
        ],
    )
    carried = (f"{label} {share:.0%}" for label, share in answers["mean"].carried_by.items())
    print(f"carried by {', '.join(carried)}; tau is how wrong laws get beyond their runs")
    print_notes(notes)


def _quantiles(prediction: Any) -> dict[str, float]:
    return {
        "lower_nats": float(prediction.lower_nats[0]),
        "median_nats": float(prediction.median_nats[0]),
        "upper_nats": float(prediction.upper_nats[0]),
    }
