"""Tables drawn from the model itself: unknowns from their priors, losses from the unknowns."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayeslaw.models.loss.coordinates import Coordinates, Unpacked
from bayeslaw.models.loss.discrepancy import N_NODES, N_SIDE_NODES, sideways_basis
from bayeslaw.models.loss.evidence import Evidence, architecture_features, padded, training_cost
from bayeslaw.models.loss.laws import LossLaw
from bayeslaw.models.loss.noise import STUDENT_T_DOF
from bayeslaw.models.loss.scales import ScalePrior

REFERENCE_LOSS_NATS = 2.8
"""Where priors are stated, in truth and fit alike.

A real fit states them at the mean loss of its own table, which no prior knows beforehand: that would
use the losses twice, and ranks would not be uniform even of an exact program.
"""

N_RUNS = 25
POINTS_A_TRUNK = 3
COST_FACTOR = 5.0
"""Of the two points predicted, over the costliest run."""

_SIZES = ("n_params", "n_params_body", "n_params_active", "n_params_body_active", "vocab_params")
_TEXT = ("n_tokens", "n_characters", "unique_tokens")
_LINEAR = ("d_model", "n_layers")


@dataclass(frozen=True)
class Simulation:
    """Hold a table made from known unknowns, as the fit takes it, and the truth of it.

    Attributes:
        law: Formula and priors.
        evidence: What is fitted.
        arrays: The same, padded.
        scale_prior: Of tau, rho and growth.
        points: Two candidates at `COST_FACTOR` times the costliest run, each column ``(2,)``.
        z: The truth's coordinates, ``(coordinate,)``.
        path: The truth's steps of both discrepancies, ``(node,)``.
        beyond: The truth's unit path beyond the costliest run at each point, ``(2,)``.
        n_refused: Draws of the prior before this one under which the law had no finite loss.
    """

    law: LossLaw
    evidence: Evidence
    arrays: Mapping[str, Any]
    scale_prior: ScalePrior
    points: Mapping[str, np.ndarray]
    z: np.ndarray
    path: np.ndarray
    beyond: np.ndarray
    n_refused: int

    @property
    def distance(self) -> np.ndarray:
        """``log(C / C_max)`` of each point, ``(2,)``."""
        return np.log(training_cost(self.law, self.points) / self.evidence.cost_flops.max())

    @property
    def features(self) -> dict[str, np.ndarray]:
        """What tells the two points apart."""
        return architecture_features(self.law, self.points)

    def unpack(self, z: np.ndarray) -> Unpacked:
        """Return the unknowns at ``(..., coordinate)``."""
        coordinates = Coordinates(self.law, self.evidence.has_trunks)
        return coordinates.unpack(z, vars(self.scale_prior))

    def curves(
        self, z: np.ndarray, path: np.ndarray, beyond: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return log loss at both points by the law alone and with its error, ``(draw, 2)`` each.

        Args:
            z: ``(draw, coordinate)``.
            path: ``(draw, node)``.
            beyond: Unit path beyond the costliest run, ``(draw, 2)``.
        """
        at = self.unpack(z)
        reference = self.evidence.log_reference
        theta = self.law.from_unconstrained(at.coefficients[:, None], reference, np)
        alone = np.log(self.law(theta, self.points))
        cost = training_cost(self.law, self.points)
        offset = np.log(6.0 * self.points["n_tokens"] ** 2 / cost) - self.evidence.centre
        off = self.evidence.off_centre
        sideways = path[:, N_NODES:] @ sideways_basis(offset, (off.min(), off.max())).T
        return alone, alone + at.tau[:, None] * beyond + at.rho[:, None] * sideways


def simulate(law: LossLaw, number: int, scale_prior: ScalePrior) -> Simulation:
    """Make one table; every third has training jobs with three points each.

    Args:
        law: A row of `LAWS`.
        number: Of the simulation; the same number gives the same table.
        scale_prior: Of tau, rho and growth.
    """
    rng = np.random.default_rng([zlib.crc32(law.name.encode()), number])
    columns, trunk = _design(rng, has_trunks=number % 3 == 2)
    inputs = {name: columns[name] for name in law.inputs}
    evidence = Evidence(
        columns=inputs,
        loss_nats=np.full(N_RUNS, REFERENCE_LOSS_NATS),
        cost_flops=training_cost(law, columns),
        trunk=trunk,
        log_reference=law.log_reference(inputs, np.array([REFERENCE_LOSS_NATS])),
    )
    arrays = padded(evidence, law, scale_prior)
    coordinates = Coordinates(law, evidence.has_trunks)
    n_refused = 0
    while True:
        z = rng.standard_normal(len(coordinates))
        path = rng.standard_normal(N_NODES + N_SIDE_NODES)
        at = coordinates.unpack(z, vars(scale_prior))
        with np.errstate(all="ignore"):
            theta = law.from_unconstrained(at.coefficients, evidence.log_reference, np)
            log_curve = np.log(law(theta, inputs))
        if np.isfinite(log_curve).all():
            break
        n_refused += 1
    error = at.tau * arrays["along_cost"] @ path[:N_NODES]
    error = (error + at.rho * arrays["along_ratio"] @ path[N_NODES:])[:N_RUNS]
    log_loss = log_curve + error + _noise(at, evidence, rng)
    return Simulation(
        law=law,
        evidence=evidence,
        arrays={**arrays, "log_loss": np.concatenate([log_loss, np.full(len(arrays["mask"]) - N_RUNS, log_loss[0])])},
        scale_prior=scale_prior,
        points=_points(columns, evidence.cost_flops),
        z=z,
        path=path,
        beyond=np.sqrt(np.log(COST_FACTOR)) * rng.standard_normal(2),
        n_refused=n_refused,
    )  # fmt: skip


