"""Whether the chains agree: R-hat and effective sample sizes, in numpy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from bayeslaw.models.notes import Note

MAX_RHAT = 1.01
MIN_ESS_PER_CHAIN = 100.0


@dataclass(frozen=True)
class Diagnostics:
    """Hold how well the posterior was sampled.

    Attributes:
        rhat: Of each coefficient and ``sigma``; empty unless sampled by NUTS.
        ess_bulk: Effective draws for the centre.
        ess_tail: Effective draws for the 5 % and 95 % quantiles.
        divergences: Draws at which NUTS diverged [count].
        mean_steps: Leapfrog steps a draw; None unless sampled by NUTS.
    """

    rhat: Mapping[str, float]
    ess_bulk: Mapping[str, float]
    ess_tail: Mapping[str, float]
    divergences: int = 0
    mean_steps: float | None = None

    @property
    def max_rhat(self) -> float:
        """The worst R-hat; NaN where nothing was sampled by chains."""
        return max(self.rhat.values(), default=math.nan)

    @property
    def min_ess_bulk(self) -> float:
        """The smallest bulk ESS; NaN where nothing was sampled by chains."""
        return min(self.ess_bulk.values(), default=math.nan)

    @property
    def min_ess_tail(self) -> float:
        """The smallest tail ESS; NaN where nothing was sampled by chains."""
        return min(self.ess_tail.values(), default=math.nan)

    def notes(self, n_chains: int) -> tuple[Note, ...]:
        """Return a warning for each figure outside what the literature asks for."""
        notes = []
        if self.max_rhat > MAX_RHAT:
            worst = max(self.rhat, key=lambda name: self.rhat[name])
            notes.append(
                Note(
                    "chains_disagree",
                    "warning",
                    f"R-hat of {worst} is {self.max_rhat:.3f} (> {MAX_RHAT}): sample longer "
                    f"(n_warmup, n_draws)",
                )
            )
        if min(self.min_ess_bulk, self.min_ess_tail) < MIN_ESS_PER_CHAIN * n_chains:
            notes.append(
                Note(
                    "few_effective_draws",
                    "warning",
                    f"bulk ESS {self.min_ess_bulk:.0f}, tail ESS {self.min_ess_tail:.0f} (< "
                    f"{MIN_ESS_PER_CHAIN * n_chains:.0f}): interval ends are rough; sample longer",
                )
            )
        if self.divergences:
            notes.append(
                Note(
                    "divergences",
                    "warning",
                    f"NUTS diverged at {self.divergences} draws: part of the posterior may be "
                    f"missed; raise n_warmup, or add the runs that the identifiability notes ask "
                    f"for",
                )
            )
        return tuple(notes)


NO_DIAGNOSTICS = Diagnostics(rhat={}, ess_bulk={}, ess_tail={})


def diagnose(
    draws: Mapping[str, np.ndarray], diverging: np.ndarray, n_steps: np.ndarray
) -> Diagnostics:
    """Return the diagnostics of draws ``(chain, draw)`` by name.

    Source:
        Vehtari, Gelman, Simpson, Carpenter, Buerkner (2021), Bayesian Analysis 16(2):
        rank-normalised split R-hat, bulk and tail ESS.
    """
    return Diagnostics(
        rhat={name: rhat(values) for name, values in draws.items()},
        ess_bulk={name: ess(_rank_normal(_split(values))) for name, values in draws.items()},
        ess_tail={name: _ess_tail(values) for name, values in draws.items()},
        divergences=int(np.sum(diverging)),
        mean_steps=float(np.mean(n_steps)),
    )


def rhat(draws: np.ndarray) -> float:
    """Return the rank-normalised split R-hat of ``(chain, draw)``: the worse of bulk and spread."""
    halves = _split(draws)
    folded = np.abs(halves - np.median(halves))
    return max(_rhat(_rank_normal(halves)), _rhat(_rank_normal(folded)))


def ess(chains: np.ndarray) -> float:
    """Return the effective sample size of the mean of ``(chain, draw)``, as Vehtari et al. do."""
    n_chains, n_draws = chains.shape
    if np.ptp(chains) == 0:
        return float(chains.size)
    covariance = np.stack([_autocovariance(chain) for chain in chains])
    within = covariance[:, 0].mean() * n_draws / (n_draws - 1)
    variance = within * (n_draws - 1) / n_draws
    if n_chains > 1:
        variance += chains.mean(axis=1).var(ddof=1)
    rho = 1 - (within - covariance.mean(axis=0)) / variance
    rho[0] = 1.0
    # Geyer: sums of neighbours are positive and fall.
    pairs = rho[: n_draws - n_draws % 2].reshape(-1, 2).sum(axis=1)
    negative = np.nonzero(pairs < 0)[0]
    n_pairs = int(negative[0]) if len(negative) else len(pairs)
    total = np.minimum.accumulate(pairs[:n_pairs]).sum()
    tail = max(float(rho[2 * n_pairs]), 0.0) if 2 * n_pairs < len(rho) else 0.0
    tau = max(-1 + 2 * total + tail, 1 / math.log10(chains.size))
    return chains.size / tau


def _ess_tail(draws: np.ndarray) -> float:
    halves = _split(draws)
    return min(ess((halves <= np.quantile(halves, q)).astype(float)) for q in (0.05, 0.95))


def _split(draws: np.ndarray) -> np.ndarray:
    half = draws.shape[1] // 2
    return np.concatenate([draws[:, :half], draws[:, -half:]])


def _rank_normal(draws: np.ndarray) -> np.ndarray:
    ranks = stats.rankdata(draws, method="average").reshape(draws.shape)
    return np.asarray(stats.norm.ppf((ranks - 0.375) / (draws.size + 0.25)))


def _rhat(chains: np.ndarray) -> float:
    n_draws = chains.shape[1]
    within = chains.var(axis=1, ddof=1).mean()
    if within == 0:
        return 1.0
    between = chains.mean(axis=1).var(ddof=1)
    return math.sqrt((n_draws - 1) / n_draws + between / within)


def _autocovariance(chain: np.ndarray) -> np.ndarray:
    n_draws = len(chain)
    spectrum = np.fft.rfft(chain - chain.mean(), 2 * n_draws)
    return np.fft.irfft(np.abs(spectrum) ** 2)[:n_draws] / n_draws
