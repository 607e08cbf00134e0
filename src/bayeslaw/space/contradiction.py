"""Which constraints rule each other out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

MAX_ALONE = 2
"""Sets up to this size are all tried; a larger one is found by leaving constraints out."""


def contradiction(
    constraints: Sequence[str], is_proven_empty: Callable[[Sequence[str]], bool]
) -> tuple[str, ...]:
    """Return the fewest constraints that no member can meet together.

    Single ones first, then pairs. Where no pair is proven to clash, constraints are left out one by
    one as long as the rest is still proven empty: what remains is needed, each one of it.

    Args:
        constraints: All that must hold.
        is_proven_empty: Whether some of them are proven to leave nothing. It may fail to prove
            what is true, and then the answer is larger than it need be, never wrong.

    Returns:
        Constraints in the order given; empty where the axes alone leave nothing. All of them where
        nothing smaller is proven.

    >>> def proves(texts):
    ...     return {"n <= 1", "n >= 2"} <= set(texts)
    >>> contradiction(["d <= 9", "n <= 1", "n >= 2"], proves)
    ('n <= 1', 'n >= 2')
    """
    if is_proven_empty(()):
        return ()
    for size in range(1, MAX_ALONE + 1):
        for some in combinations(constraints, size):
            if is_proven_empty(some):
                return some
    kept = list(constraints)
    for text in constraints:
        rest = [other for other in kept if other != text]
        if len(rest) > MAX_ALONE and is_proven_empty(rest):
            kept = rest
    return tuple(kept)


def in_words(clash: Sequence[str]) -> str:
    """Name constraints that rule each other out, and what to do.

    >>> in_words(["n <= 1", "n >= 2"])
    "'n <= 1' and 'n >= 2': these 2 contradict each other; loosen one of them"
    """
    named = " and ".join(repr(text) for text in clash)
    if len(clash) == 1:
        return f"{named}: no member of these axes meets it; loosen it"
    return f"{named}: these {len(clash)} contradict each other; loosen one of them"
