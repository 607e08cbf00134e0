"""Names a constraint may use, each computed from a space's axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from bayeslaw.errors import ExpressionError
from bayeslaw.space import formulas
from bayeslaw.space.interval import Interval
from bayeslaw.space.workload import Workload

AXES = (
    "n_layers", "d_model", "n_heads", "n_kv_heads", "head_dim", "d_ff", "vocab_size",
    "tied_embeddings", "gated_mlp", "qk_norm", "post_norm", "n_tokens",
)  # fmt: skip
"""What a space varies: an architecture's fields and the token budget."""

Values = Mapping[str, Any]


def _n_params_body(v: Values) -> Any:
    return (
        formulas.attention_params(
            v["n_layers"], v["d_model"], v["n_heads"], v["n_kv_heads"], v["head_dim"]
        )
        + formulas.mlp_params(v["n_layers"], v["d_model"], v["d_ff"], v["gated_mlp"])
        + formulas.norm_params(
            v["n_layers"], v["d_model"], v["head_dim"], v["qk_norm"], v["post_norm"]
        )
    )


def _n_params(v: Values) -> Any:
    return _n_params_body(v) + v["vocab_size"] * v["d_model"] * (2 - v["tied_embeddings"])


def _mlp_attention_ratio(v: Values) -> Any:
    # Depth and width cancel; leaving them out keeps interval bounds tight.
    mlp = v["d_ff"] * (2 + v["gated_mlp"])
    return mlp / (v["head_dim"] * (2 * v["n_heads"] + 2 * v["n_kv_heads"]))


def _relative_width(v: Values) -> Any:
    body = _n_params_body(v)
    return v["d_model"] / (body.sqrt() if isinstance(body, Interval) else np.sqrt(body))


QUANTITIES: Mapping[str, Callable[[Values], Any]] = {
    "n_params": _n_params,
    "n_params_body": _n_params_body,
    "mlp_attention_ratio": _mlp_attention_ratio,
    "aspect_ratio": lambda v: v["d_model"] / v["n_layers"],
    "relative_width": _relative_width,
    "gqa_group": lambda v: v["n_heads"] / v["n_kv_heads"],
    "tokens_per_param": lambda v: v["n_tokens"] / _n_params(v),
    "train_flops": lambda v: 6.0 * _n_params(v) * v["n_tokens"],
    "kv_bytes_per_token": lambda v: formulas.kv_bytes_per_token(
        v["n_layers"], v["n_kv_heads"], v["head_dim"]
    ),
}
"""Derived quantity by name; ``train_flops`` is 6 N D with all weights, cache bytes are bfloat16."""


def quantity(name: str, axes: Values, workload: Workload | None) -> Any:
    """Compute one named quantity from axis values (numbers, columns or intervals).

    ``memory_gb`` is the serving memory [1e9 byte] of the space's workload.

    Raises:
        ExpressionError: The name is unknown, or is ``memory_gb`` without a workload.
    """
    if name in axes:
        return axes[name]
    if name == "memory_gb":
        if workload is None:
            raise ExpressionError("a constraint on memory_gb needs the space's workload")
        return _memory_gb(axes, workload)
    if name not in QUANTITIES:
        raise ExpressionError(
            f"unknown name {name!r}; a space knows {sorted([*AXES, *QUANTITIES, 'memory_gb'])}"
        )
    return QUANTITIES[name](axes)


def _memory_gb(v: Values, workload: Workload) -> Any:
    batch, context, size = workload.batch_size, workload.context, workload.bytes_per_value
    cache = formulas.kv_bytes_per_token(v["n_layers"], v["n_kv_heads"], v["head_dim"], size)
    activations = formulas.activation_bytes(
        batch, context, v["d_model"], v["d_ff"], v["n_heads"], v["head_dim"], size
    )
    total = formulas.serving_bytes(_n_params(v), batch, context, cache, activations, size)
    return total / 1e9
