"""How much a run would improve the decision at the target.

The knowledge gradient (Frazier, Powell and Dayanik 2009, doi:10.1287/ijoc.1080.0314) over a mixture of
laws. Within a law a result moves what is expected of every alternative along one line; between
laws it moves their weights. Both are integrated over the result by seven Gauss-Hermite nodes a law, the
same for every candidate. The law's own error is in the draws, and what a cheap run cannot tell of it no
number of cheap runs buys.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy.stats import norm, qmc

from bayeslaw.search.acquisition.aims import aims_of
from bayeslaw.search.acquisition.problem import Acquisition, Aims, Problem
from bayeslaw.search.conditioning import Conditioned, condition

N_NODES = 7
ETA = 0.5
"""Power of the likelihood by which a result reweighs laws: none of them is the truth.

At 1 the laws' weights follow evidence that no law deserves (statistics.md, section 6); .5 was chosen
by hand.
"""

N_FANTASIES = 16
N_CLOSE = 256
N_PLAN_FANTASIES = 256
COST_POWERS = (1.0, 0.7, 0.4, 0.1)

_FLOOR = 1e-15
_CHUNK_VALUES = 4_000_000


def score(problem: Problem, taken: Sequence[int]) -> np.ndarray:
    """Return the log of the expected gain: of the decision's utility, or in squared log loss.

    In a pool of more than a few hundred, decisions are worked out for the `N_CLOSE` candidates that
    remove most error from the aims for each power of their cost; others, which would move the
    alternatives less, are given next to nothing.
    """
    aims = aims_of(problem)
    state = condition(problem, aims.values, taken)
    gained = error_removed(state)
    if len(aims.decisions):
        close = _worth_a_close_look(problem, gained, taken)
        gained = np.zeros(problem.n_candidates)
        gained[close] = _decision_gain(state, aims, close)
    if problem.p_success is not None:
        gained = gained * problem.p_success
    return np.log(np.maximum(gained, _FLOOR))


def draft(problem: Problem, taken: Sequence[int]) -> np.ndarray:
    """Return the log of how much less the aims will vary: quick, and blind to which are ahead."""
    state = condition(problem, aims_of(problem).values, taken)
    within = np.einsum("kac,kac->kc", state.covariance, state.covariance) / state.result_variance
    return np.log(np.maximum(state.shares @ within, _FLOOR))


def gain(problem: Problem, rows: Sequence[int]) -> float:
    """Return what a whole set of runs is expected to gain, laws' weights left as they are."""
    aims = aims_of(problem)
    before = condition(problem, aims.values)
    after = before
    for row in rows:
        after = after.after(row)
    if not len(aims.decisions):
        return float((after.shares @ (before.aim_variance - after.aim_variance)).sum())
    runs = after.taught[len(problem.pending) :]
    steps = _normals(len(runs), N_PLAN_FANTASIES)  # (fantasy, run)
    means = after.shares @ after.aim_means + np.einsum(
        "fr,rka,k->fa", steps, runs, after.shares, optimize=True
    )
    return float((aims.best(means) - aims.best(before.shares @ before.aim_means)).mean())


