"""An unknown number of a law, and what is believed of it before any run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bayeslaw.errors import InvalidInputError

Kind = Literal["floor", "share", "loss", "pure"]


@dataclass(frozen=True, slots=True)
class Coefficient:
    """Name a positive coefficient and its lognormal prior.

    A prior on ``A`` of ``A / N**alpha`` itself would mean something else for every tokenizer and
    scale (406 for one table, 54,754 for another). So priors are on what a coefficient does to the
    loss *at the table's reference point* (geometric means of its columns and of its loss), which
    is within a factor of ten for a byte-level toy and for a billion weights. With z ~ Normal(0, 1),
    the lognormal quantity ``prior_median * exp(prior_log_sd * z)`` is, by ``kind``:

    * ``floor`` (E): the whole base loss at the reference point over the table's mean loss. What the
      floor itself is follows from the shares; the total is what runs pin down first.
    * ``share`` (A, B): its term at the reference point over the floor, ``A / N_ref**alpha / E``.
    * ``loss``: a part of the loss over the table's mean loss.
    * ``pure``: the coefficient itself.

    Attributes:
        name: The paper's letter.
        meaning: In a few words.
        kind: What the prior is about, as above.
        prior_median: Of that quantity.
        prior_log_sd: Standard deviation of its logarithm.
        at_reference: ``("N", "alpha", 1)`` says the quantity is ``A / N_ref**alpha`` (over the
            floor); ``("R", "gamma", -1)`` says it is ``eps * R_ref**gamma``.
        median_at: ``("N", 1e9, 0.2)`` says the prior's median holds at a reference N of 1e9 and
            grows as ``(1e9 / N_ref)**0.2``; None where it is the same at any scale.
    """

    name: str
    meaning: str
    kind: Kind
    prior_median: float
    prior_log_sd: float
    at_reference: tuple[str, str, float] | None = None
    median_at: tuple[str, float, float] | None = None

    def __post_init__(self) -> None:
        if not (self.prior_median > 0 and self.prior_log_sd > 0):
            raise InvalidInputError(
                f"coefficient {self.name!r} needs a positive prior_median and prior_log_sd, got "
                f"{self.prior_median} and {self.prior_log_sd}"
            )
