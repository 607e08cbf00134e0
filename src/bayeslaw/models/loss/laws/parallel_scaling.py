from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bayeslaw.models.loss.laws.chinchilla import BASE_COEFFICIENTS
from bayeslaw.models.loss.laws.coefficient import Array, Coefficient
from bayeslaw.models.loss.laws.elementary import log
from bayeslaw.models.loss.laws.law import LossLaw

_E, _A, _ALPHA, *_ = BASE_COEFFICIENTS


def parallel_scaling(theta: Mapping[str, Array], columns: Mapping[str, Array]) -> Array:
    """Return ``E + (A / (N (1 + k log P)))**alpha`` [nats per token].

    P is the number of parallel streams through one set of weights: they act like
    ``1 + k log P`` times the weights. N counts no embeddings. There is no term for data: the runs of
    a fit saw as much text, so it holds for that many tokens only.

    Source:
        Chen et al. (2025), arXiv:2505.10475.
    """
    effective = columns["N"] * (1 + theta["k"] * log(columns["P"]))
    return theta["E"] + (theta["A"] / effective) ** theta["alpha"]


def _at_reference(theta: Mapping[str, Array], reference: Mapping[str, Array]) -> Array:
    return -theta["alpha"] * (reference["N"] + log(1 + theta["k"] * reference["P"]))


PARALLEL_SCALING = LossLaw(
    name="parallel_scaling",
    inputs=("n_params_body", "n_tokens", "n_streams"),
    letters=("N", "D", "P"),
    coefficients=(
        _E,
        replace(
            _A, meaning="weights whose term is one nat", prior_median=0.5, at_reference=_at_reference, raised_to="alpha",
            reason="both published fits leave .6-.8 of the floor at 1e9 weights; data's share is "
            "in it too, as the law has no term for data",
        ),
        replace(
            _ALPHA, prior_median=0.25, prior_sd=0.5,
            reason="published .19 and .20; other laws' exponents of size reach .6",
        ),
        Coefficient(
            "k", "what doubling the streams adds, over log 2", "pure", 0.35, 0.6,
            reason="published .39 (code) and .33 (text); a factor of three either way",
        ),
    ),
    formula=parallel_scaling,
    source="Chen et al. (2025), arXiv:2505.10475",
    falls_with=("N", "P"),
)  # fmt: skip
