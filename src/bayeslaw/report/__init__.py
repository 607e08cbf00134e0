from bayeslaw.report.content import ReportContent
from bayeslaw.report.page import write_report

__all__ = ["ReportContent", "write_report"]