def error_removed(state: Conditioned, *, eta: float = ETA) -> np.ndarray:
    """Return by how much the squared error over the aims falls, summed ``(candidate,)``.

    By the law of total variance that is the variance of the aims' expectations over what the result
    may be. With one law it is ``cov**2 / var``.
    """
    # Expectations are sums over laws of u mean + v covariance, so their squares need Gram matrices only.
    centred = state.aim_means - state.shares @ state.aim_means
    of_means = centred @ centred.T
    crossed = np.einsum("ka,lac->klc", centred, state.covariance)
    of_lines = np.einsum("kac,lac->klc", state.covariance, state.covariance)

    def squared(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        return (
            np.einsum("kc,kl,lc->c", u, of_means, u)
            + 2 * np.einsum("kc,klc,lc->c", u, crossed, v)
            + np.einsum("kc,klc,lc->c", v, of_lines, v)
        )

    removed = np.zeros(state.n_candidates)
    mean_u, mean_v = np.zeros((2, len(state.shares), state.n_candidates))
    for chance, weights, steps in _outcomes(state, eta):
        u, v = weights, weights * steps
        removed += chance * squared(u, v)
        mean_u, mean_v = mean_u + chance * u, mean_v + chance * v
    return np.maximum(removed - squared(mean_u, mean_v), 0.0)


def _worth_a_close_look(problem: Problem, error: np.ndarray, taken: Sequence[int]) -> np.ndarray:
    """Return the candidates that remove most error for some power of their cost, ascending."""
    if problem.n_candidates <= 2 * N_CLOSE:
        return np.arange(problem.n_candidates)
    # A decision moves as the root of the variance that moves it.
    log_worth = 0.5 * np.log(np.maximum(error, 1e-300))
    log_worth[list(taken)] = -np.inf
    log_hours = np.zeros(len(error)) if problem.hours is None else np.log(problem.hours)
    leading = [
        np.argpartition(power * log_hours - log_worth, N_CLOSE)[:N_CLOSE] for power in COST_POWERS
    ]
    return np.unique(np.concatenate([*leading, np.asarray(taken, dtype=int)]))


def _decision_gain(state: Conditioned, aims: Aims, rows: np.ndarray) -> np.ndarray:
    """Return the expected rise of the best alternative's expected utility, of some candidates.

    Results of runs under way will have moved the expectations before this one comes in; they are
    drawn, the same for every candidate.
    """
    n_under_way = len(state.taught)
    steps = _normals(n_under_way, N_FANTASIES if n_under_way else 1)
    shifts = np.einsum("fr,rka->fka", steps, state.taught)
    size = max(1, _CHUNK_VALUES // max(1, len(shifts) * state.aim_means.size))
    parts = [rows[start : start + size] for start in range(0, len(rows), size)]
    gained = [_gain_of_part(state, aims, shifts, part) for part in parts]
    return np.maximum(np.concatenate(gained), 0.0)


def _gain_of_part(
    state: Conditioned, aims: Aims, shifts: np.ndarray, part: np.ndarray
) -> np.ndarray:
    means = state.aim_means + shifts  # (fantasy, law, aim)
    lines = state.covariance[:, :, part].transpose(0, 2, 1)  # (law, candidate, aim)
    after = np.zeros(lines.shape[1])
    mean = np.zeros((len(means), *lines.shape[1:]))
    for chance, weights, steps in _outcomes(state, ETA, part):
        moved = np.einsum("kc,kca->ca", weights * steps, lines)
        expected = np.einsum("kc,fka->fca", weights, means) + moved
        after += chance * aims.best(expected).mean(axis=0)
        mean += chance * expected
    # Tempered weights are no martingale: what they drift to on average is not gained by the run.
    return after - aims.best(mean).mean(axis=0)


def _outcomes(
    state: Conditioned, eta: float, part: np.ndarray | slice = slice(None)
) -> list[tuple[float, np.ndarray, np.ndarray]]:
    """Return possible results of each candidate's run.

    Each is its chance, the laws' weights given it ``(law, candidate)``, and by how many times its
    covariance with the run an aim then moves under each law ``(law, candidate)``.
    """
    nodes, node_weights = np.polynomial.hermite_e.hermegauss(N_NODES)
    node_weights = node_weights / node_weights.sum()
    variance = state.result_variance[:, part]
    middle = state.means[:, : state.n_candidates][:, part]
    sd = np.sqrt(variance)
    log_shares = np.log(state.shares)[:, None]
    found = []
    for k, share in enumerate(state.shares):
        for node, weight in zip(nodes, node_weights, strict=True):
            off = middle[k] + sd[k] * node - middle
            log_weights = log_shares - eta * (off**2 / (2 * variance) + np.log(sd))
            weights = np.exp(log_weights - log_weights.max(axis=0))
            found.append((float(share * weight), weights / weights.sum(axis=0), off / variance))
    return found


@lru_cache(maxsize=128)
def _normals(n_runs: int, n_fantasies: int) -> np.ndarray:
    """Return standard normals ``(fantasy, run)``, spread evenly and in opposite pairs."""
    if not n_runs:
        return np.zeros((n_fantasies, 0))
    spread = qmc.Sobol(n_runs, rng=0).random(n_fantasies // 2)
    half = norm.ppf(np.clip(spread, 1e-6, 1 - 1e-6))
    return np.concatenate([half, -half])


TARGET_LOOKAHEAD = Acquisition(
    name="target_lookahead",
    score=score,
    is_per_hour=True,
    needs_beliefs=True,
    needs_target=True,
    summary="expected improvement of the decision at the target",
    cost_powers=COST_POWERS,
    gain=gain,
    draft=draft,
)
