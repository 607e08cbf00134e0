"""One transformer variant, and everything that follows from its shape."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from bayeslaw.errors import InvalidInputError
from bayeslaw.space import formulas

TrainFlopsFormula = Literal["6n_params", "6n_params_body", "attention_aware"]


@dataclass(frozen=True, slots=True)
class Architecture:
    """Describe one decoder-only transformer.

    Attributes:
        n_layers: Blocks, each attention and MLP [count].
        d_model: Width of the residual stream.
        n_heads: Query heads in a layer [count].
        n_kv_heads: Key and value heads in a layer; must divide ``n_heads`` (1 is MQA).
        head_dim: Width of one head; ``n_heads * head_dim`` need not equal ``d_model``.
        d_ff: Width of the MLP's hidden layer.
        vocab_size: Rows of the embedding table [count].
        tied_embeddings: Whether head and input table are one matrix.
        gated_mlp: Three MLP matrices (SwiGLU) when true, two when false.
        qk_norm: Whether queries and keys are normed a head (Qwen3).
        post_norm: Whether blocks are normed after as well as before (Gemma 2 and 3).

    >>> llama_1b = Architecture(
    ...     n_layers=16, d_model=2048, n_heads=32, n_kv_heads=8, head_dim=64, d_ff=8192,
    ...     vocab_size=128256, tied_embeddings=True)
    >>> llama_1b.n_params, round(llama_1b.mlp_attention_ratio, 2)
    (1235814400, 4.8)
    """

    n_layers: int
    d_model: int
    n_heads: int
    n_kv_heads: int
    head_dim: int
    d_ff: int
    vocab_size: int
    tied_embeddings: bool = False
    gated_mlp: bool = True
    qk_norm: bool = False
    post_norm: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type == "bool":
                if not isinstance(value, bool):
                    raise InvalidInputError(
                        f"{field.name} must be true or false, got {value!r} ({type(value).__name__})"
                    )
            elif isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InvalidInputError(
                    f"{field.name} must be a whole number of at least 1, got {value!r}; "
                    f"pass counts as integers, not billions or floats"
                )
        if self.n_heads % self.n_kv_heads:
            raise InvalidInputError(
                f"n_heads must be a multiple of n_kv_heads, got n_heads={self.n_heads} and "
                f"n_kv_heads={self.n_kv_heads}; each KV head serves the same number of query heads"
            )

    # --- parameters -------------------------------------------------------------------------

    @property
    def embedding_params(self) -> int:
        """Weights of the input table."""
        return formulas.embedding_params(self.vocab_size, self.d_model)

    @property
    def head_params(self) -> int:
        """Weights of the output head itself: 0 when tied."""
        return formulas.head_params(self.vocab_size, self.d_model, self.tied_embeddings)

    @property
    def attention_params(self) -> int:
        """Weights of all query, key, value and output projections."""
        return formulas.attention_params(
            self.n_layers, self.d_model, self.n_heads, self.n_kv_heads, self.head_dim
        )

    @property
    def mlp_params(self) -> int:
        """Weights of all MLPs."""
        return formulas.mlp_params(self.n_layers, self.d_model, self.d_ff, self.gated_mlp)

    @property
    def norm_params(self) -> int:
        """Gains of all norms."""
        return formulas.norm_params(
            self.n_layers, self.d_model, self.head_dim, self.qk_norm, self.post_norm
        )

    @property
    def params_by_group(self) -> dict[str, int]:
        """Weights by group; the groups add up to ``n_params``."""
        return {
            "embedding": self.embedding_params,
            "head": self.head_params,
            "attention": self.attention_params,
            "mlp": self.mlp_params,
            "norms": self.norm_params,
        }

    @property
    def n_params(self) -> int:
        """All weights."""
        return sum(self.params_by_group.values())

    @property
    def n_params_body(self) -> int:
        """All weights but embedding and head: what P1 calls N."""
        return self.attention_params + self.mlp_params + self.norm_params

    # --- shape ------------------------------------------------------------------------------

    @property
    def mlp_attention_ratio(self) -> float:
        """MLP weights over attention weights: P1's r."""
        return self.mlp_params / self.attention_params

    @property
    def aspect_ratio(self) -> float:
        """Width over depth, ``d_model / n_layers``: P2's R."""
        return self.d_model / self.n_layers

    @property
    def relative_width(self) -> float:
        """``d_model / sqrt(n_params_body)``: P1's x."""
        return self.d_model / math.sqrt(self.n_params_body)

    @property
    def gqa_group(self) -> int:
        """Query heads that share one KV head."""
        return self.n_heads // self.n_kv_heads

    # --- training cost ----------------------------------------------------------------------

    def train_flops_per_token(
        self, formula: TrainFlopsFormula = "attention_aware", seq_len: int = 2048
    ) -> float:
        """Count forward and backward FLOPs of one training token.

        Args:
            formula: ``6n_params`` (Hoffmann et al. 2022), ``6n_params_body`` (Kaplan et al. 2020),
                or ``attention_aware``: six FLOPs a weight that is multiplied (body and head, not
                the table look-up) plus attention over the full ``seq_len`` (Chowdhery et al. 2022,
                arXiv:2204.02311, appendix B: 12 L H Q T).
            seq_len: Tokens in a training sequence; only ``attention_aware`` uses it.

        Returns:
            FLOPs per token.
        """
        if formula == "6n_params":
            return 6.0 * self.n_params
        if formula == "6n_params_body":
            return 6.0 * self.n_params_body
        if formula == "attention_aware":
            matmul = self.attention_params + self.mlp_params + self.embedding_params  # head: V x d
            mix = formulas.attention_mix_flops(self.n_layers, self.n_heads, self.head_dim, seq_len)
            return 6.0 * matmul + 3.0 * mix
        raise InvalidInputError(
            f"formula must be '6n_params', '6n_params_body' or 'attention_aware', got {formula!r}"
        )

    # --- serving cost -----------------------------------------------------------------------

    def prefill_flops(self, batch_size: int, prompt_tokens: int) -> float:
        """Count FLOPs to read a prompt, causal attention, head on the last token only."""
        body = 2.0 * (self.attention_params + self.mlp_params) * prompt_tokens
        mix = formulas.attention_mix_flops(self.n_layers, self.n_heads, self.head_dim, 1)
        causal = mix * prompt_tokens * (prompt_tokens + 1) / 2
        return batch_size * (body + causal + 2.0 * self.embedding_params)

    def prefill_bytes(self, batch_size: int, prompt_tokens: int, bytes_per_value: int = 2) -> float:
        """Count bytes moved to read a prompt: every weight once, the cache written."""
        cache = batch_size * prompt_tokens * self.kv_bytes_per_token(bytes_per_value)
        return float(bytes_per_value * self._weights_read + cache)

    def decode_flops(self, batch_size: int, context: int) -> float:
        """Count FLOPs of one decode step with ``context`` tokens in the cache."""
        weights = 2.0 * (self.attention_params + self.mlp_params + self.embedding_params)
        mix = formulas.attention_mix_flops(self.n_layers, self.n_heads, self.head_dim, context)
        return batch_size * (weights + mix)

    def decode_bytes(self, batch_size: int, context: int, bytes_per_value: int = 2) -> float:
        """Count bytes moved in one decode step: weights, ``batch_size`` table rows, cache."""
        weights = bytes_per_value * (self._weights_read + batch_size * self.d_model)
        cache = batch_size * (context + 1) * self.kv_bytes_per_token(bytes_per_value)
        return float(weights + cache)

    def kv_bytes_per_token(self, bytes_per_value: int = 2) -> int:
        """Count KV-cache bytes that one token of one sequence keeps."""
        return formulas.kv_bytes_per_token(
            self.n_layers, self.n_kv_heads, self.head_dim, bytes_per_value
        )

    def serving_bytes(self, batch_size: int, context: int, bytes_per_value: int = 2) -> int:
        """Count bytes held while serving: weights, KV cache and one layer's prefill activations.

        Args:
            batch_size: Sequences served at once [count].
            context: Prompt and output tokens of each sequence [count].
            bytes_per_value: 2 for bfloat16, 4 for float32.
        """
        return formulas.serving_bytes(
            self.n_params,
            batch_size,
            context,
            self.kv_bytes_per_token(bytes_per_value),
            formulas.activation_bytes(
                batch_size, context, self.d_model, self.d_ff, self.n_heads, self.head_dim,
                bytes_per_value,
            ),
            bytes_per_value,
        )  # fmt: skip

    @property
    def _weights_read(self) -> int:
        """Weights that a forward pass streams: body and the V x d head, tied or not."""
        return self.n_params_body + self.embedding_params

    # --- in and out -------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Architecture:
        """Read what `to_dict` wrote; a missing or unknown field is an error that names it."""
        known = set(cls.__slots__)
        if unknown := set(values) - known:
            raise InvalidInputError(
                f"unknown architecture field(s) {sorted(unknown)}; known are {sorted(known)}"
            )
        required = known - {"tied_embeddings", "gated_mlp", "qk_norm", "post_norm"}
        if missing := required - set(values):
            raise InvalidInputError(f"architecture lacks field(s) {sorted(missing)}")
        return cls(**values)

    @classmethod
    def from_numbers(cls, values: Mapping[str, float]) -> Architecture:
        """Build one from a table's numbers: counts as floats, flags as 0 or 1; others are ignored."""
        read: dict[str, Any] = {
            field.name: (bool if field.type == "bool" else int)(values[field.name])
            for field in fields(cls)
        }
        return cls(**read)

    def __str__(self) -> str:
        """Say the shape in one line: ``L16 d2048 h32/8x64 ff8192``."""
        return (
            f"L{self.n_layers} d{self.d_model} h{self.n_heads}/{self.n_kv_heads}x{self.head_dim} "
            f"ff{self.d_ff}"
        )
