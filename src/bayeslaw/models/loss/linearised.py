"""A law made linear at its prior's centre: what runs teach, and what one more would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bayeslaw.models.loss.discrepancy import downward_basis
from bayeslaw.models.loss.evidence import Evidence, training_cost
from bayeslaw.models.loss.laws import LossLaw
from bayeslaw.models.loss.noise import SIGMA_MEDIAN
from bayeslaw.models.loss.scales import ScalePrior

UNLEARNT = 0.9
"""A coefficient whose posterior sd is more than this share of its prior's has learnt nothing."""

_STEP = 1e-4
_SIZE_FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
_SHAPE_FACTORS = (0.5, 1.0, 2.0)


@dataclass(frozen=True)
class Linearised:
    """Hold a law's local information.

    Attributes:
        names: Coefficients.
        parts: d log coefficient (at the reference point; the coefficient itself where it may be
            negative) / d z, ``(coefficient, coefficient)``.
        covariance: Posterior covariance of z, ``(coefficient, coefficient)``.
        pool: Runs no costlier than the costliest that could be added, by column.
        pool_jacobian: d log loss / d z of each of them over sigma, ``(candidate, coefficient)``.
    """

    names: tuple[str, ...]
    parts: np.ndarray
    covariance: np.ndarray
    pool: Mapping[str, np.ndarray]
    pool_jacobian: np.ndarray

    def width_left(self) -> dict[str, float]:
        """Return each coefficient's posterior sd over its prior sd (of logarithms)."""
        prior = (self.parts**2).sum(axis=1)
        left = np.einsum("ij,jk,ik->i", self.parts, self.covariance, self.parts)
        return dict(zip(self.names, np.sqrt(left / prior).tolist(), strict=True))

    def unlearnt_directions(self) -> list[tuple[str, ...]]:
        """Return the coefficients that take part in each direction that the runs left alone."""
        values, vectors = np.linalg.eigh(self.covariance)
        prior = np.sqrt((self.parts**2).sum(axis=1))
        directions = []
        for vector in vectors.T[np.sqrt(values) > UNLEARNT]:
            share = np.abs(self.parts @ vector) / prior
            directions.append(
                tuple(name for name, s in zip(self.names, share, strict=True) if s > 0.35)
            )
        return directions

    def advice(self, names: Sequence[str]) -> str:
        """Return a sentence on the run that narrows these coefficients most, no costlier than any.

        One run removes ``(m S g)**2 / (1 + g S g)`` of the variance of a coefficient with
        gradient m, S the covariance and g the run's own gradient.
        """
        rows = self.parts[[self.names.index(name) for name in names]]
        reach = self.pool_jacobian @ self.covariance
        gain = (reach @ rows.T) ** 2 / (1 + (reach * self.pool_jacobian).sum(axis=1))[:, None]
        share = gain / np.einsum("ij,jk,ik->i", rows, self.covariance, rows)
        best = int(np.argmax(share.sum(axis=1)))
        where = ", ".join(f"{name}={values[best]:.3g}" for name, values in self.pool.items())
        which = int(np.argmax(share[best]))
        narrower = 1 - np.sqrt(1 - share[best, which])
        return (
            f"One run at {where} would help most: it narrows {names[which]} by about {narrower:.0%}"
        )


def linearise(law: LossLaw, evidence: Evidence) -> Linearised:
    """Return what these runs, weighted as in a fit, teach locally.

    Candidates for one more run move the costliest run by factors in every input.
    """
    jacobian = _jacobian(law, evidence, evidence.columns) / SIGMA_MEDIAN
    # In units of sigma: noise, and the form's own error at its prior's middle.
    path = downward_basis(evidence.behind_frontier) * ScalePrior().tau_median / SIGMA_MEDIAN
    through_path = path.T @ jacobian
    inner = np.linalg.solve(np.eye(path.shape[1]) + path.T @ path, through_path)
    precision = np.eye(jacobian.shape[1]) + jacobian.T @ jacobian - through_path.T @ inner
    pool = affordable_runs(law, evidence.columns)
    return Linearised(
        names=law.coefficient_names,
        parts=_parts(law, evidence.log_reference),
        covariance=np.linalg.inv(precision),
        pool=pool,
        pool_jacobian=_jacobian(law, evidence, pool) / SIGMA_MEDIAN,
    )


def _jacobian(law: LossLaw, evidence: Evidence, columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return d log loss / d z at the prior's centre, ``(run, coefficient)``."""

    def log_losses(z: np.ndarray) -> np.ndarray:
        theta = law.from_unconstrained(z[:, None, :], evidence.log_reference, np)
        return np.log(law(theta, columns))

    steps = _STEP * np.eye(len(law.coefficients))
    return ((log_losses(steps) - log_losses(-steps)) / (2 * _STEP)).T


def _parts(law: LossLaw, reference: Mapping[str, float]) -> np.ndarray:
    def logs(z: np.ndarray) -> np.ndarray:
        theta = law.from_unconstrained(z, reference, np)
        rows = []
        for c in law.coefficients:
            if c.kind == "real":
                rows.append(theta[c.name])
            else:
                rows.append(c.power(theta) * np.log(theta[c.name]) + c.log_factor(theta, reference))
        return np.stack(rows)

    steps = _STEP * np.eye(len(law.coefficients))
    return (logs(steps) - logs(-steps)) / (2 * _STEP)


def affordable_runs(law: LossLaw, columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return runs no costlier than the costliest, by column: it moved by factors in every input."""
    cost = training_cost(law, columns)
    costliest = int(np.argmax(cost))
    factors = {letter: _SHAPE_FACTORS for letter in law.letters}
    factors |= {letter: (1.0,) for letter in law.given}
    factors |= {"N": _SIZE_FACTORS, "D": _SIZE_FACTORS}
    grids = [
        columns[name][costliest] * np.array(factors[letter])
        for letter, name in zip(law.letters, law.inputs, strict=True)
    ]
    mesh = [values.ravel() for values in np.meshgrid(*grids, indexing="ij")]
    pool = dict(zip(law.inputs, mesh, strict=True))
    # A hair of room, or rounding would drop the run that only trades N for D.
    affordable = training_cost(law, pool) <= (1 + 1e-9) * cost.max()
    return {name: values[affordable] for name, values in pool.items()}
