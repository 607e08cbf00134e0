"""The processes that train one network together."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import nn

from bayeslaw.errors import InvalidInputError


def rank_and_size() -> tuple[int, int]:
    """Return the number of this process and how many there are, as ``torchrun`` says.

    A process that is alone is the first, whatever else left ``RANK`` in its environment.

    Raises:
        InvalidInputError: There are several processes and this one has no number.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return 0, 1
    if "RANK" not in os.environ:
        raise InvalidInputError(
            f"WORLD_SIZE is {size} and RANK is not set; start the processes with torchrun, or "
            f"unset WORLD_SIZE to train alone"
        )
    return int(os.environ["RANK"]), size


@dataclass(frozen=True, slots=True)
class World:
    """Say which of how many processes this is; ``torchrun`` sets both.

    Attributes:
        rank: Number of this process.
        size: Processes in all [count].
        device: Where this process computes.
    """

    rank: int
    size: int
    device: torch.device

    @classmethod
    def join(cls, device: str) -> World:
        """Meet the other processes that ``torchrun`` started; alone without it."""
        rank, size = rank_and_size()
        local = int(os.environ.get("LOCAL_RANK", "0"))
        here = torch.device(device, local) if device == "cuda" else torch.device(device)
        if here.type == "cuda":
            torch.cuda.set_device(here)
        if size > 1 and not dist.is_initialized():
            dist.init_process_group("nccl" if here.type == "cuda" else "gloo")
        return cls(rank, size, here)

    @property
    def is_first(self) -> bool:
        """Whether this process speaks for all."""
        return self.rank == 0

    def wrap(self, network: nn.Module) -> nn.Module:
        """Return a network whose gradients are averaged over all processes."""
        if self.size == 1:
            return network
        return nn.parallel.DistributedDataParallel(network)

    def share(self, n: int) -> slice:
        """Return which of ``n`` rows are this process's: an equal part.

        Raises:
            InvalidInputError: The rows cannot be dealt evenly.
        """
        if n % self.size:
            raise InvalidInputError(
                f"{n} sequences cannot be dealt evenly to {self.size} processes; make batch_tokens "
                f"and n_tokens multiples of seq_len times the number of processes"
            )
        each = n // self.size
        return slice(self.rank * each, (self.rank + 1) * each)

    def total(self, values: torch.Tensor) -> torch.Tensor:
        """Return the sum of a tensor over all processes, the same on each."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def agree(self, wish: bool) -> bool:
        """Return whether any process wishes so, the same on each."""
        if self.size == 1:
            return wish
        return bool(self.total(torch.tensor(float(wish), device=self.device)))
