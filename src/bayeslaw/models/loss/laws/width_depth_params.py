from __future__ import annotations

from collections.abc import Mapping

from bayeslaw.models.loss.laws.chinchilla import BASE_COEFFICIENTS
from bayeslaw.models.loss.laws.coefficient import Array
from bayeslaw.models.loss.laws.law import LossLaw
from bayeslaw.models.loss.laws.width_depth import GEMSTONES_RANGE, WIDTH_DEPTH_TERMS, width_depth

_E, _A, _ALPHA, _B, _BETA = BASE_COEFFICIENTS


def width_depth_params(theta: Mapping[str, Array], columns: Mapping[str, Array]) -> Array:
    """Return ``E + W/d**omega + K/l**kappa + A/N**alpha + B/D**beta`` [nats per token].

    `width_depth` with a term for the number of weights, embeddings included.

    Source:
        McLeish et al. (2025), arXiv:2502.06857 (Gemstones), four terms, and the authors'
        repository; letters W, omega, K, kappa are ours.
    """
    return width_depth(theta, columns) + theta["A"] / columns["N"] ** theta["alpha"]


WIDTH_DEPTH_PARAMS = LossLaw(
    name="width_depth_params",
    inputs=("n_params", "n_tokens", "d_model", "n_layers"),
    letters=("N", "D", "d", "l"),
    coefficients=(_E, *WIDTH_DEPTH_TERMS, _A, _ALPHA, _B, _BETA),
    formula=width_depth_params,
    source="McLeish et al. (2025), arXiv:2502.06857 (Gemstones), width, depth, N and tokens",
    falls_with=("N", "D", "d", "l"),
    valid_range=GEMSTONES_RANGE,
)
