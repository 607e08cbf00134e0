"""What is true in a lab that only exists in a table: published laws, moved, each with a seed.

A truth's law is not in the library that plans against it: `FAMILIES` says what goes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bayeslaw.models.loss import LAWS
from bayeslaw.models.loss.cards import published_fits
from bayeslaw.runs import architecture_columns
from bayeslaw.space import Candidate

Columns = Mapping[str, np.ndarray]

SHAPE_LAWS = (
    "conditional_multiplicative",
    "conditional_additive",
    "conditional_varying",
    "aspect_ratio",
    "aspect_ratio_tied",
    "aspect_ratio_u",
    "width_depth",
    "width_depth_params",
    "shape_surface",
)
"""The library's laws of dense networks that know of shape."""

_P1 = ("conditional_multiplicative", "conditional_additive", "conditional_varying")
_P2 = ("aspect_ratio", "aspect_ratio_tied", "aspect_ratio_u")
_GEMSTONES = ("width_depth", "width_depth_params")


@dataclass(frozen=True)
class Family:
    """Say how truths of one kind are made and what the library must do without.

    Attributes:
        build: From a generator to the log loss of columns.
        removed: Laws that are the family's own or its nearest twins.
        source: Of form and coefficients.
    """

    build: Callable[[np.random.Generator], Callable[[Columns], np.ndarray]]
    removed: tuple[str, ...]
    source: str


def library_without(family: str) -> tuple[str, ...]:
    """Return the laws left to plan with."""
    return tuple(name for name in SHAPE_LAWS if name not in FAMILIES[family].removed)


def columns_of(candidates: Sequence[Candidate]) -> dict[str, np.ndarray]:
    """Return what every law may ask for, each ``(candidate,)``."""
    columns = architecture_columns([candidate.architecture for candidate in candidates])
    return {**columns, "n_tokens": np.array([float(c.n_tokens) for c in candidates])}


# --- bases ------------------------------------------------------------------------------------

_BASES = ("hoffmann_2022", "epoch_2024", "gemstones_cooldown", "gemstones_slim")
_REFERENCE = 1e9


def _base(rng: np.random.Generator) -> dict[str, float]:
    """Return a published Chinchilla fit, moved: floor 5 %, exponents 8 %, shares 20 %."""
    fits = published_fits()
    names = [name for name in _BASES if name in fits]
    theta = dict(fits[str(rng.choice(names))].theta)
    theta["E"] *= np.exp(0.05 * rng.standard_normal())
    for share, exponent, at in (("A", "alpha", _REFERENCE), ("B", "beta", 20 * _REFERENCE)):
        old = theta[exponent]
        theta[exponent] = old * np.exp(0.08 * rng.standard_normal())
        theta[share] *= at ** (theta[exponent] - old) * np.exp(0.2 * rng.standard_normal())
    return theta


def _moved(theta: Mapping[str, float], rng: np.random.Generator, sd: float) -> dict[str, float]:
    return {
        name: value * float(np.exp(sd * rng.standard_normal())) for name, value in theta.items()
    }


# --- families ---------------------------------------------------------------------------------


def _p1_shape(rng: np.random.Generator) -> dict[str, float]:
    fit = published_fits()[str(rng.choice(["p1_80m_297m", "p1_1b"]))]
    names = ("x_star", "a1", "r_star", "b1")
    theta = {name: fit.theta[name] for name in names}
    optima = _moved({n: theta[n] for n in ("x_star", "r_star")}, rng, 0.15)
    return {**optima, **_moved({n: theta[n] for n in ("a1", "b1")}, rng, 0.3)}


def _p1_multiplicative(rng: np.random.Generator) -> Callable[[Columns], np.ndarray]:
    theta = {**_base(rng), **_p1_shape(rng)}
    return lambda columns: np.log(LAWS["conditional_multiplicative"](theta, columns))


def _p1_additive(rng: np.random.Generator) -> Callable[[Columns], np.ndarray]:
    base, shape = _base(rng), _p1_shape(rng)
    # Its own coefficients were never printed: the multiplicative ones at the loss of 1e9 weights.
    at = LAWS["chinchilla"](base, {"n_params": _REFERENCE, "n_tokens": 20 * _REFERENCE})
    shape = {**shape, "a1": shape["a1"] * float(at), "b1": shape["b1"] * float(at)}
    return lambda columns: np.log(LAWS["conditional_additive"]({**base, **shape}, columns))


