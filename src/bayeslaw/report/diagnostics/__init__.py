"""What a fit looks like: figures of one posterior, and a page of them with its verdicts."""

from bayeslaw.report.diagnostics.figures import diagnostic_figures
from bayeslaw.report.diagnostics.page import write_diagnosis

__all__ = ["diagnostic_figures", "write_diagnosis"]
