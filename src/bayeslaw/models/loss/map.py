"""The posterior's mode."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize

from bayeslaw.errors import UndecidedError
from bayeslaw.models.loss.coordinates import Coordinates
from bayeslaw.models.loss.gradients import curvature, values_and_slopes
from bayeslaw.models.loss.laws import LossLaw
from bayeslaw.models.notes import Note

N_STARTS = 6

_CLIMB = 50
_POLISH = 300
# A climb this many nats below the best is on another, lower peak or has far to go: left alone.
_HOPELESS = 30.0


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
    coordinates = Coordinates(law, "trunk" in evidence, "badly_tuned" in evidence)
    n_coordinates = len(coordinates)
    rng = np.random.default_rng(seed)
    starts = 0.7 * rng.standard_normal((N_STARTS, n_coordinates))
    starts[0] = 0.0

    def value(z: np.ndarray) -> tuple[float, np.ndarray]:
        values, slopes = values_and_slopes(z[None], evidence, law)
        # A step so long that the law overflows is refused, and the region shrinks.
        return (-float(values[0]) if math.isfinite(values[0]) else math.inf), -slopes[0]

    def bend(z: np.ndarray) -> np.ndarray:
        return -curvature(z, evidence, law)

    # Quasi-Newton gets near a peak at a tenth of Newton's cost but stopped short of it from one start
    # in six; Newton in a trust region then ends on it.
    climbs = [
        minimize(value, start, jac=True, method="L-BFGS-B", options={"maxiter": _CLIMB})
        for start in starts
    ]
    finite = [climb for climb in climbs if math.isfinite(climb.fun)]
    lowest = min((climb.fun for climb in finite), default=math.inf)
    ends: list[Any] = []
    bends: list[np.ndarray] = []
    for climb in sorted(finite, key=lambda climb: climb.fun):
        if climb.fun > lowest + _HOPELESS or any(
            _same_peak(climb, end, bent) for end, bent in zip(ends, bends, strict=True)
        ):
            continue
        ends.append(
            minimize(
                value,
                climb.x,
                jac=True,
                hess=bend,
                method="trust-exact",
                options={
                    "initial_trust_radius": 0.5,
                    "max_trust_radius": 2.0,
                    "gtol": 1e-6,
                    "maxiter": _POLISH,
                },
            )
        )
        bends.append(bend(ends[-1].x))
    if not ends:
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


def _same_peak(climb: Any, end: Any, bent: np.ndarray) -> bool:
    """Return whether a climb stopped on the way to a peak: as high as its curvature there says."""
    step = climb.x - end.x
    below = 0.5 * float(step @ bent @ step)
    return below < 5.0 and abs(climb.fun - end.fun - below) < 0.1 + 0.3 * abs(below)
