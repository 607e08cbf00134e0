"""The loss of a network on fixed sequences."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from bayeslaw.lab.corpus import SEPARATOR
from bayeslaw.lab.network import Network

_SEQUENCES_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Hold a loss and how well the text determines it.

    Attributes:
        loss_nats: Mean cross-entropy [nats per token].
        loss_stderr: Standard error of that mean over sequences [nats per token]. It is about the
            choice of text, which all runs share: differences between runs are much surer.
        bits_per_byte: All bits over all bytes of text; separators cost bits and are no text.
        n_tokens: Tokens predicted [count].
        n_sequences: Sequences they came in [count].
    """

    loss_nats: float
    loss_stderr: float
    bits_per_byte: float
    n_tokens: int
    n_sequences: int


@torch.inference_mode()
def evaluate(network: Network, sequences: np.ndarray, autocast: torch.autocast) -> Evaluation:
    """Measure the loss on sequences.

    Args:
        network: To evaluate; each sequence is read on its own.
        sequences: Tokens, uint8 ``(sequence, seq_len + 1)``.
        autocast: The precision to compute in; the loss itself is float32 summed in float64.
    """
    device = network.embedding.device
    sums: list[torch.Tensor] = []
    for first in range(0, len(sequences), _SEQUENCES_AT_ONCE):
        tokens = torch.from_numpy(sequences[first : first + _SEQUENCES_AT_ONCE].astype(np.int64))
        tokens = tokens.to(device)
        with autocast:
            logits = network(tokens[:, :-1])
        losses = F.cross_entropy(
            logits.float().flatten(0, 1), tokens[:, 1:].flatten(), reduction="none"
        )
        sums.append(losses.view(len(tokens), -1).double().mean(dim=1).cpu())
    per_sequence = torch.cat(sums).numpy()
    targets = sequences[:, 1:]
    n_bytes = int((targets != SEPARATOR).sum())
    loss_nats = float(per_sequence.mean())
    return Evaluation(
        loss_nats=loss_nats,
        loss_stderr=float(per_sequence.std(ddof=1) / math.sqrt(len(per_sequence))),
        bits_per_byte=loss_nats * targets.size / n_bytes / math.log(2),
        n_tokens=targets.size,
        n_sequences=len(sequences),
    )
