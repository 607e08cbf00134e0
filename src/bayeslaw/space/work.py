"""What one forward pass must do: arithmetic and bytes, by kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from bayeslaw.space import formulas
from bayeslaw.space.architecture import Architecture
from bayeslaw.space.formulas import Number

_SHAPE = ("n_layers", "d_model", "n_heads", "n_kv_heads", "head_dim", "d_ff", "vocab_size")
_FLAGS = {"gated_mlp": 1, "qk_norm": 0, "post_norm": 0}


@dataclass(frozen=True, slots=True)
class Work:
    """Hold the work of one forward pass, each field a number or float64 ``(row,)``.

    Attributes:
        gemm_flops: Products with weights, head included [FLOP].
        attention_flops: Scores and mixing [FLOP].
        weight_bytes: Weights read, once a pass; in decode also the rows of the table [byte].
        cache_bytes: KV cache written (prefill) or read and extended (decode) [byte].
        activation_bytes: Elementwise traffic of an unfused block, see `prefill_work` [byte].
        score_bytes: Score matrices, for engines that store them [byte].

    >>> shape = Architecture(2, 64, 4, 2, 16, 128, 256)
    >>> one = decode_work(shape, 1, 10, 2)
    >>> (one + one).gemm_flops == (one * 2).gemm_flops == 2 * one.gemm_flops
    True
    """

    gemm_flops: Any
    attention_flops: Any
    weight_bytes: Any
    cache_bytes: Any
    activation_bytes: Any
    score_bytes: Any

    def __add__(self, other: Work) -> Work:
        return Work(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __mul__(self, times: Number) -> Work:
        return Work(*(getattr(self, f.name) * times for f in fields(self)))

    __rmul__ = __mul__

    @property
    def flops(self) -> Any:
        """All arithmetic [FLOP], as `Architecture.prefill_flops` and `decode_flops` count it."""
        return self.gemm_flops + self.attention_flops

    @property
    def bytes(self) -> Any:
        """Weights and cache [byte], as `Architecture.prefill_bytes` and `decode_bytes` count them."""
        return self.weight_bytes + self.cache_bytes


def prefill_work(
    architecture: Architecture | Mapping[str, Number],
    batch_size: Number,
    prompt_tokens: Number,
    bytes_per_value: Number,
    *,
    all_logits: bool = False,
    causal: bool = True,
) -> Work:
    """Count the work of reading a prompt.

    Every count is linear in the heads and the MLP width of a layer, so where layers differ their
    *means* give the exact sum over layers.

    An unfused block passes through memory, for each token, ``14 d_model`` values (two norms, two
    residual additions, the inputs and outputs of the products), queries six times (written,
    rotated, read, and what attention returns in their place), keys four times, values twice, and
    the MLP's hidden values four times, six when gated. Logits are written once. Scores pass four
    times (written, normalised in place, read).

    Args:
        architecture: One architecture, or its shape as numbers or columns ``(row,)`` by
            `Architecture`'s names; ``gated_mlp`` is 1, ``qk_norm`` and ``post_norm`` 0 when absent.
        batch_size: Sequences [count].
        prompt_tokens: Of each sequence [count].
        bytes_per_value: Of weights, cache and activations [byte].
        all_logits: Whether the head runs on every position (a training or scoring forward) rather
            than on the last alone.
        causal: Whether a token attends to those before it alone; an encoder's attends to all.

    Returns:
        The work; floats for one architecture, float64 ``(row,)`` for columns.
    """
    each = _Shape.of(architecture)
    tokens = batch_size * prompt_tokens
    head_rows = tokens if all_logits else batch_size
    keys = (prompt_tokens + 1) / 2 if causal else prompt_tokens  # of a query, on average
    return _work(
        gemm_flops=2 * each.block_params * tokens + 2 * each.head_params * head_rows,
        attention_flops=each.mix_flops * tokens * keys,
        weight_bytes=bytes_per_value * each.weights_read,
        cache_bytes=bytes_per_value * tokens * each.cached_values,
        activation_bytes=bytes_per_value
        * (tokens * each.passed_values + head_rows * each.vocab_size),
        score_bytes=bytes_per_value * 4 * tokens * prompt_tokens * each.n_score_rows,
    )


def decode_work(
    architecture: Architecture | Mapping[str, Number],
    batch_size: Number,
    context: Number,
    bytes_per_value: Number,
) -> Work:
    """Count the work of one decode step, a token for each sequence.

    Args:
        architecture: As in `prefill_work`.
        batch_size: Sequences [count].
        context: Tokens in each sequence's cache [count]; every count is linear in it, so the mean
            context of a request gives the mean step.
        bytes_per_value: Of weights, cache and activations [byte].

    Returns:
        The work; floats for one architecture, float64 ``(row,)`` for columns.
    """
    each = _Shape.of(architecture)
    return _work(
        gemm_flops=2 * batch_size * (each.block_params + each.head_params),
        attention_flops=each.mix_flops * batch_size * context,
        weight_bytes=bytes_per_value * (each.weights_read + batch_size * each.d_model),
        cache_bytes=bytes_per_value * batch_size * (context + 1) * each.cached_values,
        activation_bytes=bytes_per_value * batch_size * (each.passed_values + each.vocab_size),
        score_bytes=bytes_per_value * 4 * batch_size * context * each.n_score_rows,
    )


@dataclass(frozen=True, slots=True)
class _Shape:
    """Hold what the counts take of a shape, whole network."""

    d_model: Number
    vocab_size: Number
    block_params: Number  # weights of products, without norms
    head_params: Number
    weights_read: Number
    mix_flops: Number  # of one query and one key
    cached_values: Number  # of one token
    passed_values: Number  # of one token, through memory
    n_score_rows: Number  # heads of all layers

    @classmethod
    def of(cls, architecture: Architecture | Mapping[str, Number]) -> _Shape:
        names = (*_SHAPE, *_FLAGS)
        if isinstance(architecture, Architecture):
            given = {name: getattr(architecture, name) for name in names}
        else:
            given = {name: architecture[name] for name in _SHAPE}
            given |= {name: architecture.get(name, value) for name, value in _FLAGS.items()}
        layers, d_model, heads, kv_heads, head_dim, d_ff, vocab, gated, qk_norm, post_norm = (
            given[name] for name in names
        )
        block = formulas.attention_params(layers, d_model, heads, kv_heads, head_dim)
        block = block + formulas.mlp_params(layers, d_model, d_ff, gated)
        head = formulas.embedding_params(vocab, d_model)  # V x d, tied or not
        norms = formulas.norm_params(layers, d_model, head_dim, qk_norm, post_norm)
        return cls(
            d_model=d_model,
            vocab_size=vocab,
            block_params=block,
            head_params=head,
            weights_read=block + head + norms,
            mix_flops=formulas.attention_mix_flops(layers, heads, head_dim, 1),
            cached_values=formulas.kv_bytes_per_token(layers, kv_heads, head_dim, 1),
            passed_values=layers
            * (14 * d_model + 6 * head_dim * (heads + kv_heads) + (4 + 2 * gated) * d_ff),
            n_score_rows=layers * heads,
        )


def _work(**counts: Number) -> Work:
    return Work(
        **{
            name: np.asarray(count, np.float64) if isinstance(count, np.ndarray) else float(count)
            for name, count in counts.items()
        }
    )
