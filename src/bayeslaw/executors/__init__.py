from bayeslaw.executors.job_folder import LAB_COMMAND
from bayeslaw.executors.local import LocalExecutor, available_cores
from bayeslaw.executors.options import Circumstances, ExecutorKind, ExecutorOptions
from bayeslaw.executors.protocol import Executor, JobHandle, JobPhase, JobState
from bayeslaw.executors.registry import EXECUTORS, find_executor, read_options

__all__ = [
    "EXECUTORS",
    "LAB_COMMAND",
    "Circumstances",
    "Executor",
    "ExecutorKind",
    "ExecutorOptions",
    "JobHandle",
    "JobPhase",
    "JobState",
    "LocalExecutor",
    "available_cores",
    "find_executor",
    "read_options",
]