def _gemstones(rng: np.random.Generator) -> Callable[[Columns], np.ndarray]:
    name = str(rng.choice(["gemstones_width_depth", "gemstones_width_depth_params"]))
    fit = published_fits()[name]
    old = dict(fit.theta)
    new = _moved(old, rng, 0.06)
    at = {"W": ("omega", 2e3), "K": ("kappa", 20.0), "A": ("alpha", 1e9), "B": ("beta", 2e10)}
    for share, (exponent, place) in at.items():
        if share in old:
            new[share] = old[share] * place ** (new[exponent] - old[exponent])
            new[share] *= float(np.exp(0.1 * rng.standard_normal()))
    return lambda columns: np.log(fit.law(new, columns))


def _p2(rng: np.random.Generator) -> Callable[[Columns], np.ndarray]:
    fit = published_fits()[str(rng.choice(["p2_tied", "p2_free_gamma"]))]
    base = _base(rng)
    gamma = fit.theta.get("gamma", fit.theta["alpha"]) * float(np.exp(0.1 * rng.standard_normal()))
    at_64 = fit.theta["eps"] * 64 ** fit.theta.get("gamma", fit.theta["alpha"])
    eps = at_64 / 64**gamma * float(np.exp(0.3 * rng.standard_normal()))
    theta = {**base, "eps": eps, "gamma": gamma}
    return lambda columns: np.log(LAWS["aspect_ratio"](theta, columns))


def _farseer(rng: np.random.Generator) -> Callable[[Columns], np.ndarray]:
    """Return Farseer's base with a valley that no law has: it drifts with N, and R and r interact.

    Farseer's coefficients are not at hand and it knows no shape: the floor, the data term and its
    exponent vary by tens of per cent over the sizes; the valley is ours, as deep as P1's and P2's.
    """
    floor, size = 1.7 * np.exp(0.05 * rng.standard_normal()), rng.uniform(0.1, 0.3)
    gamma, slope = rng.uniform(0.2, 0.4), rng.uniform(-0.15, 0.15)
    exponent, scale = rng.uniform(0.28, 0.38), rng.uniform(0.15, 0.35)
    best_aspect, drift = np.exp(rng.uniform(np.log(35), np.log(110))), rng.uniform(-0.1, 0.3)
    best_ratio, steep = np.exp(rng.uniform(np.log(0.9), np.log(3.5))), rng.uniform(0.006, 0.02)
    tilt, narrow = rng.uniform(-0.004, 0.004), rng.uniform(0.004, 0.012)

    def log_loss(columns: Columns) -> np.ndarray:
        n = columns["n_params_body"] / _REFERENCE
        power = exponent * np.exp(slope * n**0.1 - slope)
        data = scale * (columns["n_tokens"] / (20 * _REFERENCE)) ** -power
        aspect = np.log(columns["aspect_ratio"] / best_aspect) - drift * np.log(n)
        ratio = np.log(columns["mlp_attention_ratio"] / best_ratio)
        # A flat bottom with straight walls, unlike a parabola or log k + 1 / k.
        valley = steep * np.log(np.cosh(1.5 * aspect)) + narrow * np.log(np.cosh(1.5 * ratio))
        return np.log(floor * np.exp(size * n**-gamma) + data) + valley + tilt * aspect * ratio

    return log_loss


FAMILIES: Mapping[str, Family] = {
    "p1_multiplicative": Family(_p1_multiplicative, _P1, "P1, arXiv:2510.18245, eq. 1 and 3"),
    "p1_additive": Family(_p1_additive, _P1, "P1, arXiv:2510.18245, eq. 4"),
    "gemstones": Family(_gemstones, _GEMSTONES, "Gemstones, arXiv:2502.06857, width and depth"),
    "p2": Family(_p2, _P2, "P2, arXiv:2501.18107, aspect ratio"),
    "farseer": Family(_farseer, ("farseer",), "Farseer, arXiv:2506.10972, with a valley of ours"),
}
"""Kinds of truth by name; four truths of each make the twenty."""
