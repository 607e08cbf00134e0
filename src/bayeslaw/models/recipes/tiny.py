"""A recipe for networks small enough to train on a CPU in a minute."""

from __future__ import annotations

import math

from bayeslaw.models.recipes.recipe import warmup_tokens, whole_batches
from bayeslaw.runs import Hyperparameters
from bayeslaw.space import Candidate

MIN_STEPS = 50
BASE_BATCH_TOKENS = 1024


def tiny(candidate: Candidate, seq_len: int) -> Hyperparameters:
    """Return AdamW's peak rate and batch for byte-level networks of 15k-400k body weights.

    ``batch_tokens = 1024 (N / 100,000)^0.5`` and ``learning_rate = 0.32 / d_model *
    (4 / n_layers)^0.3 * (batch_tokens / 1024)^0.5``, with N body weights and a warm-up of N tokens.
    Nothing depends on how long a run is (from 5 tokens a weight and 50 steps on), so a branch of a
    trunk is what a run of its length would have been.

    Source:
        Our own sweeps (docs/log.md, 2026-11-22; benchmarks/results/lr-sweep.json): 20k-250k body
        weights, 0.1-3.3 million tokens, 1-14 layers.
    """
    shape = candidate.architecture
    batch_tokens = tiny_batch_tokens(candidate, seq_len)
    depth = (4 / shape.n_layers) ** 0.3
    return Hyperparameters(
        learning_rate=0.32 / shape.d_model * depth * math.sqrt(batch_tokens / BASE_BATCH_TOKENS),
        batch_tokens=batch_tokens,
        seq_len=seq_len,
        warmup_tokens=warmup_tokens(candidate),
    )


def tiny_batch_tokens(candidate: Candidate, seq_len: int) -> int:
    """Return ``1024 (N / 100,000)^0.5`` tokens, N body weights, in whole sequences."""
    wanted = BASE_BATCH_TOKENS * math.sqrt(candidate.architecture.n_params_body / 100_000)
    return whole_batches(wanted, seq_len, candidate.n_tokens, MIN_STEPS)
