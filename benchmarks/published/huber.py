"""A law fitted as its source would: Huber's loss on log loss, from many starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from bayeslaw.models.loss import LossLaw
from bayeslaw.runs import RunTable

DELTA = 1e-3
"""Where Huber's loss turns linear, in log loss: as Hoffmann, Epoch, Gemstones and ParScale."""


@dataclass(frozen=True)
class HuberFit:
    """Hold a robust fit.

    Attributes:
        theta: Coefficient to value.
        resampled: Coefficient to values, ``(resample,)``: whole runs drawn with replacement.
        rms: Of the log residuals.
    """

    theta: Mapping[str, float]
    resampled: Mapping[str, np.ndarray]
    rms: float


def huber_fit(
    law: LossLaw,
    table: RunTable,
    starts: Sequence[Mapping[str, float]],
    n_resamples: int,
    seed: int,
) -> HuberFit:
    """Fit a law by Huber's loss on log loss, and again to resampled runs.

    Args:
        law: The law.
        table: Runs; points of one trunk are drawn together.
        starts: Coefficients to start from, besides the prior's centre and draws from it.
        n_resamples: Bootstrap fits, each from the best fit on.
        seed: Of starts and resamples.
    """
    rng = np.random.default_rng(seed)
    log_loss = np.log(table["loss_nats"])
    reference = law.log_reference(table, table["loss_nats"])
    columns = {name: table[name] for name in law.inputs}

    def residuals(z: np.ndarray, rows: np.ndarray) -> np.ndarray:
        theta = law.from_unconstrained(z, reference, np)
        with np.errstate(all="ignore"):
            predicted = np.log(law(theta, {n: v[rows] for n, v in columns.items()}))
        # A step into nonsense must look bad to the optimiser, not stop it.
        return np.nan_to_num(predicted - log_loss[rows], nan=1e3, posinf=1e3, neginf=-1e3)

    def best(start: np.ndarray, rows: np.ndarray) -> tuple[float, np.ndarray]:
        found = least_squares(
            residuals, start, args=(rows,), loss="huber", f_scale=DELTA, max_nfev=500
        )
        return float(found.cost), found.x

    every = np.arange(len(table))
    n = len(law.coefficients)
    initial = [law.to_unconstrained(theta, reference) for theta in starts]
    initial += [np.zeros(n), *rng.standard_normal((8, n))]
    _, mode = min((best(start, every) for start in initial), key=lambda found: found[0])
    groups = np.array(table.trunks or table.run_ids)
    names = np.unique(groups)
    again = []
    for _ in range(n_resamples):
        drawn = rng.choice(names, len(names))
        rows = np.concatenate([np.flatnonzero(groups == name) for name in drawn])
        again.append(best(mode, rows)[1])
    draws = law.from_unconstrained(np.array(again), reference, np)
    theta = law.from_unconstrained(mode, reference, np)
    return HuberFit(
        theta={name: float(value) for name, value in theta.items()},
        resampled={name: np.asarray(values) for name, values in draws.items()},
        rms=float(np.sqrt(np.mean(residuals(mode, every) ** 2))),
    )
