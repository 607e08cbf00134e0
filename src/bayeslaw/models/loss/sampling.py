"""From padded evidence to unconstrained draws: mode, Laplace, NUTS. jax loads here."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bayeslaw.models.loss.jax_session import float64
from bayeslaw.models.loss.laplace import approximate, resample
from bayeslaw.models.loss.laws import LossLaw
from bayeslaw.models.loss.map import find_mode
from bayeslaw.models.notes import Note


@dataclass(frozen=True)
class Sample:
    """Hold draws ``(chain, draw, coordinate)``, NUTS's statistics ``(chain, draw)`` and notes."""

    z: np.ndarray
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
    with float64():
        with _stage("mode", progress):
            mode = find_mode(law, evidence, seed=seed)
        if method == "map":
            note = Note(
                "point_estimate",
                "warning",
                "the mode alone has no uncertainty: every interval is too narrow; use "
                "method='laplace' or 'nuts' for decisions",
            )
            return Sample(mode.z[None, None], {}, (*mode.notes, note))
        with _stage("laplace", progress):
            gaussian = approximate(law, evidence, mode.z)
            n_resampled = n_draws if method == "laplace" else 2000
            z, notes = resample(law, evidence, gaussian, n_resampled, seed=seed)
        if method == "laplace":
            return Sample(z[None], {}, (*mode.notes, *gaussian.notes, *notes))
        with _stage("nuts", progress):
            # numpyro takes half a second to load, which a Laplace round need not pay.
            from bayeslaw.models.loss import nuts

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
    return Sample(chains.z, statistics, ())


@contextmanager
def _stage(name: str, progress: bool) -> Iterator[None]:
    start = time.perf_counter()
    yield
    if progress:
        print(f"{name}: {time.perf_counter() - start:.2f} s", file=sys.stderr)
