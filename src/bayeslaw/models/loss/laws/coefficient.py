"""An unknown number of a law, and what is believed of it before any run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bayeslaw.errors import InvalidInputError

Array = Any
"""A numpy, jax or torch array, or a plain float."""

Kind = Literal["floor", "share", "loss", "pure", "real"]

Power = tuple[str, str, float]
"""``("N", "alpha", 1)``: the coefficient's term divides it by ``N**alpha``."""

LogFactor = Callable[[Mapping[str, Array], Mapping[str, Array]], Array]
"""From coefficients listed before and the reference's logarithms to the log of a term's factor."""


@dataclass(frozen=True, slots=True)
class Coefficient:
    """Name a coefficient and its prior: lognormal, or normal where it may be negative.

    A prior on ``A`` of ``A / N**alpha`` itself would mean something else for every tokenizer and
    scale (406 for one table, 54,754 for another). So priors are on what a coefficient does to the
    loss *at the table's reference point* (geometric means of its columns and of its loss), which
    is within a factor of ten for a byte-level toy and for a billion weights. With z ~ Normal(0, 1),
    the quantity ``prior_median * exp(prior_sd * z)`` is, by ``kind``:

    * ``floor`` (E): the whole base loss at the reference point over the table's mean loss. What the
      floor itself is follows from the shares; the total is what runs pin down first.
    * ``share`` (A, B): its term at the reference point over the floor, ``A / N_ref**alpha / E``.
    * ``loss``: its term at the reference point over the table's mean loss.
    * ``pure``: the coefficient itself (or, with ``at_reference``, its term at the reference point).

    And ``real`` is a coefficient of either sign: ``prior_median + prior_sd * z`` itself.

    Attributes:
        name: The paper's letter.
        meaning: In a few words.
        kind: What the prior is about, as above.
        prior_median: Of that quantity.
        prior_sd: Standard deviation of its logarithm; of the coefficient itself where ``real``.
        at_reference: What else is in the coefficient's term. ``(("N", "alpha", 1),)`` says the term
            is ``A / N**alpha``; ``(("R", "gamma", -1),)`` that it is ``eps * R**gamma``; a function
            gives the logarithm of any other factor, ``lambda theta, log: -theta["b"] * log["D"]``.
        median_at: ``("N", 1e9, 0.2)`` says the prior's median holds at a reference N of 1e9 and
            grows as ``(1e9 / N_ref)**0.2``; None where it is the same at any scale.
        raised_to: The exponent that its term raises it to: ``alpha`` where the term is
            ``(A / N)**alpha`` (with ``at_reference`` still ``N**alpha``).
        below: Of a floor only: the letter that the floor is counted down from. The coefficient is
            then that letter at the reference minus the floor (Tao's E, below the unigram loss).
        reason: Why this prior.
        unit: Where it has one of its own; empty for plain numbers and for what its term cancels.
    """

    name: str
    meaning: str
    kind: Kind
    prior_median: float
    prior_sd: float
    at_reference: tuple[Power, ...] | LogFactor = ()
    median_at: tuple[str, float, float] | None = None
    raised_to: str = ""
    below: str = ""
    reason: str = ""
    unit: str = ""

    def __post_init__(self) -> None:
        if not self.prior_sd > 0 or not (self.kind == "real" or self.prior_median > 0):
            raise InvalidInputError(
                f"coefficient {self.name!r} needs a positive prior_sd, and a positive prior_median "
                f"unless its kind is real, got {self.prior_median} and {self.prior_sd}"
            )
        if self.kind == "real" and (self.at_reference or self.median_at):
            raise InvalidInputError(
                f"coefficient {self.name!r} is real, so its prior is on itself: leave out "
                f"at_reference and median_at"
            )
        if self.below and self.kind != "floor":
            raise InvalidInputError(
                f"coefficient {self.name!r} is of kind {self.kind}; only a floor lies below a letter"
            )

    @property
    def is_itself(self) -> bool:
        """Whether the prior is on the coefficient itself, and not on its term."""
        return self.kind in ("pure", "real") and not (self.at_reference or self.raised_to)

    def log_median(self, reference: Mapping[str, Array]) -> Array:
        """Return the logarithm of the prior's median at a table's reference point."""
        log_median = math.log(self.prior_median)
        if self.median_at is None:
            return log_median
        letter, scale, power = self.median_at
        return log_median + power * (math.log(scale) - reference[letter])

    def log_factor(self, theta: Mapping[str, Array], reference: Mapping[str, Array]) -> Array:
        """Return the logarithm of what multiplies the coefficient in its term, at the reference."""
        if callable(self.at_reference):
            return self.at_reference(theta, reference)
        return -sum(
            power * theta[exponent] * reference[letter]
            for letter, exponent, power in self.at_reference
        )

    def power(self, theta: Mapping[str, Array]) -> Array:
        """Return the power that the coefficient's term raises it to."""
        return theta[self.raised_to] if self.raised_to else 1.0
