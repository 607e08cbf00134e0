"""Hugging Face's Llama-like networks in ours: their settings and their weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bayeslaw.errors import InvalidInputError
from bayeslaw.lab.attention import BACKENDS, AttentionBackend
from bayeslaw.lab.network import Network
from bayeslaw.lab.settings import NetworkSettings, RopeScaling
from bayeslaw.space import Architecture, from_huggingface

COMPUTED = ("llama", "mistral", "qwen3")
"""Model types that our network computes to rounding; others share its counts only."""

_RECOMPUTED = ("rotary_emb.inv_freq",)  # buffers in old checkpoints, not weights


def network_from_huggingface(
    config: Mapping[str, Any] | Path,
    weights: Mapping[str, Tensor],
    attention: AttentionBackend = BACKENDS["sdpa_flash"],
    max_context: int = 2048,
) -> Network:
    """Build the network that a ``config.json`` describes and give it these weights, in float32.

    Args:
        config: The path of a ``config.json`` or its parsed content.
        weights: A state dict by Hugging Face's names, such as ``safetensors.torch.load_file``
            returns.
        attention: The kernel to use.
        max_context: Longest sequence, prompt and output together [count].

    Raises:
        InvalidInputError: The config says something our network does not compute, or a weight is
            missing, unexpected or of another shape.
    """
    architecture, settings = from_huggingface(config), settings_from_huggingface(config)
    network = Network(architecture, attention, max_context, settings=settings)
    load_huggingface_weights(network, weights)
    return network


def settings_from_huggingface(config: Mapping[str, Any] | Path) -> NetworkSettings:
    """Read rotary base, its scaling and the norms' epsilon from a ``config.json`` or its content.

    Raises:
        InvalidInputError: The network computes something ours does not: another model type or
            activation, sliding windows, partial rotary positions, a rope type but ``llama3``.

    >>> settings_from_huggingface({"model_type": "qwen3", "rope_theta": 1e6}).rope_base
    1000000.0
    """
    if isinstance(config, Path):
        from_huggingface(config)  # says what is wrong with the file
        return settings_from_huggingface(json.loads(config.read_text()))
    # transformers 5 keeps base and scaling in one place, files written before in two.
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    _check_computed(config, rope)
    default = NetworkSettings()  # transformers' own defaults, too
    return NetworkSettings(
        rope_base=float(rope.get("rope_theta", config.get("rope_theta", default.rope_base))),
        rope_scaling=_scaling(rope),
        norm_epsilon=float(config.get("rms_norm_eps", default.norm_epsilon)),
    )


@torch.no_grad()
def load_huggingface_weights(network: Network, weights: Mapping[str, Tensor]) -> None:
    """Copy a state dict by Hugging Face's names into the network's fused matrices.

    Nothing is copied unless every weight fits. A tied network takes ``lm_head.weight`` only if it
    equals the embedding.

    Raises:
        InvalidInputError: Weights are missing, unexpected or of another shape (all are named), or
            no Hugging Face family has such blocks.
    """
    a = network.architecture
    if a.post_norm or not a.gated_mlp:
        raise InvalidInputError(
            f"weights are read for {COMPUTED}, whose blocks have a gated MLP and no norm after "
            f"them; this network has gated_mlp={a.gated_mlp} and post_norm={a.post_norm}"
        )
    sources = _sources(a)
    wanted = {name: shape for parts in sources.values() for name, shape in parts}
    given = {name for name in weights if not name.endswith(_RECOMPUTED)}
    if a.tied_embeddings:
        given.discard("lm_head.weight")
    problems = [f"missing: {sorted(wanted.keys() - given)}"] if wanted.keys() - given else []
    if unexpected := sorted(given - wanted.keys()):
        problems.append(f"unexpected: {unexpected}")
    problems += [
        f"{name} must be {shape}, got {tuple(weights[name].shape)}"
        for name, shape in wanted.items()
        if name in given and tuple(weights[name].shape) != shape
    ]
    if not problems and a.tied_embeddings and "lm_head.weight" in weights:
        if not torch.equal(weights["lm_head.weight"], weights["model.embed_tokens.weight"]):
            problems.append("lm_head.weight differs from the embedding it should be tied to")
    if problems:
        raise InvalidInputError(f"weights do not fit {a}: " + "; ".join(problems))
    for ours, parts in sources.items():
        weight = network.get_parameter(ours)
        weight.copy_(torch.cat([weights[name].to(weight.device) for name, _ in parts]))


def _sources(a: Architecture) -> dict[str, list[tuple[str, tuple[int, ...]]]]:
    """Say which of their matrices, stacked, make each of ours."""
    query, key, d = a.n_heads * a.head_dim, a.n_kv_heads * a.head_dim, a.d_model
    sources: dict[str, list[tuple[str, tuple[int, ...]]]] = {
        "embedding": [("model.embed_tokens.weight", (a.vocab_size, d))],
        "last_norm": [("model.norm.weight", (d,))],
    }
    if not a.tied_embeddings:
        sources["head"] = [("lm_head.weight", (a.vocab_size, d))]
    for layer in range(a.n_layers):
        block = {
            "attention_norm": [("input_layernorm", (d,))],
            "query_key_value": [
                ("self_attn.q_proj", (query, d)),
                ("self_attn.k_proj", (key, d)),
                ("self_attn.v_proj", (key, d)),
            ],
            "attention_out": [("self_attn.o_proj", (d, query))],
            "mlp_norm": [("post_attention_layernorm", (d,))],
            "mlp_in": [("mlp.gate_proj", (a.d_ff, d)), ("mlp.up_proj", (a.d_ff, d))],
            "mlp_out": [("mlp.down_proj", (d, a.d_ff))],
        }
        if a.qk_norm:
            block["query_norm"] = [("self_attn.q_norm", (a.head_dim,))]
            block["key_norm"] = [("self_attn.k_norm", (a.head_dim,))]
        for ours, parts in block.items():
            sources[f"blocks.{layer}.{ours}"] = [
                (f"model.layers.{layer}.{name}.weight", shape) for name, shape in parts
            ]
    return sources


def _check_computed(config: Mapping[str, Any], rope: Mapping[str, Any]) -> None:
    model_type, rope_type = config.get("model_type"), _rope_type(rope)
    partial = rope.get("partial_rotary_factor") or config.get("partial_rotary_factor") or 1
    problems = []
    if model_type not in COMPUTED:
        problems.append(f"model_type {model_type!r}; computed are {COMPUTED}")
    if config.get("hidden_act", "silu") != "silu":
        problems.append(f"hidden_act {config['hidden_act']!r}; ours is 'silu'")
    if config.get("sliding_window") and config.get("use_sliding_window", True):
        problems.append(f"sliding_window {config['sliding_window']}; ours sees all tokens")
    if rope_type not in ("default", "llama3"):
        problems.append(f"rope type {rope_type!r}; ours are 'default' and 'llama3'")
    if partial != 1:
        problems.append(f"partial_rotary_factor {partial}; ours turns whole heads")
    if problems:
        raise InvalidInputError(
            "the lab's network does not compute what this config says: " + "; ".join(problems)
        )


def _rope_type(rope: Mapping[str, Any]) -> str:
    return rope.get("rope_type") or rope.get("type") or "default"


def _scaling(rope: Mapping[str, Any]) -> RopeScaling | None:
    if _rope_type(rope) == "default":
        return None
    names = {
        "factor": "factor",
        "low_frequency_factor": "low_freq_factor",
        "high_frequency_factor": "high_freq_factor",
        "original_context": "original_max_position_embeddings",
    }
    if missing := [theirs for theirs in names.values() if theirs not in rope]:
        raise InvalidInputError(f"a rope scaling of type 'llama3' lacks {missing}")
    return RopeScaling(**{ours: rope[theirs] for ours, theirs in names.items()})
