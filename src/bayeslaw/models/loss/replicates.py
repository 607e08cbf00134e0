"""Tables that the model would have made: from the posterior, and from the prior alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bayeslaw.models.loss.contamination import excess_of_new_runs
from bayeslaw.models.loss.coordinates import Coordinates
from bayeslaw.models.loss.noise import STUDENT_T_DOF
from bayeslaw.models.loss.posterior import Posterior

_MAX_LOG = 80.0


def replicates(posterior: Posterior, *, seed: int = 0) -> np.ndarray:
    """Return losses of the fitted runs, made anew under each draw, ``(draw, run)`` [nats per token].

    Points of one training job share an error, as they do in the fit. A loss beyond ``exp(80)``, as
    a wide prior makes now and then, is returned as that: single precision ends there.
    """
    rng = np.random.default_rng([posterior.seed, 20, seed])
    log_loss = np.log(posterior.losses(posterior.fitted)) + _noise(posterior, rng)
    return np.exp(np.clip(log_loss, -_MAX_LOG, _MAX_LOG))


def before_any_run(posterior: Posterior, n_draws: int) -> Posterior:
    """Return the same law and scales as they were believed before the runs, as one chain.

    The law's coordinates are standard normal there, and its reference point is the table's; scales
    follow the posterior's own ``scale_prior``.
    """
    law = posterior.law
    badly_tuned = posterior.badly_tuned_share is not None
    unknowns = Coordinates(law, has_jobs(posterior), badly_tuned)
    rng = np.random.default_rng([posterior.seed, 21])
    at = unknowns.unpack(rng.standard_normal((n_draws, len(unknowns))), vars(posterior.scale_prior))
    reference = law.log_reference(posterior.fitted, posterior.fitted["loss_nats"])
    return replace(
        posterior,
        draws=law.from_unconstrained(at.coefficients, reference, np),
        **{name: getattr(at, name) for name in posterior.scales},
        path=rng.standard_normal((n_draws, posterior.path.shape[1])),
        path_ids=np.arange(n_draws),
        n_chains=1,
        sample_stats={},
    )


def has_jobs(posterior: Posterior) -> bool:
    """Return whether any two fitted runs are points of one training job."""
    trunk = posterior.fitted["trunk"]
    return len(np.unique(trunk)) < len(trunk)


def _noise(posterior: Posterior, rng: np.random.Generator) -> np.ndarray:
    """Return noise in log loss ``(draw, run)``: a multivariate Student t a training job."""
    trunk = np.asarray(posterior.fitted["trunk"], dtype=int)
    share, n_draws, n_jobs = posterior.run_share, len(posterior), int(trunk.max()) + 1
    tails = np.sqrt(STUDENT_T_DOF / rng.chisquare(STUDENT_T_DOF, (n_draws, n_jobs)))
    shared = np.sqrt(share)[:, None] * rng.standard_normal((n_draws, n_jobs))
    own = np.sqrt(1 - share)[:, None] * rng.standard_normal((n_draws, len(trunk)))
    scale = posterior.noise_scale(posterior.fitted)
    noise = scale * tails[:, trunk] * (shared[:, trunk] + own)
    if posterior.badly_tuned_share is None or posterior.badly_tuned_excess is None:
        return noise
    return noise + excess_of_new_runs(
        noise.shape, posterior.badly_tuned_share, posterior.badly_tuned_excess, rng
    )
