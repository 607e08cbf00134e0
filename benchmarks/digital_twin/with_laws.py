"""Methods that fit our laws and recommend by them; they differ in which runs they buy."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bayeslaw.models.costs import fit_cost
from bayeslaw.models.loss import LAWS, Posterior, fit_law, weights_by_evidence
from bayeslaw.runs import Run, RunTable
from bayeslaw.search import Beliefs, PredictiveEnsemble, plan, recommend
from bayeslaw.space import Candidate
from benchmarks.digital_twin.decide import LatencyAnswer
from benchmarks.digital_twin.device import DEVICE, SERVING
from benchmarks.digital_twin.trace import Trace
from benchmarks.digital_twin.world import World

SPENT_SHARES = (0.02, 0.05, 0.11, 0.23, 0.48, 1.0)
"""Of the budget, spent at most by the end of each batch: nobody knows when it will be enough."""

N_DRAWS, N_PLAN_MEMBERS, N_MEMBERS = 500, 384, 1000
LEAST_WEIGHT = 0.01
"""Of the best law's; a law below it is left out."""

BATCHES = (8, 16, 32, 48, 64, 64)
"""Runs between one recommendation and the next, 232 in all: what is counted is hours, not runs."""

N_POOL = 512
"""Of the runs not done yet, drawn anew for each batch: what a plan chooses from."""

LEAST_TOLD = 0.001
"""Probabilities below it are counted and not kept one by one."""

ACQUISITION = {"ours": "target_lookahead", "mspe": "mspe", "random": "random"}
"""How each method buys; all but random start from the same eight runs, far apart."""


