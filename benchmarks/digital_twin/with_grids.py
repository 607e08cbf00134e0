"""The two papers' own procedures: a fixed grid of runs, then their own least squares."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import OptimizeWarning, curve_fit

from bayeslaw.runs import Run, candidate_columns
from bayeslaw.search.acquisition import Acquisition, Problem
from bayeslaw.search.acquisition.isoflop_grid import ISOFLOP_GRID
from bayeslaw.search.acquisition.one_factor_grid import ONE_FACTOR_GRID
from bayeslaw.space import Candidate
from benchmarks.digital_twin.decide import LatencyAnswer, decide
from benchmarks.digital_twin.trace import BATCHES, Trace
from benchmarks.digital_twin.world import World
from benchmarks.extrapolation.baselines.p2_curve_fit import tied_law

_FEATURES = (
    "n_params_body", "n_tokens", "aspect_ratio", "mlp_attention_ratio", "gqa_group", "head_dim",
)  # fmt: skip
_MAX_CALLS = 100_000
# P1's published fit of 80-297M, where its own least squares then start.
_P1_START = (2.697, 0.0974, 0.0078, 0.3870, 0.0063, 0.0065)
# P2's authors start from ones; their free fit from the second; ours of their rows is the third.
_P2_STARTS = ((1.0,) * 5, (2.0, 5e4, 5e5, 0.5, 0.0011), (2.447, 5.5e4, 7.8e5, 0.615, 0.0011))
_P1_RATIOS = (0.5, 5.0)

Fit = Callable[[Sequence[Candidate], np.ndarray, Sequence[Candidate]], np.ndarray | None]


def follow(world: World, latency: LatencyAnswer, method: str) -> Trace:
    """Run a grid in its own order until the runs or the budget end."""
    started = time.perf_counter()
    grid, fit = _METHODS[method]
    trace, runs, spent = Trace(), list[Run](), 0.0
    everyone = [*world.targets, world.baseline]
    for n_runs in np.cumsum(BATCHES):
        while len(runs) < n_runs:
            candidate = _next(world, grid, runs, world.budget_hours - spent)
            if candidate is None:
                break
            runs += world.train([candidate], first_number=len(runs))
            spent += world.hours(candidate)
        if not runs or (trace.steps and trace.steps[-1]["n_runs"] == len(runs)):
            break
        done = [Candidate(r.architecture, r.n_tokens) for r in runs if r.architecture]
        losses = np.array([r.loss_nats for r in runs], dtype=float)
        predicted = fit(done, losses, everyone)
        if predicted is not None:
            trace.add(world, spent, len(runs), decide(world, latency, predicted))
    trace.seconds = time.perf_counter() - started
    return trace


def _next(world: World, grid: Acquisition, runs: Sequence[Run], left: float) -> Candidate | None:
    """Return the candidate nearest to the grid's next point, None where it cannot be paid."""
    known = {(run.architecture, run.n_tokens) for run in runs}
    pool = [c for c in world.pool if (c.architecture, c.n_tokens) not in known]
    columns = candidate_columns([*pool, *world.targets])
    features = np.log2(np.stack([columns[name] for name in _FEATURES], axis=1))
    rows = [Candidate(r.architecture, r.n_tokens) for r in runs if r.architecture]
    if rows:
        seen = candidate_columns(rows)
        middle = np.log2(np.stack([seen[name] for name in _FEATURES], axis=1))
        features = np.concatenate([features[: len(pool)], middle, features[len(pool) :]])
    problem = Problem(
        n_candidates=len(pool),
        n_done=len(rows),
        n_pending=0,
        n_target=len(world.targets),
        features=features,
        feature_names=_FEATURES,
        seed=world.seed,
    )
    chosen = pool[int(np.argmax(grid.score(problem, ())))]
    return chosen if world.hours(chosen) <= left else None


def fit_p1(
    done: Sequence[Candidate], losses: np.ndarray, asked: Sequence[Candidate]
) -> np.ndarray | None:
    """Predict by P1's multiplicative law, relative to the best loss of a size and tokens.

    The best loss of each size and number of tokens stands for ``L_opt``, as the paper's
    empirical search has it; Levenberg-Marquardt on the shape's six numbers; runs with r outside
    .5-5 are left out, as advised. None with fewer runs than numbers.

    Source:
        arXiv:2510.18245, eq. 1 and 3, section 5.1 (laws.md, 1.1-1.3).
    """
    runs = candidate_columns(done)
    scale = np.round(np.log2(np.stack([runs["n_params_body"], runs["n_tokens"]])) * 4).T
    best = np.array([losses[(scale == row).all(axis=1)].min() for row in scale])
    ratios = runs["mlp_attention_ratio"]
    kept = (ratios >= _P1_RATIOS[0]) & (ratios <= _P1_RATIOS[1])
    if kept.sum() < len(_P1_START):
        return None
    places = np.stack([runs["relative_width"], ratios])[:, kept]
    theta = _least_squares(_p1_factor, places, (losses / best)[kept], [_P1_START])
    if theta is None:
        return None
    targets = candidate_columns(asked)
    return _p1_factor(np.stack([targets["relative_width"], targets["mlp_attention_ratio"]]), *theta)


def fit_p2(
    done: Sequence[Candidate], losses: np.ndarray, asked: Sequence[Candidate]
) -> np.ndarray | None:
    """Predict by P2's tied law, least squares on raw loss as its authors call ``curve_fit``.

    The best of three starts, where the authors have one: from ones alone most grids fail. None
    where none converges.

    Source:
        arXiv:2501.18107 and its code (laws.md, 2.2).
    """
    if len(done) < 5:
        return None
    runs, targets = candidate_columns(done), candidate_columns(asked)
    names = ("n_params", "n_tokens", "aspect_ratio")
    theta = _least_squares(tied_law, np.stack([runs[n] for n in names]), losses, _P2_STARTS)
    if theta is None:
        return None
    predicted = tied_law(np.stack([targets[n] for n in names]), *theta)
    return predicted if np.isfinite(predicted).all() else None


def _p1_factor(places: np.ndarray, *theta: float) -> np.ndarray:
    a0, a1, a2, b0, b1, b2 = theta
    x, r = places
    return (a0 + a1 * np.log(x) + a2 / x) * (b0 + b1 * np.log(r) + b2 / r)


def _least_squares(
    law: Callable[..., np.ndarray],
    places: np.ndarray,
    values: np.ndarray,
    starts: Sequence[Sequence[float]],
) -> np.ndarray | None:
    found: list[tuple[float, np.ndarray]] = []
    for start in starts:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", OptimizeWarning)
            try:
                theta, _ = curve_fit(law, places, values, p0=start, method="lm", maxfev=_MAX_CALLS)
            except (RuntimeError, ValueError, TypeError):
                continue  # no convergence, or infinite residuals: the next start
            error = float(((law(places, *theta) - values) ** 2).sum())
        if np.isfinite(error):
            found.append((error, theta))
    return min(found, key=lambda pair: pair[0])[1] if found else None


_METHODS: dict[str, tuple[Acquisition, Fit]] = {
    "p1_grid": (ONE_FACTOR_GRID, fit_p1),
    "p2_grid": (ISOFLOP_GRID, fit_p2),
}
