"""Which coefficients these runs cannot tell, and which run would."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bayeslaw.models.loss.evidence import Evidence, gather_evidence
from bayeslaw.models.loss.laws import LossLaw
from bayeslaw.models.loss.linearised import UNLEARNT, Linearised, linearise
from bayeslaw.models.notes import Note
from bayeslaw.runs import RunTable

# Columns that vary by less are constant for a law: within it, other terms mimic the effect.
_CONSTANT = np.log(1.15)


def check_identifiability(law: LossLaw, table: RunTable) -> list[Note]:
    """Warn of coefficients that the table cannot identify, naming a run that would help most.

    Two looks. Named designs that are known not to work: too few runs, all at one tokens per
    parameter, one size, one token budget, one shape, one shape a size. And, for everything else,
    the information matrix of the law's Jacobian at the prior's centre against the prior: a
    coefficient that no direction of the data moves is named whatever the reason.

    Args:
        law: Formula and priors.
        table: Finished runs with the law's columns.

    Returns:
        Coded notes, the named designs first; empty when nothing is wrong.
    """
    evidence = gather_evidence(law, table)
    local = linearise(law, evidence)
    checks = (_few_runs, _one_budget, _one_shape, _shape_follows_size, _unlearnt)
    return [note for check in checks for note in check(law, evidence, local)]


def _few_runs(law: LossLaw, evidence: Evidence, local: Linearised) -> list[Note]:
    n_coefficients = len(law.coefficients)
    if evidence.n_runs > n_coefficients:
        return []
    return [
        Note(
            "few_runs",
            "warning",
            f"{evidence.n_runs} runs for the {n_coefficients} coefficients of {law.name!r}: the "
            f"intervals are mostly the prior's; at least {n_coefficients + 1} runs, better "
            f"{2 * n_coefficients}, would tell. {local.advice(law.coefficient_names)}",
        )
    ]


def _one_budget(law: LossLaw, evidence: Evidence, local: Linearised) -> list[Note]:
    size, data = law.n_column, "n_tokens"
    n, d = np.log(evidence.columns[size]), np.log(evidence.columns[data])
    size_names = _present(law, ("A", "alpha"))
    data_names = _present(law, ("B", "beta"))
    if np.ptp(n) < _CONSTANT and np.ptp(d) < _CONSTANT:
        what = f"every run has about one {size} and one {data}"
        return [_confounded("one_size_and_budget", what, (*size_names, *data_names), local)]
    if np.ptp(n) < _CONSTANT:
        what = f"every run has about {size} = {np.exp(n.mean()):.3g}"
        return [_confounded("one_size", what, size_names, local)]
    if np.ptp(d) < _CONSTANT:
        what = f"every run has about {data} = {np.exp(d.mean()):.3g}"
        return [_confounded("one_token_budget", what, data_names, local)]
    if np.ptp(d - n) < _CONSTANT:
        what = f"every run has about {data} = {np.exp(np.mean(d - n)):.3g} {size}"
        names = tuple(dict.fromkeys((*size_names, *data_names)))
        return [_confounded("constant_tokens_per_param", what, names, local)]
    return []


def _one_shape(law: LossLaw, evidence: Evidence, local: Linearised) -> list[Note]:
    notes = []
    for name in _shape_inputs(law):
        values = evidence.columns[name]
        if np.ptp(np.log(values)) < _CONSTANT:
            what = f"every run has about {name} = {values.mean():.3g}"
            notes.append(_confounded("one_shape", what, _moved_by(law, name), local))
    return notes


def _shape_follows_size(law: LossLaw, evidence: Evidence, local: Linearised) -> list[Note]:
    """Find a shape column that size alone predicts: its effect and that of size are one."""
    log_n = np.log(evidence.columns[law.n_column])
    if evidence.n_runs < 4 or np.ptp(log_n) < _CONSTANT:
        return []
    order = np.argsort(log_n)
    classes = np.cumsum(np.diff(log_n[order], prepend=log_n.min()) > _CONSTANT)
    notes = []
    for name in _shape_inputs(law):
        log_shape = np.log(evidence.columns[name])
        if np.ptp(log_shape) < _CONSTANT:
            continue
        # By size class or by a line in log size: either way nothing of the shape is left.
        within = max(np.ptp(log_shape[order][classes == c]) for c in np.unique(classes))
        line = np.polyval(np.polyfit(log_n, log_shape, 1), log_n)
        has_repeats = len(np.unique(classes)) < evidence.n_runs
        if (has_repeats and within < _CONSTANT) or np.std(log_shape - line) < 0.05:
            what = f"{name} follows from {law.n_column} in these runs (one shape a size)"
            notes.append(_confounded("one_shape_per_size", what, _moved_by(law, name), local))
    return notes


def _unlearnt(law: LossLaw, evidence: Evidence, local: Linearised) -> list[Note]:
    """Name coefficients, then directions of several, of which the prior's width is left."""
    notes = []
    unlearnt = [n for n, share in local.width_left().items() if share > UNLEARNT]
    if unlearnt:
        notes.append(
            Note(
                "unidentified",
                "warning",
                f"these runs say next to nothing about {', '.join(unlearnt)} (over "
                f"{UNLEARNT:.0%} of the prior's width is left): what is believed is the prior. "
                f"{local.advice(unlearnt)}",
            )
        )
    together: set[tuple[str, ...]] = set()
    for direction in local.unlearnt_directions():
        involved = tuple(name for name in direction if name not in unlearnt)
        if len(involved) > 1 and involved not in together:
            together.add(involved)
            notes.append(
                Note(
                    "confounded",
                    "warning",
                    f"{', '.join(involved)} can move together with hardly a change in any fitted "
                    f"loss. {local.advice(involved)}",
                )
            )
    return notes


def _confounded(code: str, what: str, names: Sequence[str], local: Linearised) -> Note:
    return Note(
        code, "warning", f"{', '.join(names)} are confounded: {what}. {local.advice(names)}"
    )


def _shape_inputs(law: LossLaw) -> list[str]:
    return [name for name in law.inputs if name not in (law.n_column, "n_tokens")]


def _moved_by(law: LossLaw, column: str) -> tuple[str, ...]:
    """Name the coefficients that act through this column; all but the base's where unknown."""
    letter = law.letters[law.inputs.index(column)]
    through = {"R": ("eps", "gamma"), "x": ("x_star", "a1"), "r": ("r_star", "b1")}
    base = {"E", "A", "alpha", "B", "beta"}
    beyond_base = tuple(c for c in law.coefficient_names if c not in base)
    return _present(law, through.get(letter, beyond_base))


def _present(law: LossLaw, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(c for c in names if c in law.coefficient_names) or law.coefficient_names
