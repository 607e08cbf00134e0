"""What bounds an architecture: the share of its time that each part of a pass has.

A part's share is the elasticity of the time in that part's time t_k, d log t / d log t_k: make the
part one percent faster and its share of a percent is gained. The roofline is homogeneous of degree
one in its parts, so shares add up to 1 (Euler). Under the smooth maximum
``(compute^p + memory^p)^(1/p)`` arithmetic has ``compute^p / (compute^p + memory^p)`` of the
maximum, split by time between products and attention, and bytes the rest, split between weights and
cache: far from the ridge the slower takes all, at it each takes half. What the process adds to the
roofline multiplies the whole time and belongs to no part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.latency.checks import check_served
from bayeslaw.models.latency.prediction import quantile_names
from bayeslaw.models.latency.roofline import (
    PHASES,
    RIDGE_SHARPNESS,
    PassWork,
    Phase,
    count_passes,
    pass_log_seconds,
    term_log_seconds,
)
from bayeslaw.models.latency.surrogate import LatencySurrogate
from bayeslaw.runs import LatencyTable

PARTS = ("weights", "kv_cache", "compute", "activations", "links", "overhead")
"""Parts of the time: ``compute`` is products and attention, ``activations`` scores as well."""

_CHUNK = 4096


@dataclass(frozen=True)
class RooflinePlacement:
    """Place each row under its device's roof; work and rates are of one of its devices.

    Attributes:
        intensity: Arithmetic over bytes of weights and cache ``(row,)`` [FLOP/byte].
        flops_per_second: Quantile name to the arithmetic done a second of latency ``(row,)``.
        peak_flops_per_second: The ceiling on arithmetic [FLOP/s].
        bytes_per_second: The ceiling on bytes [byte/s].
    """

    intensity: np.ndarray
    flops_per_second: Mapping[str, np.ndarray]
    peak_flops_per_second: float
    bytes_per_second: float

    @property
    def ridge(self) -> float:
        """Intensity at which both ceilings meet [FLOP/byte]."""
        return self.peak_flops_per_second / self.bytes_per_second

    @property
    def roof(self) -> np.ndarray:
        """Arithmetic that the ceilings allow at each row's intensity ``(row,)`` [FLOP/s]."""
        return np.minimum(self.peak_flops_per_second, self.bytes_per_second * self.intensity)


@dataclass(frozen=True)
class LatencyBounds:
    """Say where the time of each row goes.

    Attributes:
        shares: Part to ``mean`` and outer quantiles of its share, each ``(row,)``; means add up to 1.
        names: The part with the largest mean share, a row.
        chances: Probability that this part has the largest share ``(row,)``.
        placement: Under the roofline.
    """

    shares: Mapping[str, Mapping[str, np.ndarray]]
    names: tuple[str, ...]
    chances: np.ndarray
    placement: RooflinePlacement


def what_bounds(
    surrogate: LatencySurrogate, asked: LatencyTable, level: float = 0.9
) -> LatencyBounds:
    """Return the share of each part in the time of each row, over the surrogate's draws.

    Args:
        surrogate: Of the device and engine.
        asked: Questions or measurements.
        level: Probability between the outer quantiles.

    Raises:
        InvalidInputError: A level outside (0, 1), or another device, engine or precision than was
            measured.
    """
    if not 0 < level < 1:
        raise InvalidInputError(f"level must be between 0 and 1, got {level}")
    check_served(asked, surrogate.served)
    log_constants = surrogate.process.values().log_constants
    passes = count_passes(asked)
    found, best = [], []
    for start in range(0, len(asked), _CHUNK):
        rows = slice(start, start + _CHUNK)
        draws = part_shares(log_constants, {phase: _rows(passes[phase], rows) for phase in PHASES})
        found.append(_summary(draws, level))
        place = draws.mean(dim=0).argmax(dim=-1)
        chance = (draws.argmax(dim=-1) == place).double().mean(dim=0)
        best.append(torch.stack([place.double(), chance]))
    places, chances = torch.cat(best, dim=-1).numpy()
    shares = {
        part: {name: np.concatenate([f[name][:, k] for f in found]) for name in found[0]}
        for k, part in enumerate(PARTS)
    }
    names = tuple(PARTS[int(place)] for place in places)
    return LatencyBounds(shares, names, chances, _placement(surrogate, asked, level))


def part_shares(log_constants: Tensor, passes: Mapping[Phase, PassWork]) -> Tensor:
    """Return the share of each part in each row's figure ``(draw, row, part)``; they add up to 1.

    Args:
        log_constants: ``(draw, constant)``.
        passes: Work of each phase.
    """
    p = RIDGE_SHARPNESS
    logs, shares = [], []
    for phase in PHASES:
        work = passes[phase]
        part = term_log_seconds(log_constants, work, phase)
        compute = torch.logaddexp(part["matmul"], part["attention"])
        memory = torch.logaddexp(part["weights"], part["cache"])
        ideal = torch.logaddexp(p * compute, p * memory) / p
        bytes_of_ideal = p * (memory - ideal) + ideal  # log of the bytes' part of the maximum
        seconds = {
            "weights": bytes_of_ideal + part["weights"] - memory,
            "kv_cache": bytes_of_ideal + part["cache"] - memory,
            "compute": p * (compute - ideal) + ideal,
            "activations": torch.logaddexp(part["activations"], part["scores"]),
            "links": part["links"],
            "overhead": part["overhead"],
        }
        total = pass_log_seconds(log_constants, work, phase)
        logs.append(work.log_passes + total)
        shares.append(torch.stack([seconds[name] - total for name in PARTS], dim=-1).exp())
    weights = torch.softmax(torch.stack(logs, dim=-1), dim=-1)
    return sum(share * weights[..., k, None] for k, share in enumerate(shares))  # type: ignore[return-value]


def _rows(work: PassWork, rows: slice) -> PassWork:
    return PassWork(*(getattr(work, name)[rows] for name in PassWork.__dataclass_fields__))


def _summary(draws: Tensor, level: float) -> dict[str, np.ndarray]:
    """Return mean and outer quantiles over draws, each ``(row, part)``."""
    tails = {name: tail for name, tail in quantile_names(level).items() if tail != 0.5}
    quantiles = torch.quantile(draws, torch.tensor(list(tails.values()), dtype=draws.dtype), dim=0)
    return {"mean": draws.mean(dim=0).numpy(), **dict(zip(tails, quantiles.numpy(), strict=True))}


def _placement(surrogate: LatencySurrogate, asked: LatencyTable, level: float) -> RooflinePlacement:
    def done(*kinds: str) -> np.ndarray:
        total = sum(asked[f"{p}_passes"] * asked[f"{p}_{kind}"] for p in PHASES for kind in kinds)
        return np.asarray(total) / asked["n_devices"]

    flops = done("gemm_flops", "attention_flops")
    bands = surrogate.predict_rows(asked, level, "latency")
    # The slowest latency is the lowest rate.
    rates = {
        name: flops * 1e3 / bands[slow] for name, slow in zip(bands, reversed(bands), strict=True)
    }
    ceilings = surrogate.process.layout.ceilings
    return RooflinePlacement(
        flops / done("weight_bytes", "cache_bytes"),
        rates,
        ceilings.flops_per_second,
        ceilings.bytes_per_second,
    )
