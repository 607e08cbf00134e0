"""Rates found at one width, carried to others."""

from __future__ import annotations

import math

from bayeslaw.models.recipes.recipe import warmup_tokens
from bayeslaw.models.recipes.tiny import BASE_BATCH_TOKENS, tiny_batch_tokens
from bayeslaw.runs import Hyperparameters
from bayeslaw.space import Candidate

BASE_WIDTH = 48
_BASE_RATE = 7.3e-3
_BASE_DECAY = 0.1


def mup(candidate: Candidate, seq_len: int) -> Hyperparameters:
    """Return AdamW's rates and decay, found at ``d_model = 48``, for any width.

    With ``m = d_model / 48``, at batches of 1,024 tokens: the matrices' rate is ``0.0073 / m``,
    that of embeddings and gains 0.0073 at every width, and the decay ``0.1 m``, so that a matrix
    loses the same share a step at every width. Initial weights have a standard deviation of
    ``fan_in^-0.5`` in any case, and depth is the initialisation's business (``1/sqrt(2 n_layers)``
    on what enters the stream). Batch, warm-up and the rates' growth with the root of the batch are
    those of `tiny`: nothing depends on how long a run is.

    Where it departs from the source: a tied table is both input and head and has one rate, and
    embeddings are decayed ``m`` times as fast, since there is one decay.

    Source:
        Yang et al. (2022), arXiv:2203.03466, table 8 (Adam); Wang & Aitchison (2024),
        arXiv:2405.13698 (rate times decay). Base values: benchmarks/results/lr-sweep.json.
    """
    width = candidate.architecture.d_model / BASE_WIDTH
    batch_tokens = tiny_batch_tokens(candidate, seq_len)
    rate = _BASE_RATE * math.sqrt(batch_tokens / BASE_BATCH_TOKENS)
    return Hyperparameters(
        learning_rate=rate / width,
        embedding_rate=rate,
        vector_rate=rate,
        weight_decay=_BASE_DECAY * width,
        batch_tokens=batch_tokens,
        seq_len=seq_len,
        warmup_tokens=warmup_tokens(candidate),
    )