class _Laws:
    """The laws that are left, fitted as runs come in.

    A law that left-out runs have ruled out rests until there are three times as many runs: most of
    the time goes into fitting, and what was ruled out on 8 runs mostly is so on 16.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.rests_until = dict.fromkeys(world.laws, 0)
        self.n_runs = 0
        self.last: tuple[list[Posterior], np.ndarray] = ([], np.empty(0))

    def fitted(self, runs: Sequence[Run]) -> tuple[list[Posterior], np.ndarray]:
        """Return posteriors and weights, worked out once for a recommendation and the next plan."""
        if len(runs) != self.n_runs:
            table = RunTable.from_runs(runs)
            names = [name for name, least in self.rests_until.items() if len(runs) >= least]
            posteriors = [
                fit_law(LAWS[n], table, method="laplace", n_draws=N_DRAWS, seed=self.world.seed)
                for n in names
            ]
            weights = weights_by_evidence(posteriors)
            weights = np.where(weights < LEAST_WEIGHT * weights.max(), 0.0, weights)
            for name, weight in zip(names, weights, strict=True):
                self.rests_until[name] = 0 if weight else 3 * len(runs)
            self.n_runs, self.last = len(runs), (posteriors, weights)
        return self.last


def follow(world: World, latency: LatencyAnswer, method: str) -> Trace:
    """Buy, fit and recommend until the rounds or the budget end."""
    started = time.perf_counter()
    trace, runs = Trace(), list[Run]()
    laws = _Laws(world)
    for n_wanted, share in zip(BATCHES, SPENT_SHARES, strict=True):
        left = share * world.budget_hours - _spent(runs)
        chosen = _buy(world, latency, method, laws, runs, n_wanted, left)
        if not chosen:
            continue
        runs += world.train(chosen, first_number=len(runs))
        _recommend(world, latency, laws, runs, trace)
    trace.seconds = time.perf_counter() - started
    return trace


def _buy(
    world: World,
    latency: LatencyAnswer,
    method: str,
    laws: _Laws,
    runs: list[Run],
    n_wanted: int,
    left: float,
) -> list[Candidate]:
    known = {(run.architecture, run.n_tokens) for run in runs}
    pool = [c for c in world.pool if (c.architecture, c.n_tokens) not in known]
    pool = [c for c in pool if world.hours(c) <= left]
    if not pool:
        return []
    rng = np.random.default_rng([world.number, len(runs)])
    pool = [pool[i] for i in rng.permutation(len(pool))[:N_POOL]]
    if not runs or method == "random":
        found = plan(
            Beliefs(cost=fit_cost(runs, device=DEVICE)), pool, q=n_wanted,
            seed=world.seed + len(runs), budget_gpu_hours=left,
            acquisition="random" if method == "random" else "space_filling",
        )  # fmt: skip
        return _affordable(world, [suggestion.candidate for suggestion in found], left)
    found = plan(
        _beliefs(world, latency, laws, runs, N_PLAN_MEMBERS, has_error=method == "ours"),
        pool,
        done=runs,
        q=n_wanted,
        budget_gpu_hours=left,
        max_runs=n_wanted,
        seed=world.seed,
        acquisition=ACQUISITION[method],
        objectives=world.objectives,
        limits=world.limits,
        baseline=world.baseline,
        target_candidates=world.targets,
        goal="choice" if method == "ours" else "error",
        n_draws=N_PLAN_MEMBERS,
    )
    return _affordable(world, [suggestion.candidate for suggestion in found], left)


def _affordable(world: World, candidates: Sequence[Candidate], left: float) -> list[Candidate]:
    """Return the first of some runs that the rest of the budget pays for."""
    kept = []
    for candidate in candidates:
        left -= world.hours(candidate)
        if left < 0:
            break
        kept.append(candidate)
    return kept


def _beliefs(
    world: World,
    latency: LatencyAnswer,
    laws: _Laws,
    runs: list[Run],
    n_members: int,
    *,
    has_error: bool = True,
) -> Beliefs:
    """Fit the laws that are left and weigh them, as a study does."""
    posteriors, weights = laws.fitted(runs)
    loss = PredictiveEnsemble.from_beliefs(
        posteriors if has_error else [WithoutError(posterior) for posterior in posteriors],
        weights.tolist(),
        n_members=n_members,
        seed=world.seed,
    )
    cost = fit_cost(runs, device=DEVICE)
    return Beliefs(loss=loss, latency=latency.surrogate, workload=SERVING, cost=cost)


@dataclass(frozen=True)
class WithoutError:
    """Believe a law's form exactly, as active-sl's criterion does.

    Attributes:
        posterior: Of the law's coefficients.
    """

    posterior: Posterior

    @property
    def sigma(self) -> np.ndarray:
        """Scale of a run's noise ``(draw,)``."""
        return self.posterior.sigma

    def noise_scale(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the scale of a run's noise ``(draw, candidate)``."""
        return self.posterior.noise_scale(columns)

    def losses(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return curves without the form's own error ``(draw, candidate)``."""
        return self.posterior.losses(columns, discrepancy=False)


def _recommend(
    world: World, latency: LatencyAnswer, laws: _Laws, runs: list[Run], trace: Trace
) -> None:
    found = recommend(
        _beliefs(world, latency, laws, runs, N_MEMBERS),
        world.targets,
        baseline=world.baseline,
        objectives=world.objectives,
        limits=world.limits,
        seed=world.seed,
    )
    places = {candidate: i for i, candidate in enumerate(world.targets)}
    trace.add(world, _spent(runs), len(runs), places[found.chosen.candidate])
    p_pareto = np.array([forecast.p_pareto for forecast in found.forecasts])
    chosen = places[found.chosen.candidate]
    said = p_pareto >= LEAST_TOLD
    trace.forecasts.append(
        {
            "n_runs": len(runs),
            "p_pareto": p_pareto[said].round(4).tolist(),
            "is_pareto": world.is_best[said].tolist(),
            "n_untold": int((~said).sum()),
            "n_pareto_untold": int(world.is_best[~said].sum()),
            "p_best_chosen": float(found.record["p_best"]),
            "is_best_chosen": bool(world.is_best[chosen]),
        }
    )


def _spent(runs: Sequence[Run]) -> float:
    return float(sum(run.cost_gpu_hours or 0.0 for run in runs))
