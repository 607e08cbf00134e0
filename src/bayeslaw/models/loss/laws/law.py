"""What every loss law is: a formula, the columns it needs, its coefficients and their priors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Protocol

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss.laws.coefficient import Array, Coefficient
from bayeslaw.models.loss.laws.coefficient_checks import check_coefficients
from bayeslaw.models.loss.laws.priors import elicit, inform, pack, unpack

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

COUNTINGS = ("n_params", "n_params_body", "n_params_active", "n_params_body_active")
"""The ways of counting N that a table may carry."""


@dataclass(frozen=True)
class LossLaw:
    """Hold a closed-form map from a run's columns to its final loss.

    Call it: ``law(theta, columns)``. The formula is plain arithmetic over its arrays' own
    namespace, so numpy, jax and torch all run the same definition. Coefficients broadcast: pass
    ``(draw, 1)`` against columns of ``(candidate,)`` to get one curve a draw.

    Attributes:
        name: Its row in `LAWS`.
        inputs: Columns of a `RunTable` that it needs.
        letters: What the formula calls each input, aligned with ``inputs``; N and D are among them
            even where the formula does without D, because they say what a run costs.
        coefficients: Unknowns with priors.
        formula: The arithmetic.
        source: Paper and equation.
        given: Letters that follow from the text or the tokenizer: no run is chosen by them.
        falls_with: Letters in which the loss only falls, whatever the coefficients.
        valid_range: What the source fitted, ``(("N", low, high), ...)`` by letter, N as the source
            counted it; None where unknown.

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
    falls_with: tuple[str, ...] = ("N", "D")
    given: tuple[str, ...] = ()
    valid_range: tuple[tuple[str, float, float], ...] | None = None

    def __post_init__(self) -> None:
        if len(self.inputs) != len(self.letters) or not {"N", "D"} <= set(self.letters):
            raise InvalidInputError(
                f"law {self.name!r} needs a letter for each input, N and D among them, got inputs "
                f"{self.inputs} and letters {self.letters}"
            )
        check_coefficients(self.name, self.letters, self.coefficients)

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
        self._check_theta(theta)
        return self.formula(theta, self.variables(columns))

    def variables(self, columns: Columns) -> dict[str, Array]:
        """Return the inputs under the formula's letters, or raise naming what is missing."""
        if missing := [name for name in self.inputs if name not in columns]:
            hint = ""
            others = [name for name in COUNTINGS if name in columns]
            if missing == [self.n_column] and others:
                hint = f"; the table counts N as {others[0]}: use law.counting({others[0]!r})"
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

    @property
    def cost_column(self) -> str:
        """The column of weights that one token passes through: what 6 N D is to count."""
        active = ("n_params_active", "n_params_body_active")
        return next((name for name in active if name in self.inputs), self.n_column)

    def counting(self, n_column: str) -> LossLaw:
        """Return the same law with N counted another way (one of `COUNTINGS`).

        Coefficients of one counting mean nothing under the other.
        """
        if n_column not in COUNTINGS:
            raise InvalidInputError(f"N is counted as one of {COUNTINGS}, got {n_column!r}")
        inputs = tuple(
            n_column if letter == "N" else name
            for letter, name in zip(self.letters, self.inputs, strict=True)
        )
        return replace(self, inputs=inputs)

    def same_formula_as(self, other: LossLaw) -> bool:
        """Say whether two laws differ in no more than priors and the way of counting N."""
        return (self.name, self.letters, self.coefficient_names, self.formula) == (
            other.name,
            other.letters,
            other.coefficient_names,
            other.formula,
        )

    def from_unconstrained(
        self, z: Array, reference: Mapping[str, Array], xp: ModuleType
    ) -> dict[str, Array]:
        """Return coefficients from standard-normal coordinates.

        Args:
            z: ``(..., coefficient)``; the prior on every entry is Normal(0, 1).
            reference: Logarithms of the table's reference point, from `log_reference`.
            xp: The namespace of ``z`` (numpy or jax.numpy).

        Returns:
            Coefficient name to values of shape ``(...)``.
        """
        return unpack(self.coefficients, z, reference, xp)

    def to_unconstrained(
        self, theta: Mapping[str, Array], reference: Mapping[str, Array]
    ) -> np.ndarray:
        """Return the coordinates that `from_unconstrained` turns into these coefficients.

        Args:
            theta: Coefficient name to values of shape ``(...)``.
            reference: From `log_reference`.

        Returns:
            ``(..., coefficient)``, float64.

        Raises:
            InvalidInputError: A coefficient is missing, not finite, or not positive where it must
                be.
        """
        self._check_theta(theta)
        return pack(self.coefficients, theta, reference)

    def believing(self, intervals: Mapping[str, tuple[float, float]]) -> LossLaw:
        """Return the same law with priors that put 90 % of belief in the given intervals.

        Args:
            intervals: Coefficient name to (low, high), for coefficients whose prior is on
                themselves (exponents, optima, signed numbers).

        Raises:
            InvalidInputError: Another coefficient, or no interval.

        >>> from bayeslaw.models.loss.laws import LAWS
        >>> alpha = LAWS["chinchilla"].believing({"alpha": (0.2, 0.5)}).coefficients[2]
        >>> round(alpha.prior_median, 3), round(alpha.prior_sd, 3)
        (0.316, 0.279)
        """
        return replace(self, coefficients=elicit(self.coefficients, intervals))

    def informed(
        self, means: Sequence[float] | np.ndarray, sds: Sequence[float] | np.ndarray
    ) -> LossLaw:
        """Return the same law with every coordinate's prior Normal(mean, sd) of the old ones.

        Args:
            means: ``(coefficient,)``, in today's coordinates, in the order of
                `coefficient_names`.
            sds: ``(coefficient,)``, positive; 1 with mean 0 leaves a prior as it is.

        Raises:
            InvalidInputError: Another length, or a number that makes no sense.
        """
        return replace(
            self, coefficients=inform(self.coefficients, np.asarray(means), np.asarray(sds))
        )

    def log_reference(self, columns: Columns, loss_nats: np.ndarray) -> dict[str, float]:
        """Return the logarithm of the geometric mean of each letter and of the loss."""
        reference = {
            letter: float(np.mean(np.log(values)))
            for letter, values in self.variables(columns).items()
        }
        return {**reference, "loss": float(np.mean(np.log(loss_nats)))}

    def _check_theta(self, theta: Mapping[str, Array]) -> None:
        if missing := [name for name in self.coefficient_names if name not in theta]:
            raise InvalidInputError(
                f"law {self.name!r} needs coefficients {list(self.coefficient_names)}, "
                f"got none for {missing}"
            )
