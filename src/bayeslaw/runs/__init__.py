from bayeslaw.runs.columns import ARCHITECTURE_FIELDS, COLUMNS, LABELS, SHAPE_COLUMNS, Column
from bayeslaw.runs.hyperparameters import Hyperparameters
from bayeslaw.runs.job import ATTEMPT_VARIABLE, REQUEUE_EXIT_CODE, SCHEMA, Job, JobKind, JobResult
from bayeslaw.runs.latency import LatencyTable
from bayeslaw.runs.measurement import Measurement
from bayeslaw.runs.run import Run, RunStatus
from bayeslaw.runs.table import RunTable, architecture_columns, candidate_columns

__all__ = [
    "ARCHITECTURE_FIELDS",
    "ATTEMPT_VARIABLE",
    "COLUMNS",
    "LABELS",
    "REQUEUE_EXIT_CODE",
    "SCHEMA",
    "SHAPE_COLUMNS",
    "Column",
    "Hyperparameters",
    "Job",
    "JobKind",
    "JobResult",
    "LatencyTable",
    "Measurement",
    "Run",
    "RunStatus",
    "RunTable",
    "architecture_columns",
    "candidate_columns",
]
