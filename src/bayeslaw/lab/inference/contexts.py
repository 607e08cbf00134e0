"""At which contexts decode steps are timed, and what each counts in their mean."""

from __future__ import annotations

import numpy as np

from bayeslaw.space import Workload

# Decode steps slow down evenly as the context grows, so a few contexts give the mean step.
N_CONTEXTS = 5


def timed_contexts(workload: Workload) -> list[int]:
    """Return tokens in the cache before each timed step, evenly from first step to last.

    >>> timed_contexts(Workload(prompt_tokens=128, output_tokens=34))
    [128, 136, 144, 152, 160]
    """
    first = workload.prompt_tokens
    # The prefill chooses the first token, so there is one step less than there are tokens.
    last = max(first, workload.context - 2)
    return sorted({round(context) for context in np.linspace(first, last, N_CONTEXTS)})


def position_weights(workload: Workload, contexts: list[int]) -> np.ndarray:
    """Return each timed context's share in the mean step, linear between contexts; sums to 1.

    >>> position_weights(Workload(prompt_tokens=10, output_tokens=4), [10, 12]).tolist()
    [0.5, 0.5]
    """
    positions = np.arange(contexts[0], contexts[-1] + 1)
    hats = np.eye(len(contexts))
    return np.array([np.interp(positions, contexts, hat).mean() for hat in hats])
