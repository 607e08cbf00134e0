"""What every loss law is: a formula, the columns it needs, its coefficients and their priors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss.laws.coefficient import Coefficient

Array = Any
"""A numpy, jax or torch array, or a plain float."""

Formula = Callable[[Mapping[str, Array], Mapping[str, Array]], Array]
"""From coefficients and columns, both under the paper's letters, to loss [nats per token]."""


class Columns(Protocol):
    """Anything that gives a column by its name: a dictionary or a `RunTable`."""

    def __getitem__(self, name: str, /) -> Array: ...

    def __contains__(self, name: str, /) -> bool: ...


# What a table may carry instead of a ratio; it derives the ratio itself.
_FROM = {
    "aspect_ratio": "d_model and n_layers",
    "relative_width": "d_model and n_params_body",
    "mlp_attention_ratio": "n_layers, d_model, n_heads, n_kv_heads, head_dim, d_ff, vocab_size, "
    "tied_embeddings and gated_mlp together",
}

COUNTINGS = ("n_params", "n_params_body")
"""The two ways of counting N that a table may carry."""


@dataclass(frozen=True)
class LossLaw:
    """Hold a closed-form map from a run's columns to its final loss.

    Call it: ``law(theta, columns)``. The formula is plain arithmetic over its arrays' own
    namespace, so numpy, jax and torch all run the same definition. Coefficients broadcast: pass
    ``(draw, 1)`` against columns of ``(candidate,)`` to get one curve a draw.

    Attributes:
        name: Its row in `LAWS`.
        inputs: Columns of a `RunTable` that it needs.
        letters: What the formula calls each input, aligned with ``inputs``.
        coefficients: Unknowns with priors, all positive.
        formula: The arithmetic.
        source: Paper and equation.

    >>> from bayeslaw.models.loss.laws import LAWS
    >>> theta = {"E": 1.69, "A": 406.4, "alpha": 0.34, "B": 410.7, "beta": 0.28}
    >>> round(LAWS["chinchilla"](theta, {"n_params": 70e9, "n_tokens": 1.4e12}), 3)
    1.937
    """

    name: str
    inputs: tuple[str, ...]
    letters: tuple[str, ...]
    coefficients: tuple[Coefficient, ...]
    formula: Formula
    source: str

    def __post_init__(self) -> None:
        if len(self.inputs) != len(self.letters) or not {"N", "D"} <= set(self.letters):
            raise InvalidInputError(
                f"law {self.name!r} needs a letter for each input, N and D among them, got inputs "
                f"{self.inputs} and letters {self.letters}"
            )
        if [c.kind for c in self.coefficients].count("floor") != 1:
            raise InvalidInputError(
                f"law {self.name!r} needs exactly one coefficient of kind floor"
            )

    def __call__(self, theta: Mapping[str, Array], columns: Columns) -> Array:
        """Return the loss of each run.

        Args:
            theta: Coefficient name to value, each broadcastable against the columns.
            columns: Column name to values; more columns than ``inputs`` are fine.

        Returns:
            Loss [nats per token], of the broadcast shape.

        Raises:
            InvalidInputError: A column or coefficient is missing.
        """
        if missing := [name for name in self.coefficient_names if name not in theta]:
            raise InvalidInputError(
                f"law {self.name!r} needs coefficients {list(self.coefficient_names)}, "
                f"got none for {missing}"
            )
        return self.formula(theta, self.variables(columns))

    def variables(self, columns: Columns) -> dict[str, Array]:
        """Return the inputs under the formula's letters, or raise naming what is missing."""
        if missing := [name for name in self.inputs if name not in columns]:
            hint = ""
            other = next(name for name in COUNTINGS if name != self.n_column)
            if missing == [self.n_column] and other in columns:
                hint = f"; the table counts N as {other}: use law.counting({other!r})"
            elif origins := [f"{n} follows from {_FROM[n]}" for n in missing if n in _FROM]:
                hint = f"; {'; '.join(origins)}"
            raise InvalidInputError(
                f"law {self.name!r} needs columns {list(self.inputs)}, {missing} missing{hint}"
            )
        return {
            letter: columns[name] for letter, name in zip(self.letters, self.inputs, strict=True)
        }

    @property
    def coefficient_names(self) -> tuple[str, ...]:
        """Names of the unknowns, in the order of the sampler's coordinates."""
        return tuple(coefficient.name for coefficient in self.coefficients)

    @property
    def n_column(self) -> str:
        """The column that it takes for N: how its coefficients count parameters."""
        return self.inputs[self.letters.index("N")]

    def counting(self, n_column: str) -> LossLaw:
        """Return the same law with N counted another way (``n_params`` or ``n_params_body``).

        Coefficients of one counting mean nothing under the other.
        """
        if n_column not in COUNTINGS:
            raise InvalidInputError(f"N is counted as one of {COUNTINGS}, got {n_column!r}")
        inputs = tuple(
            n_column if letter == "N" else name
            for letter, name in zip(self.letters, self.inputs, strict=True)
        )
        return replace(self, inputs=inputs)

    @property
    def _floor(self) -> str:
        return next(c.name for c in self.coefficients if c.kind == "floor")

    def from_unconstrained(self, z: Array, reference: Mapping[str, Array], xp: ModuleType) -> dict:
        """Return coefficients from standard-normal coordinates.

        Args:
            z: ``(..., coefficient)``; the prior on every entry is Normal(0, 1).
            reference: Logarithms of the table's reference point, from `log_reference`.
            xp: The namespace of ``z`` (numpy or jax.numpy).

        Returns:
            Coefficient name to positive values of shape ``(...)``.
        """
        logs = {
            c.name: _log_median(c, reference) + c.prior_log_sd * z[..., i]
            for i, c in enumerate(self.coefficients)
        }
        shares = [xp.exp(logs[c.name]) for c in self.coefficients if c.kind == "share"]
        start = {
            "floor": reference["loss"] - xp.log1p(sum(shares)),
            "loss": reference["loss"],
            "pure": 0.0,
        }
        start["share"] = start["floor"] + logs[self._floor]
        exponents = {name: xp.exp(value) for name, value in logs.items()}
        theta = {}
        for c in self.coefficients:
            log_value = logs[c.name] + start[c.kind]
            if c.at_reference is not None:
                letter, exponent, power = c.at_reference
                log_value = log_value + power * exponents[exponent] * reference[letter]
            theta[c.name] = xp.exp(log_value)
        return theta

    def log_reference(self, columns: Columns, loss_nats: np.ndarray) -> dict[str, float]:
        """Return the logarithm of the geometric mean of each letter and of the loss."""
        reference = {
            letter: float(np.mean(np.log(values)))
            for letter, values in self.variables(columns).items()
        }
        return {**reference, "loss": float(np.mean(np.log(loss_nats)))}


def _log_median(coefficient: Coefficient, reference: Mapping[str, Array]) -> Array:
    log_median = math.log(coefficient.prior_median)
    if coefficient.median_at is None:
        return log_median
    letter, scale, power = coefficient.median_at
    return log_median + power * (math.log(scale) - reference[letter])
