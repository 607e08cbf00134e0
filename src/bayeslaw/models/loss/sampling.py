"""From padded evidence to unconstrained draws: mode, Laplace, NUTS. jax loads here."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bayeslaw.models.loss import nuts
from bayeslaw.models.loss.coordinates import Coordinates
from bayeslaw.models.loss.density import draw_paths
from bayeslaw.models.loss.discrepancy import N_NODES, N_SIDE_NODES
from bayeslaw.models.loss.jax_session import float64
from bayeslaw.models.loss.laplace import N_PROPOSALS, approximate, resample
from bayeslaw.models.loss.laws import LossLaw
from bayeslaw.models.loss.map import find_mode
from bayeslaw.models.notes import Note


@dataclass(frozen=True)
class Sample:
    """Hold draws of the coordinates and what comes with them.

    Attributes:
        z: ``(chain, draw, coordinate)``.
        path: Steps of the discrepancy paths, ``(chain, draw, node)``.
        statistics: Of NUTS, each ``(chain, draw)``.
        notes: Coded warnings.
    """

    z: np.ndarray
    path: np.ndarray
    statistics: Mapping[str, np.ndarray]
    notes: tuple[Note, ...]


def sample(
    law: LossLaw,
    evidence: Mapping[str, Any],
    *,
    method: Literal["nuts", "laplace", "map"],
    seed: int,
    n_chains: int,
    n_warmup: int,
    n_draws: int,
    progress: bool = False,
) -> Sample:
    """Draw from the posterior in unconstrained coordinates, in float64."""

    def paths(z: np.ndarray) -> np.ndarray:
        normals = np.random.default_rng([seed, 6]).standard_normal(
            (*z.shape[:2], N_NODES + N_SIDE_NODES)
        )
        flat = normals.reshape(-1, normals.shape[-1])
        if method == "map":
            flat = 0.0 * flat
        drawn = draw_paths(z.reshape(len(flat), -1), flat, evidence, law)
        return np.asarray(drawn).reshape(normals.shape)

    with float64(), ThreadPoolExecutor(1) as beside:
        if method == "nuts":
            n_coordinates = len(Coordinates(law, has_trunks="trunk" in evidence))
            compiling = beside.submit(nuts.prepare, law, evidence, n_coordinates)
        with _stage("mode", progress):
            mode = find_mode(law, evidence, seed=seed)
        if method == "map":
            note = Note(
                "point_estimate",
                "warning",
                "the mode alone has no uncertainty: every interval is too narrow; use "
                "method='laplace' or 'nuts' for decisions",
            )
            return Sample(mode.z[None, None], paths(mode.z[None, None]), {}, (*mode.notes, note))
        with _stage("laplace", progress):
            gaussian = approximate(law, evidence, mode.z)
            n_resampled = n_draws if method == "laplace" else 2000
            # Chains need the draws for a start and a scale only.
            n_proposals = N_PROPOSALS if method == "laplace" else N_PROPOSALS // 4
            z, notes = resample(
                law, evidence, gaussian, n_resampled, seed=seed, n_proposals=n_proposals
            )
        if method == "laplace":
            return Sample(z[None], paths(z[None]), {}, (*mode.notes, *gaussian.notes, *notes))
        with _stage("nuts", progress):
            compiling.result()
            chains = nuts.sample(
                law,
                evidence,
                z,
                seed=seed,
                n_chains=n_chains,
                n_warmup=n_warmup,
                n_draws=n_draws,
            )
        statistics = {
            "diverging": chains.diverging,
            "n_steps": chains.n_steps,
            "acceptance_rate": chains.acceptance,
            "lp": chains.log_density,
            "step_size": chains.step_size,
        }
        # NUTS explores all peaks and curvatures itself, so the notes on the Laplace start fall away.
        return Sample(chains.z, paths(chains.z), statistics, ())


@contextmanager
def _stage(name: str, progress: bool) -> Iterator[None]:
    start = time.perf_counter()
    yield
    if progress:
        print(f"{name}: {time.perf_counter() - start:.2f} s", file=sys.stderr)
