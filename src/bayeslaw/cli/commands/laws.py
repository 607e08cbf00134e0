"""``bayeslaw laws``: which laws there are, and what is believed and published of one."""

from __future__ import annotations

import inspect
import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayeslaw.cli.options import AsJson
from bayeslaw.cli.output import console, number, print_json, print_table
from bayeslaw.errors import InvalidInputError

if TYPE_CHECKING:
    from bayeslaw.models.loss.cards import PublishedFit, PublishedFormula
    from bayeslaw.models.loss.laws import Coefficient, LossLaw

# What a prior is about, by kind of coefficient (`bayeslaw.models.loss.laws.Coefficient`).
_ABOUT = {
    "floor": "base loss over the table's mean loss",
    "share": "its term over the floor",
    "loss": "its term over the table's mean loss",
    "pure": "its term",
    "real": "itself",
}
_Z90 = 1.6448536


def laws(
    name: Annotated[
        str | None,
        typer.Argument(help="A law, or a published formula, to show in full.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the loss laws, or show one: formula, priors with reasons, published fits with errors."""
    from bayeslaw.models.loss.cards import published_formulas
    from bayeslaw.models.loss.laws import LAWS

    formulas = published_formulas()
    if name is None:
        _list(as_json=as_json)
    elif name in LAWS:
        _show_law(LAWS[name], as_json=as_json)
    elif name in formulas:
        _show_formula(formulas[name], as_json=as_json)
    else:
        raise InvalidInputError(
            f"no law {name!r}; known are {sorted(LAWS)}, and published formulas {sorted(formulas)}"
        )


def _list(*, as_json: bool) -> None:
    from bayeslaw.models.loss.cards import published_formulas
    from bayeslaw.models.loss.laws import LAWS

    if as_json:
        print_json(
            [
                {
                    "name": law.name,
                    "inputs": list(law.inputs),
                    "coefficients": list(law.coefficient_names),
                    "source": law.source,
                    "published_fits": [fit.name for fit in _fits(law)],
                }
                for law in LAWS.values()
            ]
        )
        return
    print_table(
        "loss laws",
        ["law", "needs", "coefficients", "source", "fits"],
        [
            [
                law.name,
                ", ".join(law.inputs),
                ", ".join(law.coefficient_names),
                law.source,
                len(_fits(law)),
            ]
            for law in LAWS.values()
        ],
        left=4,
    )
    _say(
        "",
        "bayeslaw laws NAME shows one: formula, priors with reasons, units, published fits.",
        f"Published formulas that are no loss laws: {', '.join(published_formulas())}.",
    )


def _show_law(law: LossLaw, *, as_json: bool) -> None:
    from bayeslaw.runs import COLUMNS

    fits = _fits(law)
    if as_json:
        print_json(
            {
                "name": law.name,
                "formula": _formula(law),
                "source": law.source,
                "n_column": law.n_column,
                "inputs": [
                    {
                        "column": column,
                        "letter": letter,
                        "unit": COLUMNS[column].unit,
                        "meaning": COLUMNS[column].meaning,
                    }
                    for letter, column in zip(law.letters, law.inputs, strict=True)
                ],
                "falls_with": list(law.falls_with),
                "valid_range": _range(law),
                "coefficients": [_coefficient(c) for c in law.coefficients],
                "published_fits": [_fit(fit) for fit in fits],
            }
        )
        return
    _say(law.name, "", _formula(law), "")
    print_table(
        "inputs",
        ["letter", "column", "unit", "meaning", "fitted range"],
        [
            [
                letter, column, COLUMNS[column].unit, COLUMNS[column].meaning,
                _ends(_range(law)[letter]) if letter in _range(law) else "unknown",
            ]
            for letter, column in zip(law.letters, law.inputs, strict=True)
        ],
        left=5,
    )  # fmt: skip
    priors = {c.name: _coefficient(c)["prior"] for c in law.coefficients}
    _say("")
    print_table(
        "coefficients and priors, at the table's reference point",
        ["name", "meaning", "unit", "the prior is on", "90 % of it"],
        [
            [
                c.name, c.meaning, c.unit or "-", priors[c.name]["about"],
                f"{number(priors[c.name]['p05'])} to {number(priors[c.name]['p95'])}",
            ]
            for c in law.coefficients
        ],
        left=5,
    )  # fmt: skip
    for reason in dict.fromkeys(c.reason for c in law.coefficients if c.reason):
        _say(f"{', '.join(c.name for c in law.coefficients if c.reason == reason)}: {reason}")
    _say("")
    if fits:
        _print_fits(fits)
    else:
        _say("no published fit: the source's coefficients are unknown to us")


def _print_fits(fits: list[PublishedFit]) -> None:
    print_table(
        "published fits: value, ± standard error, [95 % interval]",
        ["fit", "coefficients", "N and loss"],
        [[f.name, _in_words(f), f"{f.n_column}; {f.loss}"] for f in fits],
        left=3,
    )
    for fit in fits:
        lines = [fit.source + (" (refitted by us)" if fit.is_refitted else "")]
        lines += [f"{column} fitted: {_ends(ends)}" for column, ends in fit.valid_range.items()]
        lines += [f"not published: {', '.join(fit.missing)}"] if fit.missing else []
        _say(f"{fit.name}: " + "; ".join([*lines, *fit.notes]))


def _in_words(fit: PublishedFit) -> str:
    words = []
    for name, value in fit.theta.items():
        error = f" ± {number(fit.stderr[name])}" if name in fit.stderr else ""
        ends = f" [{_ends(fit.ci95[name])}]" if name in fit.ci95 else ""
        words.append(f"{name} {number(value)}{error}{ends}")
    return ", ".join(words)


def _show_formula(formula: PublishedFormula, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "name": formula.name,
                "formula": formula.formula,
                "units": formula.units,
                "source": formula.source,
                "notes": list(formula.notes),
                "coefficients": _numbers(formula.values, formula.stderr, formula.ci95),
            }
        )
        return
    print_table(
        f"{formula.name}: {formula.formula}",
        ["coefficient", "value", "standard error", "95 % interval"],
        [
            [
                name, value, formula.stderr.get(name),
                _ends(formula.ci95[name]) if name in formula.ci95 else None,
            ]
            for name, value in formula.values.items()
        ],
    )  # fmt: skip
    _say(formula.units, formula.source, *formula.notes)


def _fits(law: LossLaw) -> list[PublishedFit]:
    from bayeslaw.models.loss.cards import published_fits

    return [fit for fit in published_fits().values() if fit.law.name == law.name]


def _formula(law: LossLaw) -> str:
    """Return what the formula's docstring says, from "Return" to the source."""
    text = inspect.getdoc(law.formula)
    return text.partition("\n\nSource:")[0] if text else "this law's formula has no docstring"


def _range(law: LossLaw) -> dict[str, tuple[float, float]]:
    return {letter: (low, high) for letter, low, high in law.valid_range or ()}


def _coefficient(c: Coefficient) -> dict[str, Any]:
    is_real = c.kind == "real"
    step = _Z90 * c.prior_sd
    low, high = (
        (c.prior_median - step, c.prior_median + step)
        if is_real
        else (c.prior_median * math.exp(-step), c.prior_median * math.exp(step))
    )
    return {
        "name": c.name,
        "meaning": c.meaning,
        "unit": c.unit,
        "reason": c.reason,
        "prior": {
            "kind": c.kind,
            "about": "itself" if c.is_itself else _ABOUT[c.kind],
            "distribution": "normal" if is_real else "lognormal",
            "median": c.prior_median,
            "sd_of_log" if not is_real else "sd": c.prior_sd,
            "p05": low,
            "p95": high,
        },
    }


def _fit(fit: PublishedFit) -> dict[str, Any]:
    return {
        "name": fit.name,
        "coefficients": _numbers(fit.theta, fit.stderr, fit.ci95),
        "missing": list(fit.missing),
        "n_column": fit.n_column,
        "loss": fit.loss,
        "source": fit.source,
        "valid_range": {column: list(ends) for column, ends in fit.valid_range.items()},
        "refitted": fit.is_refitted,
        "notes": list(fit.notes),
    }


def _numbers(values: Any, stderr: Any, ci95: Any) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "value": value,
            "stderr": stderr.get(name),
            "ci95": list(ci95[name]) if name in ci95 else None,
        }
        for name, value in values.items()
    }


def _ends(ends: tuple[float | None, float | None]) -> str:
    return " to ".join("?" if end is None else number(float(end)) for end in ends)


def _say(*lines: str) -> None:
    for line in lines:
        console().print(line, markup=False, highlight=False)
