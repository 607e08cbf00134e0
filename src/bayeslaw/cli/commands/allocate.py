"""``bayeslaw allocate``: how large a network to train on how much, for a budget."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from bayeslaw.cli.options import AsJson, Columns, Ignore, Law, Method, Seed
from bayeslaw.cli.output import console, print_json, print_notes, print_table
from bayeslaw.errors import InvalidInputError

_COUNTED = {
    "n_params": "all weights",
    "n_params_body": "weights without embeddings and head",
    "n_params_active": "weights a token passes through",
    "n_params_body_active": "weights a token passes through, without embeddings and head",
}
_BAR = 24  # characters


def allocate(
    budget_flops: Annotated[
        float, typer.Option("--budget-flops", help="Training compute, 6 N D, such as 1e21.")
    ],
    table: Annotated[
        Path | None, typer.Argument(help="Runs as .csv, .parquet or .jsonl, to fit a law to.")
    ] = None,
    fit: Annotated[
        str | None, typer.Option("--fit", help="A published fit of `bayeslaw laws` instead.")
    ] = None,
    law: Law = "chinchilla",
    method: Method = "nuts",
    fix: Annotated[
        list[str],
        typer.Option("--fix", help="An input of the law that is given: NAME=NUMBER."),
    ] = [],  # noqa: B006  (typer copies it)
    level: Annotated[
        float, typer.Option("--level", help="Share of belief in the intervals.")
    ] = 0.9,
    column: Columns = [],  # noqa: B006
    ignore: Ignore = [],  # noqa: B006
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Give size, data and shape with the lowest loss for a budget, with intervals."""
    from bayeslaw.models.loss.allocation import allocate as best_use

    if (table is None) == (fit is None):
        raise InvalidInputError("give either a table of runs or --fit, a published fit's name")
    fixed = _fixed(fix)
    # Before a law is fitted, which takes seconds.
    if not 0 < budget_flops < float("inf"):
        raise InvalidInputError(f"--budget-flops must be positive and finite, got {budget_flops}")
    if not 0 < level < 1:
        raise InvalidInputError(f"--level must be between 0 and 1, such as 0.9, got {level}")
    if fit is not None:
        if column or ignore or law != "chinchilla" or method != "nuts":
            raise InvalidInputError(
                "--law, --method, --column and --ignore go with a table; --fit names a fit that is "
                "done"
            )
        belief, source = _published(fit)
    else:
        from bayeslaw.cli.tables import fit_table

        assert table is not None
        belief = fit_table(table, law, method, column, ignore, seed, silent=as_json)
        source = (
            f"{law} fitted to {belief.n_runs} runs of {table.name} ({belief.method}); the interval "
            f"of the loss has the law's possible error beyond them in it"
        )
    best = best_use(belief, budget_flops, fixed=fixed, level=level, seed=seed)
    if as_json:
        print_json(_content(best, source))
    else:
        _show(best, source)


def _fixed(words: Sequence[str]) -> dict[str, float]:
    fixed = {}
    for word in words:
        name, _, value = word.partition("=")
        try:
            fixed[name] = float(value)
        except ValueError:
            raise InvalidInputError(
                f"--fix takes NAME=NUMBER, such as unique_tokens=1e10, got {word!r}"
            ) from None
    return fixed


def _published(name: str) -> tuple[Any, str]:
    from bayeslaw.models.loss.cards import published_fits

    fits = published_fits()
    if name not in fits:
        raise InvalidInputError(f"no published fit {name!r}; known are {sorted(fits)}")
    return fits[name], f"{name}: {fits[name].source}"


def _content(best: Any, source: str) -> dict[str, Any]:
    return {
        "budget_flops": best.budget_flops,
        "cost_convention": f"6 N D, N = {best.n_column}",
        "source": source,
        "law": best.law_name,
        "n_counted_as": best.n_column,
        "level": best.level,
        "n_params": best.n_params.to_dict(),
        "n_tokens": best.n_tokens.to_dict(),
        "tokens_per_param": best.tokens_per_param.to_dict(),
        "shape": {name: interval.to_dict() for name, interval in best.shape.items()},
        "fixed": dict(best.fixed),
        "loss_nats": best.loss_nats.to_dict(),
        "isoflop_curve": [
            {
                "n_params": point.n_params,
                "n_tokens": point.n_tokens,
                "loss_nats": point.loss_nats.to_dict(),
                "log_loss_over_best": point.excess.to_dict(),
            }
            for point in best.curve
        ],
        "notes": [note.to_dict() for note in best.notes],
    }


def _show(best: Any, source: str) -> None:
    tails = (f"{50 - 50 * best.level:.3g} %", "50 %", f"{50 + 50 * best.level:.3g} %")
    quantities = [
        (f"N: {_COUNTED[best.n_column]}", best.n_params),
        ("D: training tokens", best.n_tokens),
        ("tokens a weight", best.tokens_per_param),
        *((f"best {name}", interval) for name, interval in best.shape.items()),
        ("loss there [nats per token]", best.loss_nats),
    ]
    print_table(
        f"best use of {best.budget_flops:.3g} FLOP (6 N D, N = {best.n_column})",
        ["", *tails],
        [[label, *(f"{value:.4g}" for value in _ends(interval))] for label, interval in quantities],
    )
    console().print(source, style="dim", markup=False, highlight=False)
    worst = max(point.excess.median for point in best.curve) or 1.0
    print_table(
        "loss along the line of equal compute, at the best shape",
        ["N", "", "D", "tokens a weight", "loss", "over the best", f"{100 * best.level:.3g} %"],
        [
            [
                f"{point.n_params:.3g}",
                "█" * round(_BAR * point.excess.median / worst) or "▏",
                f"{point.n_tokens:.3g}",
                f"{point.n_tokens / point.n_params:.3g}",
                f"{point.loss_nats.median:.4f}",
                f"{100 * point.excess.median:.2f} %",
                f"{100 * point.excess.lower:.2f} to {100 * point.excess.upper:.2f}",
            ]
            for point in best.curve
        ],
        left=2,
    )
    print_notes(best.notes)


def _ends(interval: Any) -> tuple[float, float, float]:
    return interval.lower, interval.median, interval.upper
