"""One lab of the twenty: what it may run, what it must decide, and what every answer is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bayeslaw.runs import Measurement, Run
from bayeslaw.search import Beliefs, plan
from bayeslaw.space import Candidate
from benchmarks.digital_twin.device import TwinDevice
from benchmarks.digital_twin.shapes import (
    N_SIZES,
    N_TARGET_SHAPES,
    Shape,
    build,
    draw_shapes,
    training_pool,
)
from benchmarks.digital_twin.table import LossTable
from benchmarks.digital_twin.truths import FAMILIES, library_without

TARGET_PARAMS = 1e9
N_TIMED = 32
BUDGET_SHARE = 0.8
"""Of the target's own training cost: what P1's grid of 27 runs takes."""

_MFU, _PEAK_FLOPS = 0.4, 989e12
_BASELINE = Shape(0.0655, 85.0, 2.5, 2)
_SMALLEST, _LARGEST = 1 / 32, 1 / 3
LOSS_TOLERANCE, LATENCY_TOLERANCE = 0.001, 0.02


@dataclass(frozen=True)
class World:
    """Hold one truth and its decision.

    Attributes:
        family: A key of `FAMILIES`.
        seed: Within the family.
        decision: ``loss`` (least loss at .95 of the baseline's TPOT) or ``latency`` (least TPOT at
            no more than the baseline's loss).
    """

    family: str
    seed: int
    decision: str

    @property
    def name(self) -> str:
        """Short and unique."""
        return f"{self.family}-{self.seed}-{self.decision}"

    @property
    def number(self) -> int:
        """Of this lab among all: the seed of pool, device and table."""
        return 100 * list(FAMILIES).index(self.family) + self.seed

    @property
    def laws(self) -> tuple[str, ...]:
        """Laws that may plan here: the truth's own and its twins are gone."""
        return library_without(self.family)

    @property
    def objectives(self) -> str:
        """What is wanted at the target."""
        return "-loss_nats" if self.decision == "loss" else "-tpot_ms"

    @property
    def limits(self) -> tuple[str, ...]:
        """What must hold at the target."""
        if self.decision == "loss":
            return ("tpot_ms <= 0.95 * baseline.tpot_ms",)
        return ("loss_nats <= baseline.loss_nats",)

    # --- what there is ------------------------------------------------------------------------

    @cached_property
    def target_tokens(self) -> int:
        """Tokens of the target run: 20 or 40 a weight."""
        return int(TARGET_PARAMS * float(np.random.default_rng([self.number, 21]).choice([20, 40])))

    @cached_property
    def baseline(self) -> Candidate:
        """What a lab would build without asking: 24 layers, twice as wide MLPs, GQA 2."""
        built = build(_BASELINE, TARGET_PARAMS)
        assert built is not None
        return Candidate(built, self.target_tokens)

    @cached_property
    def targets(self) -> list[Candidate]:
        """What could be built at the target."""
        shapes = draw_shapes(N_TARGET_SHAPES, TARGET_PARAMS, 1000 + self.number)
        return [Candidate(architecture, self.target_tokens) for architecture in shapes]

    @cached_property
    def pool(self) -> list[Candidate]:
        """Runs that the lab can afford: each at least ten to twenty times cheaper than the target."""
        gap = np.random.default_rng([self.number, 22]).uniform(10, 20)
        sizes = np.geomspace(_SMALLEST, _LARGEST, N_SIZES) * TARGET_PARAMS
        every = training_pool(sizes, seed=10_000 + self.number)
        return [c for c in every if self.hours(c) <= self.target_hours / gap]

    @cached_property
    def target_hours(self) -> float:
        """What the target run costs [GPU-hours]."""
        return self.hours(self.baseline)

    @cached_property
    def budget_hours(self) -> float:
        """What may be spent before deciding [GPU-hours]."""
        return BUDGET_SHARE * self.target_hours

    def hours(self, candidate: Candidate) -> float:
        """Return ``6 N D`` at 40 % of an H100's peak [GPU-hours]."""
        flops = 6.0 * candidate.architecture.n_params * candidate.n_tokens
        return flops / (_MFU * _PEAK_FLOPS * 3600)

    def train(self, candidates: Sequence[Candidate], first_number: int) -> list[Run]:
        """Return finished runs of candidates."""
        losses = self.table.losses(candidates)
        return [
            Run(f"r{first_number + i}", c.n_tokens, c.architecture)
            .advance("running")
            .complete(loss_nats=float(loss), cost_gpu_hours=self.hours(c))
            for i, (c, loss) in enumerate(zip(candidates, losses, strict=True))
        ]

    @cached_property
    def timings(self) -> list[Measurement]:
        """Return the 32 timings that every method has: the baseline and targets far apart."""
        spread = plan(
            Beliefs(), self.targets, q=N_TIMED - 1, seed=self.seed, acquisition="space_filling"
        )
        timed = [self.baseline, *(suggestion.candidate for suggestion in spread)]
        architectures = list(dict.fromkeys(c.architecture for c in timed))
        return self.device.time(architectures)

    # --- what is true ---------------------------------------------------------------------------

    @cached_property
    def table(self) -> LossTable:
        """What any run would give."""
        gap_flops = 6.0 * self.baseline.architecture.n_params * self.target_tokens / 15
        return LossTable(self.family, self.number, gap_flops)

    @cached_property
    def device(self) -> TwinDevice:
        """What any network's latency is."""
        return TwinDevice(self.number)

    @cached_property
    def regrets(self) -> np.ndarray:
        """Return what choosing each target costs, ``(target,)``: 1 is the tolerance.

        Of loss where loss is wanted, of TPOT where that is; infinite where the limit is broken by
        more than the other quantity's tolerance.
        """
        everyone = [*self.targets, self.baseline]
        loss = self.table.log_means(everyone)
        tpot = np.log([self.device.latencies_ms(c.architecture)[1] for c in everyone])
        if self.decision == "loss":
            wanted, over, least = loss, tpot - tpot[-1] - np.log(0.95), LOSS_TOLERANCE
            slack = LATENCY_TOLERANCE
        else:
            wanted, over, least = tpot, loss - loss[-1], LATENCY_TOLERANCE
            slack = LOSS_TOLERANCE
        asked = slice(0, len(self.targets))
        best = wanted[asked][over[asked] <= 0].min()
        regret = np.maximum(wanted[asked] - best, 0.0) / least
        return np.where(over[asked] <= slack, regret, np.inf)

    @cached_property
    def is_best(self) -> np.ndarray:
        """Say which target is truly the best feasible one, ``(target,)``.

        With one objective that is also the only Pareto-optimal one.
        """
        everyone = [*self.targets, self.baseline]
        loss = self.table.log_means(everyone)
        tpot = np.log([self.device.latencies_ms(c.architecture)[1] for c in everyone])
        wanted, over = (
            (loss, tpot - tpot[-1] - np.log(0.95))
            if self.decision == "loss"
            else (tpot, loss - loss[-1])
        )
        feasible = np.where(over[:-1] <= 0, wanted[:-1], np.inf)
        return feasible == feasible.min()


def worlds(n_truths: int = 20) -> list[World]:
    """Return the labs: families in turn, three decisions of loss to one of latency."""
    families = list(FAMILIES)
    return [
        World(families[i % 5], i // 5, "latency" if (i // 5) % 4 == 3 else "loss")
        for i in range(n_truths)
    ]
