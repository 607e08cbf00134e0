"""How a workload is timed."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from bayeslaw.errors import InvalidInputError
from bayeslaw.lab.attention import AttentionBackend, attention_backend
from bayeslaw.lab.inference.timing import MIN_REPEATS
from bayeslaw.lab.machine import as_dtype, check_device, device_name
from bayeslaw.space import Architecture, Workload

ENGINE = "bayeslaw"


@dataclass(frozen=True, slots=True)
class TimingOptions:
    """Say how a workload is timed, beside the workload itself.

    Attributes:
        device: ``cpu`` or ``cuda``.
        attention: A kernel of the lab's registry.
        threads: CPU threads [count].
        seed: Of weights and prompt.
        graphs: Whether decode steps are CUDA graphs; None: on CUDA yes, on a CPU no.
        compiled: Whether blocks are compiled by ``torch.compile``.
        min_repeats: Of each timed round [count].
    """

    device: str = "cpu"
    attention: str = "sdpa_flash"
    threads: int = 1
    seed: int = 0
    graphs: bool | None = None
    compiled: bool = False
    min_repeats: int = MIN_REPEATS

    def __post_init__(self) -> None:
        check_device(self.device)
        if self.threads < 1 or self.min_repeats < 1:
            raise InvalidInputError(
                f"threads and min_repeats must be at least 1, got {self.threads} and "
                f"{self.min_repeats}"
            )
        if self.graphs and self.device != "cuda":
            raise InvalidInputError(
                f"graphs are CUDA's, the device is {self.device!r}; leave graphs out"
            )

    @property
    def uses_graphs(self) -> bool:
        """Whether decode steps are CUDA graphs."""
        return self.device == "cuda" if self.graphs is None else self.graphs

    @property
    def device_name(self) -> str:
        """What measurements call the device."""
        return device_name(self.device, self.threads)

    def backend_for(self, architecture: Architecture, workload: Workload) -> AttentionBackend:
        """Return the attention kernel, or say why a workload cannot be timed here."""
        if workload.engine != ENGINE:
            raise InvalidInputError(
                f"the lab times engine {ENGINE!r} only, the workload asks for "
                f"{workload.engine!r}; time it there and import the measurements"
            )
        if workload.device not in ("local", self.device_name):
            raise InvalidInputError(
                f"the workload asks for device {workload.device!r}, this is "
                f"{self.device_name!r}; run the job there, or set the workload's device to 'local'"
            )
        dtype = as_dtype(workload.precision)
        return attention_backend(self.attention, self.device, dtype, architecture.head_dim)


def engine_version() -> str:
    """Return what measurements call this engine; versions are not mixed in a fit."""
    return f"torch {torch.__version__}"
