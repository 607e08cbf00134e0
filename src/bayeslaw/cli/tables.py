"""Fit a law to a file: what ``fit`` and ``predict`` share. Loads jax."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss import LAWS, Posterior, fit_law
from bayeslaw.runs.files import ColumnSource, read_runs


def fit_table(
    path: Path, law_name: str, method: str, columns: Sequence[str], ignore: Sequence[str], seed: int
) -> Posterior:
    """Read a table and fit a law by name, counting N as the table does."""
    if law_name not in LAWS:
        raise InvalidInputError(f"no law {law_name!r}; known are {sorted(LAWS)}")
    mapping = dict(ColumnSource.parse(text) for text in columns)
    table = read_runs(path, columns=mapping, ignore=tuple(ignore))
    law: Any = LAWS[law_name]
    if law.n_column not in table:
        # The table carries the other count; the output says which one was used.
        law = law.counting("n_params" if "n_params" in table else "n_params_body")
    return fit_law(law, table, method=method, seed=seed)  # type: ignore[arg-type]
