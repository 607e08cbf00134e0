"""Rates found at one width, carried to others."""

from __future__ import annotations

from bayeslaw.models.recipes.recipe import warmup_tokens, whole_batches
from bayeslaw.runs import Hyperparameters
from bayeslaw.space import Candidate

MIN_STEPS = 50
_BASE_WIDTH = 48
_BASE_RATE = 8e-3
_BASE_DECAY = 0.1
_BATCH_TOKENS = 1024


def mup(candidate: Candidate, seq_len: int) -> Hyperparameters:
    """Return AdamW's rates and decay, found at ``d_model = 48``, for any width.

    With ``m = d_model / 48``: the matrices' rate is ``0.008 / m``, that of embeddings and gains
    0.008 at every width, and the decay ``0.1 m``, so that a matrix loses the same share a step
    at every width. Initial weights have a standard deviation of ``fan_in^-0.5`` in any case, and
    depth is the initialisation's business (``1/sqrt(2 n_layers)`` on what enters the stream).
    Numbers depend on the run's length no more than those of `tiny`.

    A tied table is also the head; its rate stays constant all the same.

    Source:
        Yang et al. (2022), arXiv:2203.03466, table 8 (Adam); Wang & Aitchison (2024),
        arXiv:2405.13698, section 4 (rate times decay). Base values: benchmarks/lr_sweep.py.
    """
    width = candidate.architecture.d_model / _BASE_WIDTH
    return Hyperparameters(
        learning_rate=_BASE_RATE / width,
        embedding_rate=_BASE_RATE,
        vector_rate=_BASE_RATE,
        weight_decay=_BASE_DECAY * width,
        batch_tokens=whole_batches(_BATCH_TOKENS, seq_len, candidate.n_tokens, MIN_STEPS),
        seq_len=seq_len,
        warmup_tokens=warmup_tokens(candidate),
    )
