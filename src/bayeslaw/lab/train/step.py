"""One optimizer step."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bayeslaw.lab.network import Network
from bayeslaw.lab.train.optimizer import set_learning_rate
from bayeslaw.lab.train.world import World


class TrainingStep:
    """Read a batch, take its mean loss's gradient, move the weights.

    Args:
        network: To train, in place.
        optimizer: Of its weights.
        world: The processes that share each batch.
        grad_clip: Largest global gradient norm.
        autocast: The precision to compute in.
        micro_sequences: Sequences a process reads at once [count]; all of its share when None.
        compile: Whether blocks and loss are compiled.
    """

    def __init__(
        self,
        network: Network,
        optimizer: torch.optim.Optimizer,
        world: World,
        *,
        grad_clip: float,
        autocast: torch.autocast,
        micro_sequences: int | None = None,
        compile: bool = False,
    ) -> None:
        self._weights = list(network.parameters())
        self._optimizer, self._world = optimizer, world
        self._grad_clip, self._autocast = grad_clip, autocast
        self._micro_sequences = micro_sequences
        self._mean_loss = mean_loss
        if compile:
            # A block at a time: all blocks share one compilation, whatever the depth.
            for block in network.blocks:
                block.compile()
            self._mean_loss = torch.compile(mean_loss)
        self._network = world.wrap(network)

    def __call__(self, batch: np.ndarray, rate_fraction: float) -> Tensor:
        """Take one step; return this process's mean loss, still on its device.

        Args:
            batch: Tokens ``(sequence, seq_len + 1)``, the same on every process.
            rate_fraction: Share of the peak learning rates.
        """
        tokens = torch.from_numpy(batch[self._world.share(len(batch))].astype(np.int64))
        if self._world.device.type == "cuda":
            tokens = tokens.pin_memory()
        tokens = tokens.to(self._world.device, non_blocking=True)
        parts = tokens.split(self._micro_sequences or len(tokens))
        self._optimizer.zero_grad()
        loss = torch.zeros((), device=tokens.device)
        for number, part in enumerate(parts, start=1):
            with self._gradients_stay_here(number < len(parts)):
                with self._autocast:
                    logits = self._network(part[:, :-1])
                part_loss = self._mean_loss(logits, part[:, 1:]) * (len(part) / len(tokens))
                part_loss.backward()
            loss += part_loss.detach()
        torch.nn.utils.clip_grad_norm_(self._weights, self._grad_clip)
        set_learning_rate(self._optimizer, rate_fraction)
        self._optimizer.step()
        return loss

    def _gradients_stay_here(self, stay: bool):
        """Leave gradients unshared until a step's last part."""
        if stay and isinstance(self._network, torch.nn.parallel.DistributedDataParallel):
            return self._network.no_sync()
        return nullcontext()


def mean_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean cross-entropy of ``(batch, time, vocab)`` logits [nats per token]."""
    return F.cross_entropy(logits.float().flatten(0, 1), targets.flatten())
