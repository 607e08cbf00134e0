"""How many may do something at one time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bayeslaw.service.problems import ProblemError


class Slots:
    """Let in so many at one time and refuse one more.

    Args:
        n_slots: At one time [count].
        what: They are taken for, in words.

    >>> slots = Slots(1, "streams")
    >>> with slots.taken():
    ...     slots.n_taken
    1
    >>> slots.n_taken
    0
    """

    def __init__(self, n_slots: int, what: str) -> None:
        self._n_slots = n_slots
        self._what = what
        self.n_taken = 0

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Hold a slot.

        Raises:
            ProblemError: 503 when all are taken.
        """
        self.check()
        self.n_taken += 1
        try:
            yield
        finally:
            self.n_taken -= 1

    def check(self) -> None:
        """Refuse one more when all are taken.

        Raises:
            ProblemError: 503.
        """
        if self.n_taken >= self._n_slots:
            raise ProblemError(
                503,
                "overloaded",
                f"all {self._n_slots} {self._what} are in use",
                todo="try again later, or read in pages",
                headers={"Retry-After": "5"},
            )
