"""How a network is trained, in numbers that a recipe has resolved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bayeslaw.errors import InvalidInputError

Schedule = Literal["wsd", "cosine"]
Optimizer = Literal["adamw", "muon"]


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """Say how a network is trained; the study resolves these from a recipe.

    Attributes:
        learning_rate: Peak rate of the blocks' matrices.
        batch_tokens: Tokens in one optimizer step, all processes together [count]; a multiple of
            ``seq_len``.
        seq_len: Tokens in one training sequence [count].
        schedule: ``wsd`` (constant, then a linear decay) or ``cosine``, both after a warm-up.
        warmup_tokens: Tokens over which the rate rises linearly [count].
        decay_fraction: Share of a run's tokens, the last ones, over which ``wsd`` decays.
        final_rate_fraction: Where the decay ends, as a share of the peak.
        optimizer: ``adamw``, or ``muon`` for the blocks' matrices with AdamW for the rest.
        weight_decay: Decoupled decay, on matrices only.
        beta1: AdamW's first-moment decay.
        beta2: AdamW's second-moment decay.
        momentum: Muon's.
        grad_clip: Largest global gradient norm.
        embedding_rate: Peak rate of embeddings and head; ``learning_rate`` when left out.
        vector_rate: Peak rate of norm gains; ``learning_rate`` when left out.
        embedding_std: Of the embeddings' initial weights; ``d_model**-0.5`` when left out.
    """

    learning_rate: float
    batch_tokens: int
    seq_len: int = 128
    schedule: Schedule = "wsd"
    warmup_tokens: int = 0
    decay_fraction: float = 0.5
    final_rate_fraction: float = 0.0
    optimizer: Optimizer = "adamw"
    weight_decay: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.95
    momentum: float = 0.95
    grad_clip: float = 1.0
    embedding_rate: float | None = None
    vector_rate: float | None = None
    embedding_std: float | None = None

    def __post_init__(self) -> None:
        for name in ("learning_rate", "embedding_rate", "vector_rate", "embedding_std"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InvalidInputError(f"{name} must be positive, got {value}")
        if self.seq_len < 1 or self.batch_tokens < 1 or self.batch_tokens % self.seq_len:
            raise InvalidInputError(
                f"batch_tokens must be a positive multiple of seq_len, got "
                f"batch_tokens={self.batch_tokens} and seq_len={self.seq_len}"
            )
        if self.schedule not in ("wsd", "cosine"):
            raise InvalidInputError(f"schedule must be 'wsd' or 'cosine', got {self.schedule!r}")
        if self.optimizer not in ("adamw", "muon"):
            raise InvalidInputError(f"optimizer must be 'adamw' or 'muon', got {self.optimizer!r}")
        if self.warmup_tokens < 0:
            raise InvalidInputError(f"warmup_tokens must be 0 or more, got {self.warmup_tokens}")
        for name in ("decay_fraction", "final_rate_fraction"):
            if not 0 <= getattr(self, name) <= 1:
                raise InvalidInputError(f"{name} is a share from 0 to 1, got {getattr(self, name)}")
