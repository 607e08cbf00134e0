"""What the posterior says of each fitted run, were its own loss not known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from bayeslaw.models.loss.contamination import below_badly_tuned, mixed
from bayeslaw.models.loss.noise import STUDENT_T_DOF
from bayeslaw.models.loss.posterior import Posterior


@dataclass(frozen=True)
class Pointwise:
    """Hold a Student t of each run's log loss under each draw, given the other points of its job.

    A run that stands alone has the law's curve for its middle. A point of a training job that has
    other points leans towards their misfits, by as much as the draw says that a job shares.

    Attributes:
        location: ``(draw, run)``.
        scale: ``(draw, run)``.
        dof: Degrees of freedom, ``(run,)``.
        badly_tuned_share: Of the runs ``(draw,)``, where the fit was asked for it.
        badly_tuned_excess: Mean that a badly tuned run adds to log loss ``(draw,)``, likewise.
    """

    location: np.ndarray
    scale: np.ndarray
    dof: np.ndarray
    badly_tuned_share: np.ndarray | None = None
    badly_tuned_excess: np.ndarray | None = None

    def log_density(self, log_loss: np.ndarray) -> np.ndarray:
        """Return the log density at each run's observed log loss ``(run,)``, ``(draw, run)``."""
        tuned = stats.t.logpdf(log_loss, self.dof, loc=self.location, scale=self.scale)
        share, excess = self.badly_tuned_share, self.badly_tuned_excess
        if share is None or excess is None:
            return tuned
        return mixed(tuned, log_loss - self.location, self.scale, share, excess)

    def cdf(self, log_loss: np.ndarray) -> np.ndarray:
        """Return the probability below each run's observed log loss ``(run,)``, ``(draw, run)``."""
        tuned = stats.t.cdf(log_loss, self.dof, loc=self.location, scale=self.scale)
        share, excess = self.badly_tuned_share, self.badly_tuned_excess
        if share is None or excess is None:
            return tuned
        off = below_badly_tuned(log_loss - self.location, self.scale, excess[:, None])
        return (1 - share[:, None]) * tuned + share[:, None] * off


def expected_log_loss(posterior: Posterior) -> np.ndarray:
    """Return the curve of each draw at the fitted runs, discrepancy included, ``(draw, run)``."""
    return np.log(posterior.losses(posterior.fitted))


def pointwise(posterior: Posterior) -> Pointwise:
    """Return the distribution of each fitted run given a draw and the other points of its job.

    Source:
        Conditionals of a multivariate Student t with an exchangeable scale matrix: Ding (2016),
        The American Statistician 70(3).
    """
    trunk = np.asarray(posterior.fitted["trunk"], dtype=int)
    log_loss = np.log(posterior.fitted["loss_nats"])
    own = posterior.noise_scale(posterior.fitted) * np.sqrt(1 - posterior.run_share)[:, None]
    odds = (posterior.run_share / (1 - posterior.run_share))[:, None]
    expected = expected_log_loss(posterior)
    misfit = (log_loss - expected) / own

    n_others = np.bincount(trunk)[trunk] - 1
    # Sums over the job, less the run itself: jobs by runs, so one product each.
    of_job = np.equal.outer(np.arange(trunk.max() + 1), trunk).astype(float)
    total = (misfit @ of_job.T)[:, trunk] - misfit
    square = (misfit**2 @ of_job.T)[:, trunk] - misfit**2
    lean = odds / (1 + odds * n_others)
    distance = np.maximum(square - lean * total**2, 0.0)
    dof = STUDENT_T_DOF + n_others
    return Pointwise(
        location=expected + own * lean * total,
        scale=own * np.sqrt((1 + lean) * (STUDENT_T_DOF + distance) / dof),
        dof=dof,
        badly_tuned_share=posterior.badly_tuned_share,
        badly_tuned_excess=posterior.badly_tuned_excess,
    )
