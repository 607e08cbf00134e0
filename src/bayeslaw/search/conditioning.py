"""What runs under way will leave to learn: covariances of draws, run after run taken out.

Within one law, log losses over all rows are taken as jointly normal with the draws' own means and
covariances. A run at row j with noise variance s2 then removes ``c c' / (v + s2)`` from the covariance,
c being the covariance with row j and v its variance, whatever the run turns out to say (Matheron's rule;
Wilson et al. 2020, arXiv:2002.09309). Nothing is drawn here, so nothing is noisy but the draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.search.acquisition.problem import Problem

# Variance of log loss below any noise: keeps quotients finite where draws do not differ at all.
_FLOOR = 1e-18


@dataclass(frozen=True)
class Conditioned:
    """Hold, law by law, what is left to learn after some runs; build it with `condition`.

    Rows are those of the problem; *aims* are what the runs are for, any functions of the draws.

    Attributes:
        shares: Weight of each law ``(law,)``.
        means: Of log losses, before the runs ``(law, row)``.
        variance: Of candidates, pending and all other rows, left after the runs ``(law, row)``.
        noise_variance: Of a run at each row ``(row,)``.
        aim_means: Before the runs ``(law, aim)``.
        aim_variance: Left after the runs ``(law, aim)``.
        covariance: Of aims with candidates, left after the runs ``(law, aim, candidate)``.
        taught: What each run moves every aim by, per standard deviation of its result
            ``(run, law, aim)``.
    """

    shares: np.ndarray
    means: np.ndarray
    variance: np.ndarray
    noise_variance: np.ndarray
    aim_means: np.ndarray
    aim_variance: np.ndarray
    covariance: np.ndarray
    taught: np.ndarray
    _centred: tuple[np.ndarray, ...]
    _aims: tuple[np.ndarray, ...]
    _moved: tuple[np.ndarray, ...]  # a run's own covariance with every row, over its sd: (law, row)

    @property
    def n_candidates(self) -> int:
        """Leading rows that may be chosen."""
        return self.covariance.shape[2]

    @property
    def result_variance(self) -> np.ndarray:
        """Variance of what a run at each candidate will say ``(law, candidate)``."""
        chosen = slice(0, self.n_candidates)
        return self.variance[:, chosen] + self.noise_variance[chosen] + _FLOOR

    def after(self, row: int) -> Conditioned:
        """Return what is left once a run at this row is done."""
        n_laws = len(self.shares)
        moved = np.empty_like(self.variance)
        taught = np.empty((n_laws, self.aim_means.shape[1]))
        for k in range(n_laws):
            runs, aims = self._centred[k], self._aims[k]
            column = runs[:, row] / len(runs)
            moved[k] = column @ runs
            taught[k] = column @ aims
        for before, before_taught in zip(self._moved, self.taught, strict=True):
            moved -= before[:, [row]] * before
            taught -= before[:, [row]] * before_taught
        scale = np.sqrt(np.maximum(moved[:, [row]], 0.0) + self.noise_variance[row] + _FLOOR)
        moved, taught = moved / scale, taught / scale
        return Conditioned(
            shares=self.shares,
            means=self.means,
            variance=np.maximum(self.variance - moved**2, 0.0),
            noise_variance=self.noise_variance,
            aim_means=self.aim_means,
            aim_variance=np.maximum(self.aim_variance - taught**2, 0.0),
            covariance=self.covariance - taught[:, :, None] * moved[:, None, : self.n_candidates],
            taught=np.concatenate([self.taught, taught[None]]),
            _centred=self._centred,
            _aims=self._aims,
            _moved=(*self._moved, moved),
        )


def condition(problem: Problem, aims: np.ndarray, taken: Sequence[int] = ()) -> Conditioned:
    """Take the problem's pending runs, and then those chosen, out of the draws.

    Args:
        problem: With ``log_losses``, ``noise_sd`` and ``law``.
        aims: What the runs are for ``(draw, aim)``, on the problem's draws. The same array object
            asked again with one more run costs one step only.
        taken: Rows chosen, in order.

    Raises:
        InvalidInputError: The problem has no draws.
    """
    key = id(aims)
    rows = [*problem.pending.tolist(), *taken]
    known = _RECENT.get(problem)
    if known is not None and known[0] == key and rows[: len(known[1])] == known[1]:
        done, found = len(known[1]), known[2]
    else:
        done, found = 0, _begin(problem, aims)
    for row in rows[done:]:
        found = found.after(row)
    _RECENT[problem] = (key, rows, found, aims)
    return found


# The last answer for a problem. The aims are kept with it, so their id cannot be another array's.
_RECENT: WeakKeyDictionary[Problem, tuple[int, list[int], Conditioned, np.ndarray]] = (
    WeakKeyDictionary()
)


def _begin(problem: Problem, aims: np.ndarray) -> Conditioned:
    if problem.log_losses is None or problem.noise_sd is None:
        raise InvalidInputError("no loss law is fitted yet; begin with acquisition='space_filling'")
    draws = problem.log_losses
    law = np.zeros(len(draws), dtype=int) if problem.law is None else problem.law
    numbers = np.unique(law)
    runs = [draws[law == number] for number in numbers]
    of_aims = [aims[law == number] for number in numbers]
    means = np.stack([part.mean(axis=0) for part in runs])
    aim_means = np.stack([part.mean(axis=0) for part in of_aims])
    centred = tuple(part - mean for part, mean in zip(runs, means, strict=True))
    centred_aims = tuple(part - mean for part, mean in zip(of_aims, aim_means, strict=True))
    pairs = list(zip(centred, centred_aims, strict=True))
    return Conditioned(
        shares=np.array([len(part) / len(draws) for part in runs]),
        means=means,
        variance=np.stack([(part**2).mean(axis=0) for part in centred]),
        noise_variance=np.asarray(problem.noise_sd, dtype=float) ** 2,
        aim_means=aim_means,
        aim_variance=np.stack([(part**2).mean(axis=0) for part in centred_aims]),
        covariance=np.stack([a.T @ r[:, : problem.n_candidates] / len(r) for r, a in pairs]),
        taught=np.empty((0, len(runs), aims.shape[1])),
        _centred=centred,
        _aims=centred_aims,
        _moved=(),
    )
