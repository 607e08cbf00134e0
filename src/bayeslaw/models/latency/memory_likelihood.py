"""How likely measured memory, what ran out and what ran are, whatever each network has of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bayeslaw.models.latency.memory_cases import TERMS, MemoryCases

# Medians and log sds of log-normal priors. Contexts and libraries take about a gigabyte; datasheets
# count gigabytes where drivers count gibibytes, less what they keep: usable is 0.9 to 1.07.
PRIORS: Mapping[str, tuple[float, float]] = {
    "fixed": (1e9, 1.0),
    "weights": (1.1, 0.4),
    "cache": (1.1, 0.4),
    "activations": (2.0, 1.2),
    "logits": (0.3, 1.5),
    "pairs": (0.1, 2.0),
    "usable": (0.97, 0.05),
    "case_sd": (0.05, 1.0),
    "network_sd": (0.1, 1.0),
}
_N_SUM = 1 + len(TERMS)
_N_NODES = 24
_FIT_SD = 0.005  # of log memory: how sharply what ran shows that it was usable


def read_logs(z: Tensor) -> Tensor:
    """Return the log of each unknown of `PRIORS` at whitened points, both ``(draw, unknown)``."""
    medians, sds = zip(*PRIORS.values(), strict=True)
    return torch.tensor(medians, dtype=z.dtype).log() + torch.tensor(sds, dtype=z.dtype) * z


def log_need(logs: Tensor, log_terms: Tensor) -> Tensor:
    """Return the log of fixed bytes and shares of the counted ones, ``(draw, row)``."""
    fixed = torch.zeros(len(log_terms), 1, dtype=log_terms.dtype)
    parts = torch.cat([fixed, log_terms], dim=-1)
    return torch.logsumexp(parts + logs[:, None, :_N_SUM], dim=-1)


@dataclass(frozen=True)
class MemoryLikelihood:
    """Hold what stays as it is during a fit.

    Attributes:
        cases: How each ended.
        log_terms: Log of what is counted of each ``(case, term)``.
        measured: Places of cases whose memory is known.
        censored: Places of those that only ran or ran out, where the capacity is known.
        networks: Number of each case's network ``(case,)``.
        log_memory: NaN where not known ``(case,)``.
        log_capacity: NaN where not known ``(case,)``.
        sign: 1 where it ran out, -1 where it ran ``(case,)``.
        log_used: Log of the largest share of a device that something which ran has taken.
    """

    cases: MemoryCases
    log_terms: Tensor
    measured: Tensor
    censored: Tensor
    networks: Tensor
    log_memory: Tensor
    log_capacity: Tensor
    sign: Tensor
    log_used: float

    @classmethod
    def of_cases(cls, cases: MemoryCases) -> MemoryLikelihood:
        """Sort cases by what they say."""
        is_measured = np.isfinite(cases.memory_bytes)
        used = cases.memory_bytes / cases.capacity_bytes
        return cls(
            cases,
            torch.as_tensor(np.log(np.maximum(cases.terms, 1e-9))),
            torch.as_tensor(np.flatnonzero(is_measured)),
            torch.as_tensor(np.flatnonzero(~is_measured & np.isfinite(cases.capacity_bytes))),
            torch.as_tensor(cases.networks),
            torch.as_tensor(np.log(cases.memory_bytes)),
            torch.as_tensor(np.log(cases.capacity_bytes)),
            torch.as_tensor(np.where(cases.has_failed, 1.0, -1.0)),
            float(np.log(np.nanmax(used))) if np.isfinite(used).any() else -math.inf,
        )

    def at(self, logs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the log likelihood ``(draw,)`` and each network's offset given all its cases.

        Offsets are integrated out: exactly over measured memory, and over what ran or failed by
        Gauss-Hermite quadrature around what the measured ones say of them.
        """
        usable, case, network = logs[:, _N_SUM:].unbind(-1)
        need = log_need(logs, self.log_terms)
        n_networks = len(self.cases.shapes)
        groups = self.networks[self.measured]
        error = self.log_memory[self.measured] - need[:, self.measured]
        count = torch.zeros(n_networks, dtype=logs.dtype).index_add(
            0, groups, torch.ones_like(groups, dtype=logs.dtype)
        )
        total = torch.zeros(len(logs), n_networks, dtype=logs.dtype).index_add(1, groups, error)
        precision, prior = (-2 * case).exp()[:, None], (-2 * network).exp()[:, None]
        variance = 1 / (prior + count * precision)
        mean = variance * precision * total
        value = -case * len(groups) - 0.5 * precision[:, 0] * (error**2).sum(-1)
        value = value + 0.5 * ((variance * prior).log() + mean**2 / variance).sum(-1)
        if math.isfinite(self.log_used):
            value = value + torch.special.log_ndtr((usable - self.log_used) / _FIT_SD)
        if not len(self.censored):
            return value, mean, variance.sqrt()
        points, log_weights = _gauss_hermite(_N_NODES)
        offsets = mean[..., None] + variance.sqrt()[..., None] * points  # draw, network, node
        groups = self.networks[self.censored]
        over = need[:, self.censored] - usable[:, None] - self.log_capacity[self.censored]
        score = (over[..., None] + offsets[:, groups]) * (-case).exp()[:, None, None]
        passed = torch.special.log_ndtr(self.sign[self.censored][:, None] * score)
        joint = log_weights + torch.zeros_like(offsets).index_add(1, groups, passed)
        value = value + torch.logsumexp(joint, dim=-1).sum(-1)
        chance = torch.softmax(joint, dim=-1)
        centre = (chance * offsets).sum(-1)
        spread = (chance * (offsets - centre[..., None]) ** 2).sum(-1)
        return value, centre, spread.clamp_min(1e-12).sqrt()


def _gauss_hermite(n_nodes: int) -> tuple[Tensor, Tensor]:
    """Return nodes and log weights for the standard normal."""
    points, weights = np.polynomial.hermite_e.hermegauss(n_nodes)
    return torch.as_tensor(points), torch.as_tensor(np.log(weights / weights.sum()))
