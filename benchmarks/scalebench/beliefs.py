"""What is believed after some runs of a pool: laws fitted to them, as draws over pool and target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bayeslaw.models.loss.fit import fit_law
from bayeslaw.models.loss.laws import LAWS, LossLaw
from bayeslaw.models.loss.noise import STUDENT_T_DOF, new_run_noise
from bayeslaw.models.loss.posterior import Posterior
from bayeslaw.runs import RunTable
from bayeslaw.search.acquisition.problem import Problem

N_DRAWS = 1000
"""Of all laws together. A chance correlation of draws looks like a thousandth of the variance."""


@dataclass(frozen=True)
class Beliefs:
    """Hold posteriors of laws that are believed alike.

    Attributes:
        posteriors: One a law, of as many draws each.
    """

    posteriors: tuple[Posterior, ...]

    def log_losses(
        self, columns: Mapping[str, np.ndarray], *, discrepancy: bool = True
    ) -> np.ndarray:
        """Return log of mean losses ``(draw, row)``, draws of one law together."""
        return np.log(
            np.concatenate([p.losses(columns, discrepancy=discrepancy) for p in self.posteriors])
        )

    def noise_scale(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the scale of a run's noise in log loss ``(draw, row)``."""
        return np.concatenate([p.noise_scale(columns) for p in self.posteriors])

    @property
    def law(self) -> np.ndarray:
        """Number of the law of each draw ``(draw,)``."""
        return np.repeat(np.arange(len(self.posteriors)), [len(p) for p in self.posteriors])


NESTED_IN: Mapping[str, str] = {
    "chinchilla_tied": "chinchilla",
    "over_training": "chinchilla",
    "routed": "routed_floor",
    "vocabulary": "vocabulary_rows",
}
"""Laws that another one becomes at some value of its coefficients."""


def laws_of(columns: Mapping[str, np.ndarray]) -> tuple[LossLaw, ...]:
    """Return every law of the library that these columns feed and that uses all which vary.

    A law that is a case of another one there is left out: the other's prior weighs it already.

    >>> moe = {"n_params_body_active": np.ones(2), "n_tokens": np.ones(2)}
    >>> [law.name for law in laws_of({**moe, "n_experts": np.array([1.0, 8.0])})]
    ['routed_floor']
    """
    varying = {name for name, values in columns.items() if np.ptp(values) > 0}
    fed = {
        name: law
        for name, law in LAWS.items()
        if varying <= set(law.inputs) and set(law.inputs) <= set(columns)
    }
    return tuple(law for name, law in fed.items() if NESTED_IN.get(name) not in fed)


def fit_beliefs(
    laws: Sequence[LossLaw],
    columns: Mapping[str, np.ndarray],
    losses: np.ndarray,
    *,
    seed: int,
    n_draws: int = N_DRAWS,
) -> Beliefs:
    """Fit every law to runs, each to be believed alike.

    Args:
        laws: To fit.
        columns: Of the runs, each ``(run,)``.
        losses: Of the runs, positive [nats per token] ``(run,)``.
        seed: Of the fits.
        n_draws: Of all laws together.
    """
    table = RunTable(
        columns={**columns, "loss_nats": losses},
        run_ids=tuple(f"run-{i}" for i in range(len(losses))),
    )
    return Beliefs(
        tuple(
            fit_law(law, table, method="laplace", seed=seed, n_draws=n_draws // len(laws))
            for law in laws
        )
    )


def pose(
    beliefs: Beliefs | None,
    pool: Mapping[str, np.ndarray],
    target: Mapping[str, np.ndarray],
    cost: np.ndarray,
    is_open: np.ndarray,
    done: Sequence[int],
    *,
    seed: int,
    discrepancy: bool = True,
) -> Problem:
    """Return the choice of the next runs: candidates first, then runs done, then the target.

    Args:
        beliefs: None before any fit.
        pool: Columns of all runs, each ``(run,)``.
        target: Columns of the target ``(target,)``.
        cost: Of all runs ``(run,)``.
        is_open: Which may be chosen ``(run,)``.
        done: Rows bought, in order.
        seed: Of what the acquisition draws.
        discrepancy: Whether draws carry the laws' own error.
    """
    rows = np.concatenate([np.flatnonzero(is_open), np.asarray(done, dtype=int)])
    columns = {name: np.concatenate([pool[name][rows], target[name]]) for name in pool}
    log_losses = noise_sd = law = None
    if beliefs is not None:
        log_losses = beliefs.log_losses(columns, discrepancy=discrepancy)
        variance = STUDENT_T_DOF / (STUDENT_T_DOF - 2) * beliefs.noise_scale(columns) ** 2
        noise_sd, law = np.sqrt(variance.mean(axis=0)), beliefs.law
    return Problem(
        n_candidates=int(is_open.sum()),
        n_done=len(done),
        n_pending=0,
        features=np.log2(np.stack(list(columns.values()), axis=1)),
        feature_names=tuple(columns),
        seed=seed,
        n_target=len(next(iter(target.values()))),
        hours=cost[is_open],
        log_losses=log_losses,
        noise_sd=noise_sd,
        law=law,
        goal="error",
    )


def predict(
    beliefs: Beliefs, columns: Mapping[str, np.ndarray], *, seed: int, level: float = 0.9
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the posterior mean of each loss and the ends of one more run's interval, ``(row,)``."""
    losses = np.exp(beliefs.log_losses(columns))
    noise = new_run_noise(beliefs.noise_scale(columns), np.random.default_rng([seed, 17]))
    tail = (1 - level) / 2
    low, high = np.quantile(losses * np.exp(noise), [tail, 1 - tail], axis=0)
    return losses.mean(axis=0), low, high
