"""How much each of several laws is believed, where they are to decide about shape."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss.posterior import Posterior
from bayeslaw.models.loss.psis import smooth_weights

POWER = 0.5
"""Of the leave-one-out evidence.

None of the laws is the truth, so their evidence is counted at half its worth. Chosen by hand on simulated
labs with other seeds than those of benchmarks.digital_twin.
"""


def weights_by_evidence(posteriors: Sequence[Posterior], power: float = POWER) -> np.ndarray:
    """Return weights that add up to 1 ``(law,)``, by how well each law foresaw each run from the rest.

    ``w = exp(power elpd)``, the leave-one-out density of each run by Pareto-smoothed importance
    sampling (Vehtari, Gelman and Gabry 2017, doi:10.1007/s11222-016-9696-4).

    Equal weights predicted best at 2-20 times the cost among laws that see the same inputs
    (`bayeslaw.models.loss.stack`): that is a question about size. A law that does not know a shape
    variable cannot be half right about it.

    Args:
        posteriors: One a law, of the same runs, with ``log_likelihood`` in ``fitted``.
        power: Of the evidence; 0 is equal weights.

    Raises:
        InvalidInputError: No posterior, or posteriors of different runs.
    """
    if not posteriors:
        raise InvalidInputError("no posterior to weigh; fit at least one law")
    if len({posterior.fingerprint for posterior in posteriors}) > 1:
        raise InvalidInputError(
            "laws are weighed on the same runs, got posteriors of different tables: fit all again"
        )
    evidence = np.array([_elpd(posterior) for posterior in posteriors])
    weights = np.exp(power * (evidence - evidence.max()))
    return weights / weights.sum()


def _elpd(posterior: Posterior) -> float:
    densities = posterior.fitted["log_likelihood"].T
    return sum(float(np.log(smooth_weights(-d).weights @ np.exp(d))) for d in densities)
