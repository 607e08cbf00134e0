"""The names a run table may use, and their units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """Say what a column holds.

    Attributes:
        unit: Of its values.
        meaning: In a few words.
        is_count: Whether values are whole numbers.
    """

    unit: str
    meaning: str
    is_count: bool = False


# What an architecture is built from, in `Architecture`'s own names.
ARCHITECTURE_FIELDS = (
    "n_layers", "d_model", "n_heads", "n_kv_heads", "head_dim", "d_ff", "vocab_size",
    "tied_embeddings", "gated_mlp", "qk_norm", "post_norm",
)  # fmt: skip

COLUMNS: Mapping[str, Column] = {
    "n_params": Column("count", "all weights", True),
    "n_params_body": Column("count", "all weights but embeddings and head", True),
    "n_tokens": Column("count", "training tokens", True),
    "loss_nats": Column("nats per token", "final loss of a finished schedule"),
    "loss_stderr": Column("nats per token", "standard error of the loss"),
    "cost_gpu_hours": Column("hour", "device-hours the run took"),
    "n_layers": Column("count", "blocks", True),
    "d_model": Column("count", "width of the residual stream", True),
    "n_heads": Column("count", "query heads a layer", True),
    "n_kv_heads": Column("count", "key and value heads a layer", True),
    "head_dim": Column("count", "width of a head", True),
    "d_ff": Column("count", "width of the MLP", True),
    "vocab_size": Column("count", "rows of the embedding table", True),
    "tied_embeddings": Column("0 or 1", "whether head and table are one", True),
    "gated_mlp": Column("0 or 1", "three MLP matrices or two", True),
    "qk_norm": Column("0 or 1", "whether queries and keys are normed", True),
    "post_norm": Column("0 or 1", "whether blocks are normed after, too", True),
    "mlp_attention_ratio": Column("ratio", "MLP weights over attention weights"),
    "aspect_ratio": Column("ratio", "d_model / n_layers"),
    "relative_width": Column("ratio", "d_model / sqrt(n_params_body)"),
    "gqa_group": Column("count", "query heads that share a KV head", True),
    "embedding_params": Column("count", "weights of the input table", True),
    "head_params": Column("count", "weights of the output head; 0 when tied", True),
    "attention_params": Column("count", "weights of all attention projections", True),
    "mlp_params": Column("count", "weights of all MLPs", True),
    "norm_params": Column("count", "gains of all norms", True),
    "vocab_params": Column("count", "weights of the input table and the head together", True),
    "n_params_active": Column("count", "weights a token passes through, of all weights", True),
    "n_params_body_active": Column(
        "count", "weights a token passes through, embeddings and head left out", True
    ),
    "n_experts": Column("count", "experts a routed layer holds; 1 when dense", True),
    "n_active_experts": Column("count", "experts a token passes through a layer", True),
    "sparsity": Column("ratio", "share of experts that a token does not use; 0 when dense"),
    "active_expert_share": Column("ratio", "n_active_experts / n_experts; 1 when dense"),
    "granularity": Column("ratio", "width of a dense MLP over that of an expert; 1 when equal"),
    "n_streams": Column("count", "parallel streams that share all weights; 1 without", True),
    "weight_bits": Column("bit", "of a weight in training"),
    "activation_bits": Column("bit", "of an activation in training"),
    "kv_bits": Column("bit", "of keys and values in training"),
    "unique_tokens": Column("count", "different tokens that there were to train on", True),
    "n_characters": Column("count", "characters of the training text", True),
    "unigram_loss_nats": Column("nats per token", "loss of a model of token frequencies alone"),
    "bits_per_byte": Column("bit", "the final loss per byte of text"),
    "epochs": Column("ratio", "training tokens over those of the corpus"),
    "train_flops_6n_params": Column("FLOP", "6 n_params n_tokens"),
    "train_flops_6n_params_body": Column("FLOP", "6 n_params_body n_tokens"),
    "train_flops_attention_aware": Column("FLOP", "weights that are multiplied, and attention"),
    "seed": Column("count", "of weights and data order", True),
    "learning_rate": Column("ratio", "peak rate of the blocks' matrices"),
    "batch_tokens": Column("count", "tokens of an optimizer step", True),
    "seq_len": Column("count", "tokens of a training sequence", True),
    "warmup_tokens": Column("count", "tokens over which the rate rises", True),
    "decay_fraction": Column("ratio", "share of the tokens over which the rate falls"),
    "weight_decay": Column("ratio", "decoupled decay of matrices"),
    "threads": Column("count", "CPU threads of the job", True),
}
"""Every column, by name."""

LABELS: Mapping[str, str] = {
    "trunk": "the training job a point branched from: its points share weights and text",
    "finished": "whether the whole schedule ran",
    "optimizer": "by name",
    "schedule": "of the learning rate, by name",
    "precision": "of training arithmetic",
    "attention": "backend, by name",
    "attention_version": "of that backend",
    "device": "the machine's own name for it",
    "torch": "version",
    "corpus": "fingerprint of the text",
    "tokenizer": "sha256 of its description",
    "code": "version and commit of the trainer",
}
"""What a row may say in words, by name; of these a `RunTable` keeps the trunk."""

# What follows from a shape, by `Architecture`'s property or field of that name.
SHAPE_COLUMNS = (
    *ARCHITECTURE_FIELDS,
    "n_params", "n_params_body", "mlp_attention_ratio", "aspect_ratio", "relative_width",
    "gqa_group", "embedding_params", "head_params", "attention_params", "mlp_params", "norm_params",
)  # fmt: skip