def _design(
    rng: np.random.Generator, *, has_trunks: bool
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return every column that a law takes and which training job each run is of."""
    trunk = np.arange(N_RUNS) // POINTS_A_TRUNK if has_trunks else np.arange(N_RUNS)
    n_jobs = int(trunk.max()) + 1

    def between(low: float, high: float) -> np.ndarray:
        return np.exp(rng.uniform(np.log(low), np.log(high), n_jobs))

    n, share, active = between(3e7, 1e9), between(0.6, 0.95), between(0.3, 1.0)
    n_experts = rng.choice([8, 16, 64], n_jobs).astype(float)
    job = {
        "n_params": n,
        "n_params_body": share * n,
        "n_params_active": active * n,
        "n_params_body_active": active * share * n,
        "vocab_params": (1 - share) * n,
        "aspect_ratio": between(10, 150),
        "relative_width": between(0.04, 0.2),
        "mlp_attention_ratio": between(0.5, 5),
        "n_experts": n_experts,
        "active_expert_share": rng.choice([1, 2, 4], n_jobs) / n_experts,
        "granularity": rng.choice([1.0, 2.0, 4.0, 8.0], n_jobs),
        "n_streams": rng.choice([1.0, 2.0, 4.0, 8.0], n_jobs),
        "unigram_loss_nats": between(5.3, 5.9),
        **{f"{what}_bits": between(4, 16) for what in ("weight", "activation", "kv")},
    }
    job["d_model"] = job["relative_width"] * np.sqrt(job["n_params_body"])
    job["n_layers"] = job["d_model"] / job["aspect_ratio"]
    columns = {name: values[trunk] for name, values in job.items()}
    tokens = (between(5, 80) * n)[trunk]
    if has_trunks:
        tokens = tokens / 2.0 ** (np.arange(N_RUNS) % POINTS_A_TRUNK)
    columns["n_tokens"] = tokens
    columns["n_characters"] = 4 * tokens
    columns["unique_tokens"] = tokens / rng.choice([1, 2, 4, 8], N_RUNS)
    # A stream of their own: the tables of laws that do without them stay what they were.
    own = rng.spawn(1)[0]
    for name, low, high in (("learning_rate", 1e-4, 1e-2), ("batch_tokens", 1e5, 4e6)):
        columns[name] = np.exp(own.uniform(np.log(low), np.log(high), n_jobs))[trunk]
    return columns, trunk


def _noise(at: Unpacked, evidence: Evidence, rng: np.random.Generator) -> np.ndarray:
    """Return multivariate Student-t noise of log loss, one draw a training job, ``(run,)``."""
    n_jobs = int(evidence.trunk.max()) + 1
    mixing = np.sqrt(STUDENT_T_DOF / rng.chisquare(STUDENT_T_DOF, n_jobs))
    common, own = rng.standard_normal(n_jobs), rng.standard_normal(evidence.n_runs)
    mixed = np.sqrt(at.run_share) * common[evidence.trunk] + np.sqrt(1 - at.run_share) * own
    scale = at.sigma * np.exp(at.growth * np.abs(evidence.off_centre))
    return scale * mixing[evidence.trunk] * mixed


def _points(columns: Mapping[str, np.ndarray], cost: np.ndarray) -> dict[str, np.ndarray]:
    """Scale the costliest and the cheapest run up to one cost, weights and text alike."""
    rows = np.array([cost.argmax(), cost.argmin()])
    factor = np.sqrt(COST_FACTOR * cost.max() / cost[rows])
    points = {name: values[rows] for name, values in columns.items()}
    for name in (*_SIZES, *_TEXT):
        points[name] = points[name] * factor
    for name in _LINEAR:
        points[name] = points[name] * factor ** (1 / 3)
    return points
