"""The loss of a network on fixed sequences."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from bayeslaw.lab.corpus import Corpus
from bayeslaw.lab.network import Network
from bayeslaw.lab.train.world import World

# Logits computed at once [count]: on a CPU they should stay in its cache.
_LOGITS_AT_ONCE = {"cpu": 2**20, "cuda": 2**28}


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

    def to_dict(self) -> dict[str, float]:
        """Return the loss, its standard error and its bits per byte."""
        return {
            "loss_nats": self.loss_nats,
            "loss_stderr": self.loss_stderr,
            "bits_per_byte": self.bits_per_byte,
        }


@torch.inference_mode()
def evaluate(
    network: Network, sequences: np.ndarray, corpus: Corpus, autocast: torch.autocast, world: World
) -> Evaluation:
    """Measure the loss on sequences, each process its part of them.

    Args:
        network: To evaluate; each sequence is read on its own.
        sequences: Tokens ``(sequence, seq_len + 1)``.
        corpus: That they are of.
        autocast: The precision to compute in; the loss itself is float32 summed in float64.
        world: The processes that evaluate together.
    """
    per_sequence = torch.zeros(len(sequences), dtype=torch.float64, device=world.device)
    mine = np.arange(world.rank, len(sequences), world.size)
    logits_of_one = (sequences.shape[1] - 1) * network.architecture.vocab_size
    at_once = max(1, _LOGITS_AT_ONCE[world.device.type] // logits_of_one)
    for first in range(0, len(mine), at_once):
        rows = mine[first : first + at_once]
        tokens = torch.from_numpy(sequences[rows].astype(np.int64)).to(world.device)
        with autocast:
            logits = network(tokens[:, :-1])
        losses = F.cross_entropy(
            logits.float().flatten(0, 1), tokens[:, 1:].flatten(), reduction="none"
        )
        per_sequence[rows] = losses.view(len(tokens), -1).double().mean(dim=1)
    losses_nats = world.total(per_sequence).cpu().numpy()
    targets = sequences[:, 1:]
    loss_nats = float(losses_nats.mean())
    return Evaluation(
        loss_nats=loss_nats,
        loss_stderr=float(losses_nats.std(ddof=1) / math.sqrt(len(losses_nats))),
        bits_per_byte=loss_nats * targets.size / corpus.n_bytes_of(targets) / math.log(2),
        n_tokens=targets.size,
        n_sequences=len(sequences),
    )
