"""The work of an mLSTM: a matrix for a state in the KV cache's place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

import numpy as np

from bayeslaw.space import Work


def block_params(
    d_model: np.ndarray, n_heads: np.ndarray, d_ff: np.ndarray | float, qk_factor: np.ndarray
) -> np.ndarray:
    """Count the weights of one block's products.

    Queries and keys of ``qk_factor d_model``; values, output gate and output; two gates a head; a
    gated MLP.
    """
    return (2 * qk_factor + 3) * d_model**2 + 2 * d_model * n_heads + 3 * d_model * d_ff


def norm_params(d_model: np.ndarray, n_heads: np.ndarray) -> np.ndarray:
    """Count the gains of one block's three norms, and the biases of its gates."""
    return 3 * d_model + 2 * n_heads


def recurrent_work(
    columns: Mapping[str, np.ndarray],
    qk_factor: np.ndarray,
    chunk_size: np.ndarray,
    bytes_per_value: float,
) -> dict[str, np.ndarray]:
    """Count one prefill and one step of mLSTM networks, as `WORK` columns, each ``(row,)``.

    A prompt is read in chunks: within one, tokens attend to those before them; from one to the
    next a state of ``n_heads x (qk_dim x v_dim + qk_dim + 1)`` values a layer is carried, and so
    through every step, which does not grow with the context.

    Args:
        columns: Shape, batch and prompt length.
        qk_factor: Query width over ``d_model``.
        chunk_size: Tokens of a chunk.
        bytes_per_value: Of weights and state; the source's memory grows by a state of two bytes a
            value with each sequence.

    Source: Beck et al. 2025, Tiled Flash Linear Attention, arXiv:2503.14376.
    """
    layers, heads, d_model, d_ff, vocab = (
        columns[name] for name in ("n_layers", "n_heads", "d_model", "d_ff", "vocab_size")
    )
    batch, prompt = columns["batch_size"], columns["prompt_tokens"]
    width, chunk = float(bytes_per_value), np.minimum(chunk_size, prompt)
    qk_dim, v_dim = qk_factor * d_model / heads, d_model / heads
    block = layers * block_params(d_model, heads, d_ff, qk_factor)
    head = vocab * d_model
    weights = block + layers * norm_params(d_model, heads) + head + d_model
    state = layers * heads * (qk_dim * v_dim + qk_dim + 1)
    within_chunk = (chunk + 1) * (qk_dim + v_dim)  # scores and mixing of a token, causal
    through_state = 4 * qk_dim * v_dim  # a token read from it and added to it
    passed = layers * (14 * d_model + 12 * (qk_factor + 1) * d_model + 6 * d_ff)
    tokens = batch * prompt
    works = {
        "prefill": Work(
            gemm_flops=2 * block * tokens + 2 * head * batch,
            attention_flops=layers * heads * (within_chunk + through_state) * tokens,
            weight_bytes=width * weights,
            cache_bytes=width * batch * state,
            activation_bytes=width * (tokens * passed + batch * vocab),
            score_bytes=width * 4 * tokens * chunk * layers * heads,
        ),
        "decode": Work(
            gemm_flops=2 * (block + head) * batch,
            attention_flops=layers * heads * through_state * batch,
            weight_bytes=width * (weights + batch * d_model),
            cache_bytes=width * 2 * batch * state,  # read and written
            activation_bytes=width * batch * (passed + vocab),
            score_bytes=np.zeros(len(batch)),
        ),
    }
    return {
        f"{phase}_{kind.name}": getattr(work, kind.name)
        for phase, work in works.items()
        for kind in fields(work)
    }
