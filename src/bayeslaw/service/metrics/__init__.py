from bayeslaw.service.metrics.registry import Metrics
from bayeslaw.service.metrics.requests import RequestMetrics

__all__ = ["Metrics", "RequestMetrics"]
