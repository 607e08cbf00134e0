"""Step Law's learning rate and batch."""

from __future__ import annotations

from bayeslaw.models.recipes.recipe import warmup_tokens, whole_batches
from bayeslaw.runs import Hyperparameters
from bayeslaw.space import Candidate

# Below this many steps a schedule has no room for warm-up and decay.
MIN_STEPS = 50


def step_law(candidate: Candidate, seq_len: int) -> Hyperparameters:
    """Return AdamW's peak rate and batch for a dense network of ordinary size.

    ``learning_rate = 1.79 N^-0.713 D^0.307`` and ``batch_tokens = 0.58 D^0.571``, N without
    embeddings and head. Fitted to networks of 0.2-1.1 billion weights; below some tens of millions
    the rate it gives is far too high: use ``tiny`` there.

    Rate and batch depend on the tokens: a trunk's branches get those of the trunk, so they are a
    little worse than runs of their own would be.

    Source:
        Li et al. (2025), arXiv:2503.04715, the paper's abstract and its released tables.
    """
    n, d = candidate.architecture.n_params_body, candidate.n_tokens
    return Hyperparameters(
        learning_rate=1.79 * n**-0.713 * d**0.307,
        batch_tokens=whole_batches(0.58 * d**0.571, seq_len, d, MIN_STEPS),
        seq_len=seq_len,
        warmup_tokens=warmup_tokens(candidate),
    )
