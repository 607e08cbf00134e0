"""Fit a law to a file: what ``fit`` and ``predict`` share. Loads jax."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from bayeslaw.cli.progress import waiting
from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss import LAWS, LawStack, LossLaw, Posterior, fit_law, fit_stack
from bayeslaw.models.loss.stack import DEFAULT_LAWS
from bayeslaw.runs.files import ColumnSource, read_runs


def fit_table(
    path: Path,
    law_name: str,
    method: Literal["nuts", "laplace", "map"],
    columns: Sequence[str],
    ignore: Sequence[str],
    seed: int,
    *,
    silent: bool,
) -> Posterior:
    """Read a table and fit a law by name, counting N as the table does."""
    law = known_law(law_name)
    mapping = dict(ColumnSource.parse(text) for text in columns)
    table = read_runs(path, columns=mapping, ignore=tuple(ignore))
    if law.n_column not in table:
        # The table carries the other count; the output says which one was used.
        law = law.counting("n_params" if "n_params" in table else "n_params_body")
    with waiting(f"fitting {law_name} to {len(table)} runs ({method})", silent=silent):
        return fit_law(law, table, method=method, seed=seed)


def stack_table(
    path: Path,
    counted_as: Sequence[str],
    method: Literal["nuts", "laplace", "map"],
    columns: Sequence[str],
    ignore: Sequence[str],
    seed: int,
    *,
    silent: bool,
) -> LawStack:
    """Read a table and fit the default laws as one stack."""
    mapping = dict(ColumnSource.parse(text) for text in columns)
    table = read_runs(path, columns=mapping, ignore=tuple(ignore))
    with waiting(f"fitting {len(DEFAULT_LAWS)} laws to {len(table)} runs", silent=silent):
        return fit_stack(table, counted_as=counted_as, method=method, seed=seed)


def known_law(name: str) -> LossLaw:
    """Return a law by its name, or say which there are."""
    if name not in LAWS:
        raise InvalidInputError(f"no law {name!r}; known are {sorted(LAWS)}")
    return LAWS[name]
