"""Every METHOD of the benchmark: what it forecasts for a group's parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from bayeslaw.models.latency import fit_devices, fit_latency
from bayeslaw.models.latency.surrogate import LatencySurrogate
from bayeslaw.runs import LatencyTable
from bayeslaw.space import DEVICES
from benchmarks.latency_surrogate import baselines, rooflines
from benchmarks.latency_surrogate.rooflines import Fit, Neighbours
from benchmarks.latency_surrogate.scores import LEVEL, Forecast
from benchmarks.latency_surrogate.splits import Group, Part

_ALONE: Mapping[str, Fit] = {
    "gp": baselines.gp,
    "gp_log_flops": baselines.gp_log_flops,
    "random_forest": baselines.random_forest,
    "gradient_boosting": baselines.gradient_boosting,
    "linear_flops": baselines.linear_flops,
    "roofline": rooflines.roofline,
    "roofline_calibrated": rooflines.roofline_calibrated,
}
METHODS = ("ours", *_ALONE, "nearest_device_rescaled")
_FROM_DATASHEETS = ("ours", "roofline")


def methods_of(group: Group) -> tuple[str, ...]:
    """Return the methods that are scored on a group: the nearest device needs other devices."""
    return METHODS if group.sources is not None else METHODS[:-1]


def forecasts(method: str, group: Group) -> Iterator[tuple[Part, Forecast]]:
    """Yield a method's forecast of every part it can say something of.

    Without a timing on a new device ours and the roofline can, from its datasheet.
    """
    if method == "ours":
        predict = _ours(group)
    elif method == "nearest_device_rescaled":
        predict = _nearest(group)
    else:
        predict = _alone(method, group)
    for part in group.parts:
        if len(part.train) or (method in _FROM_DATASHEETS and group.device is not None):
            yield part, predict(part)


Predict = Callable[[Part], Forecast]


def _ours(group: Group) -> Predict:
    device, sources = group.device, group.sources
    if sources is None:
        return lambda part: _forecast(
            fit_latency(group.table.where(part.train), device, seed=part.seed),
            group.table.where(part.test),
        )
    known = {name: DEVICES[name] for name in set(sources.labels["device"]) if name in DEVICES}
    lessons = fit_devices(sources, known, seed=0)

    def predict(part: Part) -> Forecast:
        asked = group.table.where(part.test)
        if len(part.train):
            measured = group.table.where(part.train)
            return _forecast(lessons.surrogate(measured, device, seed=part.seed), asked)
        surrogate = lessons.surrogate(None, device, seed=part.seed, labels_like=asked)
        return _forecast(surrogate, asked)

    return predict


def _forecast(surrogate: LatencySurrogate, asked: LatencyTable) -> Forecast:
    """Return the intervals of another timing, as a user gets them, and the mixture behind them."""
    quantiles = surrogate.predict_rows(asked, LEVEL, of="timing")
    mean, sd = surrogate.mixture(asked)
    low, median, high = (np.log(quantiles[name]) for name in ("p05", "p50", "p95"))
    return Forecast(low, median, high, mean.numpy() + np.log(1e3), sd.numpy())


def _alone(method: str, group: Group) -> Predict:
    def predict(part: Part) -> Forecast:
        train = group.table.where(part.train) if len(part.train) else None
        test = group.table.where(part.test)
        if train is None:
            return rooflines.roofline(None, test, group.device)
        return _ALONE[method](train, test, group.device)

    return predict


def _nearest(group: Group) -> Predict:
    if group.sources is None or group.known is None:
        raise ValueError(f"{group.name} has no other devices")
    neighbours = Neighbours.of(group.table, group.sources, group.known)
    return lambda part: neighbours.rescaled(group.table, part.train, part.test)
