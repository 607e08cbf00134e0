from bayeslaw.runs.latency.columns import EXTRAS, FIGURES, LATENCY_COLUMNS
from bayeslaw.runs.latency.floor import check_floor, physical_floor_ms
from bayeslaw.runs.latency.table import LatencyTable

__all__ = [
    "EXTRAS",
    "FIGURES",
    "LATENCY_COLUMNS",
    "LatencyTable",
    "check_floor",
    "physical_floor_ms",
]
