"""Between a law's coefficients and coordinates in which every prior is standard normal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import ModuleType

import numpy as np
from scipy import stats

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss.laws.coefficient import Array, Coefficient

ELICITED_LEVEL = 0.9
"""Share of belief inside the interval that `elicit` takes."""


def unpack(
    coefficients: Sequence[Coefficient], z: Array, reference: Mapping[str, Array], xp: ModuleType
) -> dict[str, Array]:
    """Return coefficients ``(...)`` by name from coordinates ``(..., coefficient)``."""
    theta: dict[str, Array] = {}
    logs: dict[str, Array] = {}
    for i, c in enumerate(coefficients):
        if c.kind == "real":
            theta[c.name] = c.prior_median + c.prior_sd * z[..., i]
            continue
        logs[c.name] = c.log_median(reference) + c.prior_sd * z[..., i]
        if c.is_itself:
            theta[c.name] = xp.exp(logs[c.name])
    shares = sum(xp.exp(logs[c.name]) for c in coefficients if c.kind == "share")
    start = {"floor": reference["loss"] - xp.log1p(shares), "loss": reference["loss"], "pure": 0.0}
    for c in coefficients:
        if c.kind == "floor":
            start["share"] = start["floor"] + logs[c.name]
    for c in coefficients:
        if not c.is_itself:
            log_value = logs[c.name] + start[c.kind] - c.log_factor(theta, reference)
            theta[c.name] = xp.exp(log_value / c.power(theta))
        if c.below:
            theta[c.name] = xp.exp(reference[c.below]) - theta[c.name]
    return {c.name: theta[c.name] for c in coefficients}


def pack(
    coefficients: Sequence[Coefficient], theta: Mapping[str, Array], reference: Mapping[str, Array]
) -> np.ndarray:
    """Return the coordinates ``(..., coefficient)`` of coefficients ``(...)`` by name."""
    theta = {c.name: np.asarray(theta[c.name], dtype=float) for c in coefficients}
    for name, values in theta.items():
        if not np.isfinite(values).all():
            raise InvalidInputError(f"coefficient {name!r} must be finite, got {values}")
    positive = {
        c.name: np.exp(reference[c.below]) - theta[c.name] if c.below else theta[c.name]
        for c in coefficients
        if c.kind != "real"
    }
    for name, values in positive.items():
        if not (values > 0).all():
            raise InvalidInputError(
                f"coefficient {name!r} has no coordinate at {theta[name]}: it must be positive"
                f"{_below(coefficients, name, reference)}"
            )
    terms = {
        c.name: c.power(theta) * np.log(positive[c.name]) + c.log_factor(theta, reference)
        for c in coefficients
        if c.name in positive
    }
    log_floor = next((terms[c.name] for c in coefficients if c.kind == "floor"), 0.0)
    shares = sum(np.exp(terms[c.name] - log_floor) for c in coefficients if c.kind == "share")
    start = {
        "floor": reference["loss"] - np.log1p(shares),
        "share": log_floor,
        "loss": reference["loss"],
        "pure": 0.0,
    }
    z = [
        theta[c.name] - c.prior_median
        if c.kind == "real"
        else terms[c.name] - start[c.kind] - c.log_median(reference)
        for c in coefficients
    ]
    scaled = (values / c.prior_sd for values, c in zip(z, coefficients, strict=True))
    return np.stack(np.broadcast_arrays(*scaled), axis=-1)


def inform(
    coefficients: Sequence[Coefficient], means: np.ndarray, sds: np.ndarray
) -> tuple[Coefficient, ...]:
    """Return coefficients whose prior is Normal(mean, sd) where it was Normal(0, 1)."""
    means, sds = np.asarray(means, dtype=float), np.asarray(sds, dtype=float)
    if means.shape != (len(coefficients),) or sds.shape != means.shape:
        raise InvalidInputError(
            f"a mean and an sd are needed for each of {[c.name for c in coefficients]}, in that "
            f"order, got shapes {means.shape} and {sds.shape}"
        )
    if not (np.isfinite(means).all() and np.isfinite(sds).all() and (sds > 0).all()):
        raise InvalidInputError(
            f"means must be finite and sds positive and finite, got {means} and {sds}"
        )
    return tuple(
        replace(c, prior_median=_shifted(c, float(mean)), prior_sd=c.prior_sd * float(sd))
        for c, mean, sd in zip(coefficients, means, sds, strict=True)
    )


def elicit(
    coefficients: Sequence[Coefficient], intervals: Mapping[str, tuple[float, float]]
) -> tuple[Coefficient, ...]:
    """Return coefficients whose prior puts 90 % of belief in the given intervals."""
    can = [c.name for c in coefficients if c.is_itself]
    if cannot := sorted(set(intervals) - set(can)):
        raise InvalidInputError(
            f"no interval can be believed of {cannot}: only of coefficients whose prior is on "
            f"themselves, {can}; the others' priors are on what they do to a table's loss"
        )
    width = 2 * float(stats.norm.ppf((1 + ELICITED_LEVEL) / 2))
    elicited = []
    for c in coefficients:
        if c.name not in intervals:
            elicited.append(c)
            continue
        low, high = intervals[c.name]
        is_real = c.kind == "real"
        if not (-np.inf < low < high < np.inf) or not (is_real or low > 0):
            raise InvalidInputError(
                f"an interval for {c.name!r} runs from a {'' if is_real else 'positive '}number to "
                f"a larger one, such as (0.2, 0.5), got ({low}, {high})"
            )
        median = (low + high) / 2 if is_real else float(np.sqrt(low * high))
        spread = high - low if is_real else float(np.log(high / low))
        reason = f"believed to lie in {low:g} to {high:g} ({ELICITED_LEVEL:.0%} of belief)"
        elicited.append(
            replace(c, prior_median=median, prior_sd=spread / width, median_at=None, reason=reason)
        )
    return tuple(elicited)


def _below(coefficients: Sequence[Coefficient], name: str, reference: Mapping[str, Array]) -> str:
    letter = next(c.below for c in coefficients if c.name == name)
    return f" and less than {np.exp(reference[letter]):.6g}, the table's {letter}" if letter else ""


def _shifted(coefficient: Coefficient, mean: float) -> float:
    step = coefficient.prior_sd * mean
    if coefficient.kind == "real":
        return coefficient.prior_median + step
    return coefficient.prior_median * float(np.exp(step))
