"""A recipe for networks small enough to train on a CPU in a minute."""

from __future__ import annotations

import math

from bayeslaw.models.recipes.recipe import whole_batches
from bayeslaw.runs import Hyperparameters
from bayeslaw.space import Candidate

MIN_STEPS = 50
_BATCH_TOKENS = 1024


def tiny(candidate: Candidate, seq_len: int) -> Hyperparameters:
    """Return AdamW's peak rate and batch for byte-level networks of 15k-400k body weights.

    ``learning_rate = 0.45 / d_model * (4 / n_layers)^0.3 * (batch_tokens / 1024)^0.25``, batches of
    1,024 tokens up to 2 million tokens and growing with their square root beyond.

    Source:
        Our own sweeps of rate and batch (docs/log.md, 2026-11-22): 20k-213k body weights, four
        aspect ratios, 0.5-2 million tokens; the formula's rate came within 0.015 nats, one seed's
        standard deviation, of the best rate tried. Above 2 million tokens it is extrapolated.
    """
    shape, n_tokens = candidate.architecture, candidate.n_tokens
    wanted = _BATCH_TOKENS * math.sqrt(max(1.0, n_tokens / 2e6))
    batch_tokens = whole_batches(wanted, seq_len, n_tokens, MIN_STEPS)
    depth = (4 / shape.n_layers) ** 0.3
    return Hyperparameters(
        learning_rate=0.45 / shape.d_model * depth * (batch_tokens / _BATCH_TOKENS) ** 0.25,
        batch_tokens=batch_tokens,
        seq_len=seq_len,
    )
