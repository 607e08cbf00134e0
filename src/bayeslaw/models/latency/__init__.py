from bayeslaw.models.latency.roofline import roofline_ms
from bayeslaw.models.latency.surrogate import (
    FIGURES,
    LatencyPrediction,
    LatencySurrogate,
    fit_latency,
)

__all__ = ["FIGURES", "LatencyPrediction", "LatencySurrogate", "fit_latency", "roofline_ms"]
