"""What timings taught of a device: constants, how predictions hold, and a page of figures."""

from bayeslaw.report.latency.constants import learnt_constants, left_out_summary, noise_summary
from bayeslaw.report.latency.page import latency_figures, write_latency_page

__all__ = [
    "latency_figures",
    "learnt_constants",
    "left_out_summary",
    "noise_summary",
    "write_latency_page",
]
