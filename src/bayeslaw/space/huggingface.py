"""Architectures from and to Hugging Face's ``config.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bayeslaw.errors import InvalidInputError
from bayeslaw.space.architecture import Architecture


@dataclass(frozen=True, slots=True)
class _Family:
    """What a ``model_type`` implies without saying so in its config."""

    class_name: str
    activation: str
    tied_by_default: bool = False
    qk_norm: bool = False
    post_norm: bool = False


# Read off the configuration and modelling code of transformers; counts are checked in tests
# against the published sizes of the models named there.
FAMILIES: Mapping[str, _Family] = {
    "llama": _Family("LlamaForCausalLM", "silu"),
    "mistral": _Family("MistralForCausalLM", "silu"),
    "qwen3": _Family("Qwen3ForCausalLM", "silu", qk_norm=True),
    "gemma": _Family("GemmaForCausalLM", "gelu_pytorch_tanh", tied_by_default=True),
    "gemma2": _Family(
        "Gemma2ForCausalLM", "gelu_pytorch_tanh", tied_by_default=True, post_norm=True
    ),
    "gemma3_text": _Family(
        "Gemma3ForCausalLM", "gelu_pytorch_tanh", tied_by_default=True, qk_norm=True, post_norm=True
    ),
}
"""Model types that are read and written."""

_FIELDS = {
    "n_layers": "num_hidden_layers",
    "d_model": "hidden_size",
    "n_heads": "num_attention_heads",
    "d_ff": "intermediate_size",
    "vocab_size": "vocab_size",
}


def from_huggingface(config: Mapping[str, Any] | Path) -> Architecture:
    """Read an architecture from a ``config.json`` or its parsed content.

    Only what decides counts is read: rotary bases, windows and soft caps are not kept.

    Raises:
        InvalidInputError: The model type is not one of `FAMILIES`, a field is missing, or the
            network has weights that our counts leave out (biases, experts).

    >>> from_huggingface({"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2,
    ...     "num_attention_heads": 4, "intermediate_size": 128, "vocab_size": 100}).n_kv_heads
    4
    """
    if isinstance(config, Path):
        try:
            content = json.loads(config.read_text())
        except (OSError, ValueError) as error:
            raise InvalidInputError(f"cannot read {config} as a config.json: {error}") from error
        if not isinstance(content, dict):
            raise InvalidInputError(
                f"{config} holds no config.json, but a {type(content).__name__}"
            )
        return from_huggingface(content)
    model_type = str(config.get("model_type"))
    if model_type not in FAMILIES:
        raise InvalidInputError(
            f"model_type {model_type!r} is not read; known are {sorted(FAMILIES)}"
        )
    family = FAMILIES[model_type]
    if biased := [name for name in ("attention_bias", "mlp_bias") if config.get(name)]:
        raise InvalidInputError(
            f"{biased} is true, but our counts have no biases; set it to false or drop the network"
        )
    if missing := [theirs for theirs in _FIELDS.values() if theirs not in config]:
        raise InvalidInputError(f"config.json of a {model_type} network lacks {missing}")
    values = {ours: int(config[theirs]) for ours, theirs in _FIELDS.items()}
    n_kv_heads = config.get("num_key_value_heads") or values["n_heads"]
    head_dim = config.get("head_dim") or values["d_model"] // values["n_heads"]
    return Architecture(
        **values,
        n_kv_heads=int(n_kv_heads),
        head_dim=int(head_dim),
        tied_embeddings=bool(config.get("tie_word_embeddings", family.tied_by_default)),
        gated_mlp=True,
        qk_norm=family.qk_norm,
        post_norm=family.post_norm,
    )


def to_huggingface(architecture: Architecture, model_type: str = "llama") -> dict[str, Any]:
    """Write an architecture as the content of a ``config.json``.

    Raises:
        InvalidInputError: That model type cannot express it (QK-norm, norms after blocks, an MLP
            without a gate).
    """
    if model_type not in FAMILIES:
        raise InvalidInputError(
            f"model_type {model_type!r} is not written; known are {sorted(FAMILIES)}"
        )
    family = FAMILIES[model_type]
    for name in ("qk_norm", "post_norm"):
        if getattr(architecture, name) != getattr(family, name):
            raise InvalidInputError(
                f"a {model_type} network has {name}={getattr(family, name)}, this one has "
                f"{getattr(architecture, name)}; choose another model_type"
            )
    if not architecture.gated_mlp:
        raise InvalidInputError(f"a {model_type} network has a gated MLP, this one has none")
    return {
        "architectures": [family.class_name],
        "model_type": model_type,
        **{theirs: getattr(architecture, ours) for ours, theirs in _FIELDS.items()},
        "num_key_value_heads": architecture.n_kv_heads,
        "head_dim": architecture.head_dim,
        "tie_word_embeddings": architecture.tied_embeddings,
        "hidden_act": family.activation,
        "attention_bias": False,
    }
