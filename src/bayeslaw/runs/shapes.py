"""Everything that follows from shapes, worked out for whole columns at once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bayeslaw.runs.columns import ARCHITECTURE_FIELDS, SHAPE_COLUMNS
from bayeslaw.space import formulas


def shape_columns(fields: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return every column that follows from a shape, float64 ``(candidate,)``.

    The numbers are those of `Architecture`'s properties.

    Args:
        fields: `ARCHITECTURE_FIELDS`, each ``(candidate,)``.

    >>> one = dict(n_layers=2, d_model=64, n_heads=4, n_kv_heads=2, head_dim=16, d_ff=128,
    ...            vocab_size=256, tied_embeddings=0, gated_mlp=1, qk_norm=0, post_norm=0)
    >>> shape_columns({name: np.array([value]) for name, value in one.items()})["n_params"].tolist()
    [106816.0]
    """
    v = {name: np.asarray(fields[name], dtype=np.float64) for name in ARCHITECTURE_FIELDS}
    heads = (v["n_heads"], v["n_kv_heads"], v["head_dim"])
    found = dict(v)
    found["embedding_params"] = formulas.embedding_params(v["vocab_size"], v["d_model"])
    found["head_params"] = formulas.head_params(v["vocab_size"], v["d_model"], v["tied_embeddings"])
    found["attention_params"] = formulas.attention_params(v["n_layers"], v["d_model"], *heads)
    found["mlp_params"] = formulas.mlp_params(
        v["n_layers"], v["d_model"], v["d_ff"], v["gated_mlp"]
    )
    found["norm_params"] = formulas.norm_params(
        v["n_layers"], v["d_model"], v["head_dim"], v["qk_norm"], v["post_norm"]
    )
    body = found["attention_params"] + found["mlp_params"] + found["norm_params"]
    found["n_params_body"] = body
    found["n_params"] = body + found["embedding_params"] + found["head_params"]
    found["mlp_attention_ratio"] = found["mlp_params"] / found["attention_params"]
    found["aspect_ratio"] = v["d_model"] / v["n_layers"]
    found["relative_width"] = v["d_model"] / np.sqrt(body)
    found["gqa_group"] = v["n_heads"] / v["n_kv_heads"]
    return {name: found[name] for name in SHAPE_COLUMNS}
