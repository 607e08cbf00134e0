"""Parameter, FLOP and byte counts, written once.

Every function here is plain arithmetic, so the same line counts one architecture (Python
integers, exact), a million candidates (NumPy columns) and a whole box of the search space
(`Interval`). `n_*` are counts; `bytes_per_value` is 2 for bfloat16.
"""

from __future__ import annotations

from typing import Any

Number = Any  # int, NumPy column or Interval


def embedding_params(vocab_size: Number, d_model: Number) -> Number:
    """Count the input table's weights."""
    return vocab_size * d_model


def head_params(vocab_size: Number, d_model: Number, tied_embeddings: Number) -> Number:
    """Count the output head's own weights: none when it is tied to the input table."""
    return vocab_size * d_model * (1 - tied_embeddings)


def attention_params(
    n_layers: Number, d_model: Number, n_heads: Number, n_kv_heads: Number, head_dim: Number
) -> Number:
    """Count the weights of the query, key, value and output projections of all layers."""
    return n_layers * d_model * head_dim * (2 * n_heads + 2 * n_kv_heads)


def mlp_params(n_layers: Number, d_model: Number, d_ff: Number, gated_mlp: Number) -> Number:
    """Count MLP weights of all layers: three matrices when gated, else two."""
    return n_layers * d_model * d_ff * (2 + gated_mlp)


def norm_params(
    n_layers: Number, d_model: Number, head_dim: Number, qk_norm: Number, post_norm: Number
) -> Number:
    """Count norm gains: before (and, with post_norm, after) each block, QK-norm, and the last one."""
    return n_layers * ((2 + 2 * post_norm) * d_model + 2 * qk_norm * head_dim) + d_model


def attention_mix_flops(
    n_layers: Number, n_heads: Number, head_dim: Number, context: Number
) -> Number:
    """Count FLOPs for one query token to attend to ``context`` keys (scores and mixing)."""
    return 4 * n_layers * n_heads * head_dim * context


def kv_bytes_per_token(
    n_layers: Number, n_kv_heads: Number, head_dim: Number, bytes_per_value: Number = 2
) -> Number:
    """Count the KV-cache bytes that one token of one sequence keeps."""
    return 2 * n_layers * n_kv_heads * head_dim * bytes_per_value


def activation_bytes(
    batch_size: Number,
    prompt_tokens: Number,
    d_model: Number,
    d_ff: Number,
    n_heads: Number,
    head_dim: Number,
    bytes_per_value: Number = 2,
) -> Number:
    """Count live bytes of one layer in prefill: residual, normed input, queries and two MLP halves.

    FlashAttention keeps no score matrix; other layers' activations are dead at inference.
    """
    return (
        batch_size * prompt_tokens * bytes_per_value * (2 * d_model + n_heads * head_dim + 2 * d_ff)
    )


def serving_bytes(
    n_params: Number, batch_size: Number, context: Number, kv_bytes: Number, activations: Number,
    bytes_per_value: Number = 2,
) -> Number:  # fmt: skip
    """Count bytes held while serving: weights, the KV cache of all sequences, activations.

    ``kv_bytes`` is what one token keeps (`kv_bytes_per_token`), ``activations`` one layer's live
    bytes (`activation_bytes`), both in the same precision.
    """
    return bytes_per_value * n_params + batch_size * context * kv_bytes + activations
