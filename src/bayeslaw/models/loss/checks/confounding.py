"""Which coefficients the runs have not told apart, and the one run that would."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bayeslaw.models.loss.linearised import UNLEARNT, affordable_runs
from bayeslaw.models.loss.posterior import Posterior

TOGETHER = 0.9
"""Coefficients that correlate by more share over four fifths of their variance."""

_N_DRAWS = 1000
_HARDLY = 0.05
_TAKES_PART = 0.35  # of a direction's unit length


@dataclass(frozen=True)
class Confounding:
    """Hold what a fit has not learnt, and what would teach it.

    Attributes:
        is_point: Whether all draws are one point, as a mode's, so that nothing can be told.
        width_left: Each coefficient's posterior sd over its prior's, in its own coordinate.
        unlearnt: Coefficients of whose prior over nine tenths is left.
        groups: Coefficients that move together or of which only a combination was learnt, most
            strongly tied first.
        correlations: The strongest correlation in each group.
        advice: A sentence on one run a group, then one for ``unlearnt`` if there are any.
    """

    is_point: bool
    width_left: dict[str, float]
    unlearnt: tuple[str, ...] = ()
    groups: tuple[tuple[str, ...], ...] = ()
    correlations: tuple[float, ...] = ()
    advice: tuple[str, ...] = ()


def find_confounding(posterior: Posterior) -> Confounding:
    """Look at the posterior's own draws, in coordinates that are independent before any run."""
    law = posterior.law
    names = law.coefficient_names
    reference = law.log_reference(posterior.fitted, posterior.fitted["loss_nats"])
    z = law.to_unconstrained(posterior.draws, reference)
    if np.ptp(z, axis=0).min() == 0:
        return Confounding(is_point=True, width_left=dict.fromkeys(names, 0.0))
    width = dict(zip(names, z.std(axis=0).tolist(), strict=True))
    unlearnt = tuple(name for name in names if width[name] > UNLEARNT)
    correlation = np.atleast_2d(np.corrcoef(z.T))
    left = [names.index(name) for name in unlearnt]
    together = _groups(correlation)
    for group in _unlearnt_directions(z):
        if not set(group) & set(left) and not any(set(group) <= set(g) for g in together):
            together.append(group)
    found = sorted(
        ((_strongest(correlation, group), group) for group in together),
        key=lambda pair: -abs(pair[0]),
    )
    advice = [_one_run(posterior, z, group) for _, group in found]
    if unlearnt:
        advice.append(_one_run(posterior, z, left))
    return Confounding(
        is_point=False,
        width_left=width,
        unlearnt=unlearnt,
        groups=tuple(tuple(names[i] for i in group) for _, group in found),
        correlations=tuple(float(strongest) for strongest, _ in found),
        advice=tuple(advice),
    )


def _groups(correlation: np.ndarray) -> list[list[int]]:
    """Return sets of coordinates that chains of strong correlations join."""
    left = set(range(len(correlation)))
    groups = []
    while left:
        group, new = set(), {min(left)}
        while new:
            group |= new
            tied = (np.abs(correlation[sorted(new)]) > TOGETHER).any(axis=0)
            new = set(np.flatnonzero(tied).tolist()) - group
        left -= group
        if len(group) > 1:
            groups.append(sorted(group))
    return groups


def _unlearnt_directions(z: np.ndarray) -> list[list[int]]:
    """Return who takes part in each direction that is as wide as before the runs."""
    values, vectors = np.linalg.eigh(np.cov(z.T))
    wide = vectors.T[np.sqrt(np.maximum(values, 0)) > UNLEARNT]
    groups = [np.flatnonzero(np.abs(vector) > _TAKES_PART).tolist() for vector in wide]
    return [group for group in groups if len(group) > 1]


def _strongest(correlation: np.ndarray, group: Sequence[int]) -> float:
    inside = correlation[np.ix_(group, group)] - np.eye(len(group))
    return float(inside.flat[np.argmax(np.abs(inside))])


def _one_run(posterior: Posterior, z: np.ndarray, group: Sequence[int]) -> str:
    """Return a sentence on the run that narrows the direction in which the group is widest.

    A run's loss with noise removes their squared correlation of the direction's variance.
    """
    law = posterior.law
    kept = np.arange(min(len(z), _N_DRAWS)) * len(z) // min(len(z), _N_DRAWS)
    posterior, z = posterior.thin(len(kept)), z[kept]
    centred = z[:, list(group)] - z[:, list(group)].mean(axis=0)
    along = centred @ np.linalg.svd(centred, full_matrices=False)[2][0]
    pool = affordable_runs(law, posterior.fitted)
    log_loss = np.log(posterior.losses(pool, discrepancy=False))
    log_loss = log_loss - log_loss.mean(axis=0)
    # What a run would show: the law's curve, the form's own error there, and noise.
    form = np.log(posterior.losses(pool)) - np.log(posterior.losses(pool, discrepancy=False))
    error = np.mean(posterior.noise_scale(pool) ** 2, axis=0) + np.var(form, axis=0)
    shared = (along @ log_loss / len(along)) ** 2
    gain = shared / (np.var(log_loss, axis=0) + error) / np.var(along)
    # Where a column leaves the law's range there is no loss, and nothing to learn.
    best = int(np.argmax(np.where(np.isfinite(gain), gain, -1.0)))
    where = ", ".join(f"{name}={values[best]:.3g}" for name, values in pool.items())
    what = law.coefficient_names[group[0]]
    if len(group) > 1:
        what = "what " + " and ".join(law.coefficient_names[i] for i in group) + " share"
    narrower = 1 - np.sqrt(1 - gain[best])
    if narrower < _HARDLY:
        return (
            f"No one run that costs no more than the costliest would tell: the best, at {where}, "
            f"narrows {what} by about {narrower:.0%}; several runs or dearer ones are needed"
        )
    return f"One run at {where} would help most: it narrows {what} by about {narrower:.0%}"
