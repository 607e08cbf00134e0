"""A run that could be done: an architecture and how many tokens it would see."""

from __future__ import annotations

from dataclasses import dataclass

from bayeslaw.errors import InvalidInputError
from bayeslaw.space.architecture import Architecture


@dataclass(frozen=True, slots=True)
class Candidate:
    """Pair an architecture with a token budget.

    Attributes:
        architecture: The network's shape.
        n_tokens: Training tokens [count].
    """

    architecture: Architecture
    n_tokens: int

    def __post_init__(self) -> None:
        if (
            isinstance(self.n_tokens, bool)
            or not isinstance(self.n_tokens, int)
            or self.n_tokens < 1
        ):
            raise InvalidInputError(
                f"n_tokens must be a whole number of at least 1, got {self.n_tokens!r}"
            )
