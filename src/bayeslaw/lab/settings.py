"""What a network is built with beside its shape: positions, norms, initial size, recomputation."""

from __future__ import annotations

from dataclasses import dataclass

from bayeslaw.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class RopeScaling:
    """Stretch slow rotary frequencies for contexts longer than trained on (LLaMA 3.1 and 3.2).

    Attributes:
        factor: Slow frequencies are divided by this.
        low_frequency_factor: Waves longer than ``original_context`` over this are slow.
        high_frequency_factor: Waves shorter than ``original_context`` over this stay as they are;
            between the two the division fades in.
        original_context: Context of the first training [tokens].

    Source:
        Meta's llama-models, ``apply_scaling`` (2024); transformers' rope type ``llama3``.
    """

    factor: float = 32.0
    low_frequency_factor: float = 1.0
    high_frequency_factor: float = 4.0
    original_context: int = 8192

    def __post_init__(self) -> None:
        if not self.factor >= 1:
            raise InvalidInputError(f"rope factor must be at least 1, got {self.factor}")
        if not 0 < self.low_frequency_factor < self.high_frequency_factor:
            raise InvalidInputError(
                f"rope scaling needs 0 < low_frequency_factor < high_frequency_factor, got "
                f"{self.low_frequency_factor} and {self.high_frequency_factor}"
            )
        if not self.original_context >= 1:
            raise InvalidInputError(
                f"original_context must be at least 1 token, got {self.original_context}"
            )


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """Settle what a shape leaves open; no count of weights depends on these.

    Attributes:
        rope_base: Base of the rotary frequencies (theta): 500,000 in LLaMA 3.2, 1,000,000 in Qwen3.
        rope_scaling: How they are stretched for long contexts, or None.
        norm_epsilon: Added to the mean square in every RMSNorm: 1e-5 in LLaMA 3.2, 1e-6 in Qwen3.
        embedding_std: Of embeddings' and head's initial weights; ``d_model**-0.5`` when None.
        recompute_activations: Whether the backward pass computes blocks again to save memory.
    """

    rope_base: float = 10_000.0
    rope_scaling: RopeScaling | None = None
    norm_epsilon: float = 1e-6
    embedding_std: float | None = None
    recompute_activations: bool = False

    def __post_init__(self) -> None:
        if not self.rope_base > 1:
            raise InvalidInputError(f"rope_base must be above 1, got {self.rope_base}")
        if not self.norm_epsilon > 0:
            raise InvalidInputError(f"norm_epsilon must be above 0, got {self.norm_epsilon}")
        if self.embedding_std is not None and not self.embedding_std > 0:
            raise InvalidInputError(f"embedding_std must be above 0, got {self.embedding_std}")
