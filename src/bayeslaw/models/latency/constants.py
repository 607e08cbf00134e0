"""What an engine reaches on a device, and what was believed of it before a timing.

Each constant is log-normal. Rates are shares of a datasheet's ceiling, so that what one device
taught says something of the next (HAT and OFA shipped predictors of absolute times, which do not
transfer).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bayeslaw.errors import InvalidInputError

Scale = Literal["peak_flops", "bandwidth", "one"]


@dataclass(frozen=True, slots=True)
class Constant:
    """Name one constant of the roofline and its prior.

    Attributes:
        name: Its name.
        median: Prior median, in units of ``scale`` (``one``: seconds, or a plain ratio).
        log_sd: Prior standard deviation of its log.
        scale: The ceiling it is a share of.
        meaning: In a sentence, with the unit.
    """

    name: str
    median: float
    log_sd: float
    scale: Scale
    meaning: str


# Shares of ceilings: engines reach .44-.88 of an H100's (LLM-Inference-Bench and Vidur's GEMMs).
# Overheads span a replayed CUDA graph (microseconds a layer) to eager Python (hundreds).
CONSTANTS: tuple[Constant, ...] = (
    Constant("matmul_rate", 0.6, 0.5, "peak_flops", "sustained by weight matmuls [FLOP/s]"),
    Constant("attention_ratio", 0.6, 0.7, "one", "attention's rate over the matmuls'"),
    Constant("weight_rate", 0.7, 0.4, "bandwidth", "sustained streaming weights [byte/s]"),
    Constant("cache_ratio", 0.8, 0.5, "one", "the KV cache's rate over the weights'"),
    Constant("activation_ratio", 1.0, 0.8, "one", "activations' rate over the weights'"),
    Constant("score_ratio", 2.0, 1.5, "one", "rate of attention scores, fused or not, over it"),
    Constant("prefill_call", 100e-6, 1.5, "one", "a prefill's own overhead [s]"),
    Constant("prefill_layer", 30e-6, 1.5, "one", "a prefill's overhead a layer [s]"),
    Constant("prefill_sequence", 5e-6, 1.5, "one", "a prefill's overhead a sequence [s]"),
    Constant("decode_call", 30e-6, 1.5, "one", "a decode step's own overhead [s]"),
    Constant("decode_layer", 10e-6, 1.5, "one", "a decode step's overhead a layer [s]"),
    Constant("decode_sequence", 2e-6, 1.5, "one", "a decode step's overhead a sequence [s]"),
    Constant("link_ratio", 0.08, 1.0, "bandwidth", "between devices of one server [byte/s]"),
    Constant("link_layer", 20e-6, 1.0, "one", "waiting for other devices, a layer [s]"),
)
"""Every constant of the mean, in the order of their columns."""

NAMES = tuple(constant.name for constant in CONSTANTS)

# Without a datasheet the ceilings are read off the timings themselves, and may be far off.
GUESSED_LOG_SD = 1.0


@dataclass(frozen=True)
class Ceilings:
    """Hold what a device can do at best.

    Attributes:
        flops_per_second: Arithmetic [FLOP/s].
        bytes_per_second: Bandwidth [byte/s].
        is_guessed: Whether they are read off the measurements for want of a datasheet.
    """

    flops_per_second: float
    bytes_per_second: float
    is_guessed: bool = False

    def log_scales(self) -> np.ndarray:
        """Return the log of each constant's unit, ``(constant,)``."""
        units = {
            "peak_flops": self.flops_per_second,
            "bandwidth": self.bytes_per_second,
            "one": 1.0,
        }
        return np.log([units[constant.scale] for constant in CONSTANTS])


@dataclass(frozen=True)
class ConstantsPrior:
    """Believe the log constants of a device, in units of its ceilings, jointly normal.

    Attributes:
        mean: ``(constant,)``.
        root: Lower-triangular root of the covariance, ``(constant, constant)``.
    """

    mean: np.ndarray
    root: np.ndarray

    def __post_init__(self) -> None:
        n = len(CONSTANTS)
        if self.mean.shape != (n,) or self.root.shape != (n, n):
            raise InvalidInputError(
                f"a prior needs a mean ({n},) and a root ({n}, {n}) over {NAMES}, got "
                f"{self.mean.shape} and {self.root.shape}"
            )

    @classmethod
    def wide(cls, ceilings: Ceilings | None = None, widen: float = 1.0) -> ConstantsPrior:
        """Return the prior of `CONSTANTS`: rates wider when the ceilings are guessed.

        Args:
            ceilings: Of the device.
            widen: Factor on every standard deviation, to see what hangs on the prior.
        """
        guessed = ceilings is not None and ceilings.is_guessed
        log_sd = [
            max(c.log_sd, GUESSED_LOG_SD) if guessed and c.scale != "one" else c.log_sd
            for c in CONSTANTS
        ]
        return cls(np.log([c.median for c in CONSTANTS]), np.diag(np.array(log_sd) * widen))

    @classmethod
    def of_draws(cls, draws: np.ndarray) -> ConstantsPrior:
        """Return the normal that matches draws of log constants ``(draw, constant)``."""
        covariance = np.cov(draws, rowvar=False) + 1e-8 * np.eye(draws.shape[1])
        return cls(draws.mean(axis=0), np.linalg.cholesky(covariance))


def column_of(name: str, names: Sequence[str] = NAMES) -> int:
    """Return the column of a constant by name."""
    return names.index(name)
