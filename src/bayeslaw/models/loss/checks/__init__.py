"""What should be asked of a fit before its intervals are believed."""

from bayeslaw.models.loss.checks.calibration import Calibration, check_calibration, uniform_band
from bayeslaw.models.loss.checks.confounding import Confounding, find_confounding
from bayeslaw.models.loss.checks.leave_one_out import LeaveOneOut, leave_one_out
from bayeslaw.models.loss.checks.rolling import (
    RollingOrigins,
    coverage_by_distance,
    rolling_origins,
)
from bayeslaw.models.loss.checks.verdicts import Diagnosis, Verdict, diagnose_posterior

__all__ = [
    "Calibration",
    "Confounding",
    "Diagnosis",
    "LeaveOneOut",
    "RollingOrigins",
    "Verdict",
    "check_calibration",
    "coverage_by_distance",
    "diagnose_posterior",
    "find_confounding",
    "leave_one_out",
    "rolling_origins",
    "uniform_band",
]
