from bayeslaw.executors.local import LAB_COMMAND, LocalExecutor, available_cores
from bayeslaw.executors.protocol import Executor, JobHandle, JobPhase, JobState

__all__ = [
    "LAB_COMMAND",
    "Executor",
    "JobHandle",
    "JobPhase",
    "JobState",
    "LocalExecutor",
    "available_cores",
]
