"""The posterior's mode."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize

from bayeslaw.errors import UndecidedError
from bayeslaw.models.loss.density import hessian, value_and_gradient
from bayeslaw.models.loss.laws import LossLaw
from bayeslaw.models.notes import Note

N_STARTS = 6


@dataclass(frozen=True)
class Mode:
    """Hold the best point found, in unconstrained coordinates ``(coordinate,)``, and notes."""

    z: np.ndarray
    log_density: float
    notes: tuple[Note, ...]


def find_mode(law: LossLaw, evidence: Mapping[str, Any], *, seed: int) -> Mode:
    """Climb from the prior's centre and from draws of the prior; keep the highest point.

    Args:
        law: Formula and priors.
        evidence: From `padded`.
        seed: Of the starts.

    Returns:
        The mode. A note says when climbs ended on different peaks of similar height, where a
        Laplace approximation sees one of them only.

    Raises:
        UndecidedError: No start has a finite density.
    """
    n_coordinates = len(law.coefficients) + 1
    rng = np.random.default_rng(seed)
    starts = 0.7 * rng.standard_normal((N_STARTS, n_coordinates))
    starts[0] = 0.0

    def value(z: np.ndarray) -> float:
        found = -float(value_and_gradient(z, evidence, law)[0])
        # A step so long that the law overflows is refused, and the region shrinks.
        return found if math.isfinite(found) else math.inf

    def gradient(z: np.ndarray) -> np.ndarray:
        return -np.asarray(value_and_gradient(z, evidence, law)[1])

    def curvature(z: np.ndarray) -> np.ndarray:
        return -np.asarray(hessian(z, evidence, law))

    # Newton in a trust region: L-BFGS stopped short of the peak from one start in six.
    ends = [
        minimize(
            value,
            start,
            jac=gradient,
            hess=curvature,
            method="trust-exact",
            options={"initial_trust_radius": 0.5, "max_trust_radius": 2.0, "gtol": 1e-6},
        )
        for start in starts
    ]
    if not any(math.isfinite(end.fun) for end in ends):
        raise UndecidedError(
            f"no start has a finite posterior density under law {law.name!r}; check the units of "
            f"the table's columns {list(law.inputs)}"
        )
    best = min(ends, key=lambda end: end.fun)
    rivals = [
        end for end in ends if end.fun - best.fun < 2.0 and np.linalg.norm(end.x - best.x) > 1.0
    ]
    notes = ()
    if rivals:
        notes = (
            Note(
                "several_modes",
                "warning",
                f"{len(rivals)} of {N_STARTS} climbs ended on another peak within 2 nats of the "
                f"best; a Laplace fit sees one peak only, so use method='nuts' or train more runs",
            ),
        )
    return Mode(z=best.x, log_density=-float(best.fun), notes=notes)
