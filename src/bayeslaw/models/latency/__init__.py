from bayeslaw.models.latency.attribution import GainAttribution, attribute_gain
from bayeslaw.models.latency.bounds import LatencyBounds, what_bounds
from bayeslaw.models.latency.constants import CONSTANTS, ConstantsPrior
from bayeslaw.models.latency.devices import DeviceLessons, fit_devices
from bayeslaw.models.latency.memory import MemoryModel, fit_memory
from bayeslaw.models.latency.prediction import LatencyPrediction
from bayeslaw.models.latency.roofline import roofline_ms
from bayeslaw.models.latency.suggest import (
    TimingSuggestion,
    border_weights,
    suggest_rows,
    suggest_timings,
)
from bayeslaw.models.latency.surrogate import LatencySurrogate, fit_latency

__all__ = [
    "CONSTANTS",
    "ConstantsPrior",
    "DeviceLessons",
    "GainAttribution",
    "LatencyBounds",
    "LatencyPrediction",
    "LatencySurrogate",
    "MemoryModel",
    "TimingSuggestion",
    "attribute_gain",
    "border_weights",
    "fit_devices",
    "fit_latency",
    "fit_memory",
    "roofline_ms",
    "suggest_rows",
    "suggest_timings",
    "what_bounds",
]
