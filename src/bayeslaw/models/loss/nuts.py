"""NUTS, started around the mode in coordinates that the Laplace approximation whitens."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from bayeslaw.models.loss.density import log_density
from bayeslaw.models.loss.gradients import values_and_slopes
from bayeslaw.models.loss.jax_session import compiled, float64
from bayeslaw.models.loss.laws import LossLaw
from bayeslaw.models.loss.trajectory import MAX_DEPTH, Noise, Proposal, transition

CHUNK = 50
"""Draws that one call of the compiled program makes, whatever is asked for in all."""

# Share of the warm-up in each window, and doublings at most while coordinates are still rough.
_WINDOWS = ((0.15, 6), (0.15, 7), (0.3, MAX_DEPTH), (0.4, MAX_DEPTH))
_FIRST_STEP = 0.5


@dataclass(frozen=True)
class Chains:
    """Hold what the sampler returned.

    Attributes:
        z: ``(chain, draw, coordinate)``, unconstrained.
        diverging: ``(chain, draw)``.
        n_steps: Leapfrog steps of each draw, ``(chain, draw)``.
        acceptance: Acceptance rate of each draw, ``(chain, draw)``.
        log_density: ``(chain, draw)``.
        step_size: ``(chain, draw)``.
    """

    z: np.ndarray
    diverging: np.ndarray
    n_steps: np.ndarray
    acceptance: np.ndarray
    log_density: np.ndarray
    step_size: np.ndarray


class _Step(NamedTuple):
    """State of dual averaging, which steers the step towards an acceptance rate."""

    log_size: Any
    log_average: Any
    shortfall: Any
    count: Any
    log_aim: Any


class _Drawn(NamedTuple):
    """What a window of draws gave, each ``(draw, ...)``, in white coordinates."""

    u: Any
    log_density: Any
    n_steps: Any
    diverging: Any
    acceptance: Any


def sample(
    law: LossLaw,
    evidence: Mapping[str, Any],
    around: np.ndarray,
    *,
    seed: int,
    n_chains: int,
    n_warmup: int,
    n_draws: int,
    target_acceptance: float = 0.9,
) -> Chains:
    """Draw from the posterior with NUTS; chains run in threads, one a processor.

    Chains start at draws of the corrected Laplace approximation, in coordinates where those draws
    are white. Windows of the warm-up whiten again by the draws of all chains and adapt the step;
    both are then kept. Threads change no number: every chain has its own random stream.

    Args:
        law: Formula and priors.
        evidence: From `padded`.
        around: Draws ``(draw, coordinate)`` to start from and to whiten by.
        seed: Of starts and chains.
        n_chains: Chains.
        n_warmup: Draws a chain that adapt and are thrown away.
        n_draws: Draws a chain that are kept.
        target_acceptance: The step adapts to this.
    """
    evidence = jax.tree.map(jnp.asarray, dict(evidence))
    centre, scale = around.mean(axis=0), np.linalg.cholesky(_covariance(around))
    chosen = np.random.default_rng([seed, 3]).integers(len(around), size=n_chains)
    z, size = around[chosen], _FIRST_STEP
    streams = [np.random.default_rng([seed, 8, chain]) for chain in range(n_chains)]
    run = partial(_run_chain, law, evidence, target=target_acceptance)
    prepare(law, evidence, around.shape[1])
    with ThreadPoolExecutor(min(n_chains, os.cpu_count() or 1)) as threads:

        def window(n: int, depth: int, adapt: bool) -> list[tuple[_Drawn, float]]:
            one = partial(run, n_draws=n, max_depth=depth, adapt=adapt)
            return list(
                threads.map(lambda k: one(z[k], centre, scale, size, streams[k]), range(n_chains))
            )

        for share, depth in _WINDOWS:
            if (n := round(share * n_warmup)) == 0:
                continue
            found = window(n, depth, adapt=True)
            # The median, so that one chain that began badly does not slow the others.
            size = float(np.median([step for _, step in found]))
            u = np.stack([drawn.u for drawn, _ in found])
            z = centre + u[:, -1] @ scale.T
            if share != _WINDOWS[-1][0]:
                # The first third of a window is still on its way.
                settled = u[:, n // 3 :].reshape(-1, u.shape[-1])
                centre = centre + scale @ settled.mean(axis=0)
                scale = scale @ np.linalg.cholesky(_shrunk(settled))
        kept = [drawn for drawn, _ in window(n_draws, MAX_DEPTH, adapt=False)]
    stacked = _Drawn(*(np.stack(values) for values in zip(*kept, strict=True)))
    return Chains(
        z=centre + stacked.u @ scale.T,
        diverging=stacked.diverging,
        n_steps=stacked.n_steps,
        acceptance=stacked.acceptance,
        log_density=stacked.log_density,
        step_size=np.full(stacked.n_steps.shape, size),
    )


def prepare(law: LossLaw, evidence: Mapping[str, Any], n_coordinates: int) -> None:
    """Compile the program, if it is not: once, before threads would each do so.

    Most of a cold fit is compilation, so this may go on beside the search for the mode.
    """
    with float64():
        zeros, stream = np.zeros(n_coordinates), np.random.default_rng(0)
        at = Proposal(zeros, zeros, np.float64(0.0))
        step = _Step(*(np.float64(0.0) for _ in _Step._fields))
        whitening = (zeros, np.eye(n_coordinates))
        arrays = jax.tree.map(jnp.asarray, dict(evidence))
        noise = _noise(stream, n_coordinates)
        _program()(at, step, noise, 0, 1, False, 0.5, arrays, whitening, law)


def _run_chain(
    law: LossLaw,
    evidence: Any,
    z: np.ndarray,
    centre: np.ndarray,
    scale: np.ndarray,
    size: float,
    stream: np.random.Generator,
    *,
    n_draws: int,
    max_depth: int,
    adapt: bool,
    target: float,
) -> tuple[_Drawn, float]:
    """Return a chain's draws and the step that it ended with."""
    with float64():  # of this thread
        values, slopes = values_and_slopes(z[None], evidence, law)
        u = np.linalg.solve(scale, z - centre)
        at: Any = Proposal(u, scale.T @ slopes[0], values[0])
        step: Any = _Step(
            *(np.float64(v) for v in (np.log(size), np.log(size), 0.0, 0.0, np.log(2 * size)))
        )
        whitening, parts = (centre, scale), []
        for first in range(0, max(n_draws, 1), CHUNK):
            n = min(CHUNK, n_draws - first)
            noise = _noise(stream, len(z))
            at, step, drawn = _program()(
                at, step, noise, n, max_depth, adapt, target, evidence, whitening, law
            )
            parts.append(_Drawn(*(np.asarray(values)[:n] for values in drawn)))
    drawn = _Drawn(*(np.concatenate(values) for values in zip(*parts, strict=True)))
    return drawn, float(np.exp(step.log_average))


