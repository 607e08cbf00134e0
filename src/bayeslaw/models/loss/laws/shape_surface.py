from __future__ import annotations

from collections.abc import Mapping

from array_api_compat import array_namespace

from bayeslaw.models.loss.laws.chinchilla import BASE_COEFFICIENTS, chinchilla
from bayeslaw.models.loss.laws.coefficient import Array, Coefficient
from bayeslaw.models.loss.laws.law import LossLaw

CENTRE = {"x": 0.08, "R": 64.0, "r": 2.0}
"""Ordinary networks: where the surface is 1 and its slopes are meant."""

_SCALE = 1e9


def shape_surface(theta: Mapping[str, Array], columns: Mapping[str, Array]) -> Array:
    """Return ``(E + A/N**alpha + B/D**beta) exp(s(x, R, r; N))``, s a cubic in logarithms.

    ``x = d_model / sqrt(N)``, ``R = d_model / n_layers``, ``r`` MLP over attention weights, each as
    u, v, w: its logarithm from an ordinary network's. Every slope may drift with log N. No paper's
    form: any smooth valley looks like this near its floor, so it learns what the other laws' forms
    cannot say (a response surface, Box and Wilson 1951).

    Source:
        Ours, on the shape variables of arXiv:2510.18245 and arXiv:2501.18107.
    """
    xp = array_namespace(columns["x"], columns["R"], columns["r"])
    u, v, w = (xp.log(columns[name] / middle) for name, middle in CENTRE.items())
    size = xp.log(columns["N"] / _SCALE)
    linear = (
        (theta["s_x"] + theta["n_x"] * size) * u
        + (theta["s_R"] + theta["n_R"] * size) * v
        + (theta["s_r"] + theta["n_r"] * size) * w
    )
    squares = theta["q_x"] * u**2 + theta["q_R"] * v**2 + theta["q_r"] * w**2
    products = theta["c_xR"] * u * v + theta["c_xr"] * u * w + theta["c_Rr"] * v * w
    cubes = theta["k_x"] * u**3 + theta["k_R"] * v**3 + theta["k_r"] * w**3
    return chinchilla(theta, columns) * xp.exp(linear + squares + products + cubes)


_SLOPES = "P1's U, P2's power and Gemstones' width and depth have slopes of .01-.05 there"
_SQUARES = "half of P1's a1 (.02-.06) and b1 (.005-.008); P2's rows bend by .01 in log R"
_CUBES = "P1's log k + 1/k leans by -a1/6 (.006-.02) and -b1/6 (.002); P2's power by .001"
_PRODUCTS = "no published form has one; small beside the squares"
_DRIFTS = (
    "P1's optimum in x moved as N**-.04, in r as N**.09, between its fits, which is a slope of .0016 "
    "and .001; Gemstones' best R rises as about N**.3, .003"
)

SHAPE_SURFACE = LossLaw(
    name="shape_surface",
    inputs=(
        "n_params_body",
        "n_tokens",
        "relative_width",
        "aspect_ratio",
        "mlp_attention_ratio",
    ),
    letters=("N", "D", "x", "R", "r"),
    coefficients=(
        *BASE_COEFFICIENTS,
        Coefficient("s_x", "slope in log x, at 1e9 weights", "real", 0.0, 0.03, reason=_SLOPES),
        Coefficient("s_R", "slope in log R, at 1e9 weights", "real", 0.0, 0.02, reason=_SLOPES),
        Coefficient("s_r", "slope in log r, at 1e9 weights", "real", 0.0, 0.02, reason=_SLOPES),
        Coefficient("q_x", "bend in log x", "pure", 0.02, 1.0, reason=_SQUARES),
        Coefficient("q_R", "bend in log R", "pure", 0.005, 1.0, reason=_SQUARES),
        Coefficient("q_r", "bend in log r", "pure", 0.006, 1.0, reason=_SQUARES),
        Coefficient("k_x", "lean in log x", "real", 0.0, 0.01, reason=_CUBES),
        Coefficient("k_R", "lean in log R", "real", 0.0, 0.002, reason=_CUBES),
        Coefficient("k_r", "lean in log r", "real", 0.0, 0.002, reason=_CUBES),
        Coefficient("c_xR", "of log x with log R", "real", 0.0, 0.005, reason=_PRODUCTS),
        Coefficient("c_xr", "of log x with log r", "real", 0.0, 0.005, reason=_PRODUCTS),
        Coefficient("c_Rr", "of log R with log r", "real", 0.0, 0.005, reason=_PRODUCTS),
        Coefficient("n_x", "what log N adds to s_x", "real", 0.0, 0.002, reason=_DRIFTS),
        Coefficient("n_R", "what log N adds to s_R", "real", 0.0, 0.003, reason=_DRIFTS),
        Coefficient("n_r", "what log N adds to s_r", "real", 0.0, 0.001, reason=_DRIFTS),
    ),
    formula=shape_surface,
    source="ours, on the shapes of arXiv:2510.18245 and arXiv:2501.18107",
    falls_with=("D",),
)
