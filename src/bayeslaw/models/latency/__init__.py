from bayeslaw.models.latency.constants import CONSTANTS, ConstantsPrior
from bayeslaw.models.latency.devices import DeviceLessons, fit_devices
from bayeslaw.models.latency.prediction import LatencyPrediction
from bayeslaw.models.latency.roofline import roofline_ms
from bayeslaw.models.latency.surrogate import LatencySurrogate, fit_latency

__all__ = [
    "CONSTANTS",
    "ConstantsPrior",
    "DeviceLessons",
    "LatencyPrediction",
    "LatencySurrogate",
    "fit_devices",
    "fit_latency",
    "roofline_ms",
]
