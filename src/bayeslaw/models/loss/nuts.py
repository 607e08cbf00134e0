"""NUTS, started at the mode in coordinates that the Laplace approximation whitens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.infer.hmc import hmc

from bayeslaw.models.loss.density import log_density
from bayeslaw.models.loss.laws import LossLaw


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
    """Draw from the posterior with NumPyro's NUTS.

    Chains start at draws of the corrected Laplace approximation, in coordinates where those draws
    are white, so the mass matrix starts as the identity.

    Args:
        law: Formula and priors.
        evidence: From `padded`.
        around: Draws ``(draw, coordinate)`` to start from and to whiten by.
        seed: Of starts and chains.
        n_chains: Chains.
        n_warmup: Draws a chain that adapt the step and are thrown away.
        n_draws: Draws a chain that are kept.
        target_acceptance: NUTS adapts its step to this.
    """
    centre = around.mean(axis=0)
    scale = np.linalg.cholesky(np.cov(around.T))
    chosen = np.random.default_rng([seed, 3]).integers(len(around), size=n_chains)
    starts = np.linalg.solve(scale, (around[chosen] - centre).T).T
    keys = jax.random.split(jax.random.key(seed), n_chains)
    whitening = (jnp.asarray(centre), jnp.asarray(scale))
    white, extra = _run_chains(
        keys, starts, evidence, whitening, law, n_warmup, n_draws, target_acceptance
    )
    diverging, n_steps, acceptance, energy, step_size = (np.asarray(values) for values in extra)
    return Chains(
        z=centre + np.asarray(white) @ scale.T,
        diverging=diverging,
        n_steps=n_steps,
        acceptance=acceptance,
        log_density=-energy,
        step_size=step_size,
    )


@partial(jax.jit, static_argnames=("law", "n_warmup", "n_draws", "target_acceptance"))
def _run_chains(keys, starts, evidence, whitening, law, n_warmup, n_draws, target_acceptance):
    """Run all chains in one compiled program; data come as arguments, so it is compiled once."""

    def potential(evidence, whitening):
        mean, scale = whitening
        return lambda u: -log_density(mean + scale @ u, evidence, law)

    def run_chain(key_and_start):
        key, start = key_and_start
        initialise, step = hmc(potential_fn_gen=potential, algo="NUTS")
        arguments = (evidence, whitening)
        state = initialise(
            start,
            n_warmup,
            model_args=arguments,
            rng_key=key,
            step_size=0.5,
            dense_mass=True,
            target_accept_prob=target_acceptance,
        )
        state = jax.lax.fori_loop(0, n_warmup, lambda _, s: step(s, arguments), state)

        def keep(state, _):
            state = step(state, arguments)
            kept = (
                state.diverging,
                state.num_steps,
                state.accept_prob,
                state.potential_energy,
                state.adapt_state.step_size,
            )
            return state, (state.z, kept)

        return jax.lax.scan(keep, state, None, length=n_draws)[1]

    return jax.lax.map(run_chain, (keys, starts))
