"""Whether an architecture fits: memory learnt from what was measured and from what ran out of it.

    log need = log(fixed + sum_k share_k counted_k) + u[network] + e

with unknown shares of what is counted (`memory_terms`), what one network has in common (u) and what
a case has of its own (e), both normal. A case whose memory was measured says what it needs; one
that ran out says that it needs more than the usable part of its device, one that ran, less. The
posterior is drawn by importance resampling of a Student-t around the mode, and moved from there
(Gilks and Berzuini 2001, doi:10.1111/1467-9868.00280).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.latency.chains import find_mode, laplace_root
from bayeslaw.models.latency.memory_cases import MemoryCases, memory_terms, shape_keys
from bayeslaw.models.latency.memory_likelihood import PRIORS, MemoryLikelihood, log_need, read_logs
from bayeslaw.models.latency.prediction import mixture_quantiles, quantile_names
from bayeslaw.runs import LatencyTable
from bayeslaw.space import DEVICES, Device

_N_DRAWS, _N_PROPOSALS, _CHUNK = 256, 2048, 128
_N_MOVES, _REACHES = 24, (2.4, 0.8, 0.3)
_DEGREES = 5
_PART_ROWS = 8192
ONE_OF = ("engine", "engine_version", "precision")
_KINDS = ("is_recurrent", "is_train")
_NO_SCALES = torch.zeros(1, 0, dtype=torch.float64)


@dataclass(frozen=True)
class MemoryModel:
    """Predict memory; build it with `fit_memory`.

    Attributes:
        logs: Log of each unknown of ``names``, ``(draw, unknown)``.
        names: Unknowns: bytes, shares of what is counted, and standard deviations of log memory.
        networks: Shape of each network learnt from, to its column.
        offset_mean: What each network has of its own, given its cases ``(draw, network)``.
        offset_sd: ``(draw, network)``.
        effective_draws: Independent draws that the importance weights amount to, of 2,048.
        served: Engine, version, precision and kind of network that were measured.
    """

    logs: Tensor
    names: tuple[str, ...]
    networks: Mapping[tuple[float, ...], int]
    offset_mean: Tensor
    offset_sd: Tensor
    effective_draws: float
    served: Mapping[str, object]

    def p_out_of_memory(
        self, asked: LatencyTable, capacity_bytes: np.ndarray | float
    ) -> np.ndarray:
        """Return the probability that each row does not fit, ``(row,)``.

        Args:
            asked: Questions or measurements; each row's prompt and output count in full.
            capacity_bytes: Of a device, as on its datasheet, one or ``(row,)`` [byte].

        Raises:
            InvalidInputError: Another engine, precision or kind than was measured, or a capacity
                that is not positive.
        """
        capacity = np.asarray(capacity_bytes, dtype=np.float64)
        if not (capacity > 0).all():
            raise InvalidInputError(f"capacity_bytes must be positive, got {capacity_bytes}")
        log_capacity = torch.as_tensor(np.broadcast_to(np.log(capacity), (len(asked),)).copy())
        found = []
        for rows, mean, sd in self._log_needs(asked):
            room = self._column("usable")[:, None] + log_capacity[rows]
            found.append(torch.special.ndtr((mean - room) / sd).mean(dim=0))
        return torch.cat(found).numpy()

    def quantiles(self, asked: LatencyTable, level: float = 0.9) -> dict[str, np.ndarray]:
        """Return quantiles of the memory of each row [byte], by name, each ``(row,)``.

        Raises:
            InvalidInputError: A level outside (0, 1), or another engine, precision or kind than was
                measured.
        """
        if not 0 < level < 1:
            raise InvalidInputError(f"level must be between 0 and 1, got {level}")
        tails = quantile_names(level)
        parts = [
            torch.stack(mixture_quantiles(mean, sd, list(tails.values())))
            for _, mean, sd in self._log_needs(asked)
        ]
        return dict(zip(tails, torch.cat(parts, dim=-1).exp().numpy(), strict=True))

    def shares(self, level: float = 0.9) -> dict[str, tuple[float, float, float]]:
        """Return lower, middle and upper quantile of each unknown, ``fixed`` in bytes."""
        tails = list(quantile_names(level).values())
        found = np.quantile(self.logs.exp().numpy(), tails, axis=0).T
        return {
            name: (low, middle, high)
            for name, (low, middle, high) in zip(self.names, found.tolist(), strict=True)
        }

    def _log_needs(self, asked: LatencyTable) -> Iterator[tuple[np.ndarray, Tensor, Tensor]]:
        """Give rows in parts, with mean and sd of their log need, both ``(draw, row)``."""
        _check_kind(asked, self.served)
        for start in range(0, len(asked), _PART_ROWS):
            rows = np.arange(start, min(start + _PART_ROWS, len(asked)))
            yield rows, *self._log_need(asked.where(rows))

    def _log_need(self, asked: LatencyTable) -> tuple[Tensor, Tensor]:
        mean = log_need(self.logs, torch.as_tensor(np.log(np.maximum(memory_terms(asked), 1e-9))))
        column = torch.tensor([self.networks.get(key, -1) for key in shape_keys(asked)])
        is_new = (column < 0)[None]
        own = self._column("network_sd").exp()[:, None]
        offset = torch.where(is_new, torch.zeros_like(mean), self.offset_mean[:, column])
        variance = torch.where(is_new, own**2, self.offset_sd[:, column] ** 2)
        return mean + offset, (variance + (2 * self._column("case_sd")).exp()[:, None]).sqrt()

    def _column(self, name: str) -> Tensor:
        return self.logs[:, self.names.index(name)]


def fit_memory(
    table: LatencyTable, devices: Mapping[str, Device] = DEVICES, seed: int = 0
) -> MemoryModel:
    """Learn memory from measured peaks, from what ran out, and from what ran.

    Rows of one network under one load are one case: it failed if any of its figures did.

    Args:
        table: Measurements of one engine, version, precision and kind of network, any device.
        devices: By the table's names; ``memory_bytes`` is what may run out.
        seed: The same seed, the same model.

    Raises:
        InvalidInputError: The table asks, mixes engines or kinds, or says nothing of memory.
    """
    if table.is_query:
        raise InvalidInputError("this table asks, nothing in it was measured; give measurements")
    served = _kind(table)
    problem = MemoryLikelihood.of_cases(MemoryCases.of_table(table, devices))
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # small arrays: threads would wait for each other
    try:
        logs, effective_draws = _draw(problem, seed)
        with torch.no_grad():
            _, mean, sd = problem.at(logs)
    finally:
        torch.set_num_threads(n_threads)
    return MemoryModel(
        logs,
        tuple(PRIORS),
        {shape: i for i, shape in enumerate(problem.cases.shapes)},
        mean,
        sd,
        effective_draws,
        served,
    )


def _draw(problem: MemoryLikelihood, seed: int) -> tuple[Tensor, float]:
    """Draw the log of each unknown ``(draw, unknown)``; say what the importance weights amount to."""
    n = len(PRIORS)

    def log_density(z: Tensor, _: Tensor) -> Tensor:
        return problem.at(read_logs(z))[0] - 0.5 * (z**2).sum(-1)

    mode = find_mode(log_density, np.zeros(n), _NO_SCALES, 200)
    root = laplace_root(log_density, mode, _NO_SCALES)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        proposals, log_proposal = _propose(torch.as_tensor(mode), root, generator)
        parts = [log_density(part, _NO_SCALES) for part in proposals.split(_CHUNK)]
        density = torch.cat(parts)
        weights = torch.softmax(density - log_proposal, dim=0)
        chosen = torch.multinomial(weights, _N_DRAWS, replacement=True, generator=generator)
        z, density = proposals[chosen], density[chosen]
        for step in range(_N_MOVES):
            reach = _REACHES[step % len(_REACHES)] / math.sqrt(n)
            white = torch.randn(_N_DRAWS, n, generator=generator, dtype=torch.float64)
            moved = z + reach * white @ root.T
            there = log_density(moved, _NO_SCALES)
            dice = torch.rand(_N_DRAWS, generator=generator, dtype=torch.float64)
            take = dice.log() < there - density
            z, density = torch.where(take[:, None], moved, z), torch.where(take, there, density)
    return read_logs(z), float(1 / (weights**2).sum())


def _propose(centre: Tensor, root: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw points of a Student-t ``(proposal, unknown)`` and their log density but a constant."""
    n = len(centre)
    white = torch.randn(_N_PROPOSALS, n, generator=generator, dtype=torch.float64)
    tails = torch.randn(_N_PROPOSALS, _DEGREES, generator=generator, dtype=torch.float64)
    white = white / (tails**2).mean(-1, keepdim=True).sqrt()
    density = -0.5 * (_DEGREES + n) * torch.log1p((white**2).sum(-1) / _DEGREES)
    return centre + white @ root.T, density


def _kind(table: LatencyTable) -> dict[str, object]:
    """Return what a table is of, or refuse one that mixes kinds."""
    found: dict[str, object] = {}
    for name in (*ONE_OF, *_KINDS):
        if name in ONE_OF:
            values: set[object] = set(table.labels[name])
        else:
            values = set(table[name].tolist()) if name in table else {0.0}
        if len(values) > 1:
            raise InvalidInputError(
                f"the table mixes {name} {sorted(values, key=str)}; memory follows other shares in "
                f"each: fit one model for each (table.where or table.select)"
            )
        found[name] = values.pop()
    return found


def _check_kind(asked: LatencyTable, served: Mapping[str, object]) -> None:
    for name, value in _kind(asked).items():
        if value != served[name] and not (name == "engine_version" and value == ""):
            raise InvalidInputError(
                f"memory was measured with {name}={served[name]!r}, asked for {value!r}; measure it"
            )
