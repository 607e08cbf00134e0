"""Why runs fail, read from what labs write down."""

from __future__ import annotations

import re
from typing import Literal

from bayeslaw.runs import Run

Failure = Literal["out_of_memory", "diverged", "other"]

_OUT_OF_MEMORY = re.compile(
    r"out of memory|out_of_memory|outofmemory|\boom\b|memoryerror|allocate memory|no memory left",
    re.IGNORECASE,
)
_DIVERGED = re.compile(
    r"diverg|\bnan\b|\binf\b|not a number|not finite|non-finite|\bloss was\b|loss spike",
    re.IGNORECASE,
)


def failure(run: Run) -> Failure | None:
    """Say how a run failed; None where it was done. Asked only of runs that are done or failed.

    Our own lab says "the training loss was nan nats" and executors say "no memory left"; other
    labs' words are searched for the usual ones, and what has none of them is ``other``.

    >>> failure(Run("r1", 1000).advance("failed", reason="CUDA out of memory. Tried to allocate"))
    'out_of_memory'
    """
    if run.status != "failed":
        return None
    if _OUT_OF_MEMORY.search(run.reason):
        return "out_of_memory"
    return "diverged" if _DIVERGED.search(run.reason) else "other"