@cache
def _program() -> Any:
    return compiled(_advance)


def _advance(at, step, noise, n_draws, max_depth, adapt, target, evidence, whitening, law):
    """Make up to `CHUNK` transitions; data come as arguments, so this compiles once a law."""
    centre, scale = whitening
    value_and_slope = jax.value_and_grad(lambda u: log_density(centre + scale @ u, evidence, law))

    def draw(i, carry):
        at, step, kept = carry
        here = jax.tree.map(lambda values: values[i], noise)
        found = transition(value_and_slope, at, jnp.exp(step.log_size), max_depth, here)
        at, acceptance = found.proposal, found.acceptance_sum / found.n_steps
        adapted = _adapted(step, target - acceptance)
        step = jax.tree.map(lambda new, old: jnp.where(adapt, new, old), adapted, step)
        one = _Drawn(at.u, at.log_density, found.n_steps, found.diverging, acceptance)
        return at, step, jax.tree.map(lambda all_, new: all_.at[i].set(new), kept, one)

    kept = _Drawn(
        jnp.zeros((CHUNK, len(centre))),
        jnp.zeros(CHUNK),
        jnp.zeros(CHUNK, jnp.int32),
        jnp.zeros(CHUNK, bool),
        jnp.zeros(CHUNK),
    )
    return jax.lax.fori_loop(0, n_draws, draw, (at, step, kept))


def _adapted(step: _Step, shortfall: Any) -> _Step:
    """Take a step of dual averaging (Hoffman and Gelman 2014, section 3.2, with its constants)."""
    count = step.count + 1
    mean = step.shortfall + (shortfall - step.shortfall) / (count + 10)
    log_size = step.log_aim - jnp.sqrt(count) / 0.05 * mean
    weight = count**-0.75
    average = weight * log_size + (1 - weight) * step.log_average
    return _Step(log_size, average, mean, count, step.log_aim)


def _noise(stream: np.random.Generator, n_coordinates: int) -> Noise:
    return Noise(
        momentum=stream.standard_normal((CHUNK, n_coordinates)),
        direction=stream.random((CHUNK, MAX_DEPTH)),
        doubling=stream.random((CHUNK, MAX_DEPTH)),
        leaf=stream.random((CHUNK, 1 << MAX_DEPTH)),
    )


def _shrunk(u: np.ndarray) -> np.ndarray:
    """Return the covariance of nearly white draws, drawn towards white as if by a draw a row."""
    n, n_coordinates = u.shape
    share = n / (n + n_coordinates)
    return share * np.cov(u.T).reshape(n_coordinates, -1) + (1 - share) * np.eye(n_coordinates)


def _covariance(around: np.ndarray) -> np.ndarray:
    """Return a covariance that can be rooted even where few draws differ."""
    n_coordinates = around.shape[1]
    n = len(np.unique(around, axis=0))
    share = n / (n + n_coordinates)
    found = np.cov(around.T).reshape(n_coordinates, -1)
    # The prior's variance is 1 in every coordinate, a posterior's a tenth or less.
    return share * found + (1 - share) * np.maximum(
        np.diag(np.diag(found)), 0.01 * np.eye(n_coordinates)
    )
