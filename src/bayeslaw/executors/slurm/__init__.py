from bayeslaw.executors.slurm.executor import SLURM, SlurmExecutor
from bayeslaw.executors.slurm.options import SlurmOptions

__all__ = ["SLURM", "SlurmExecutor", "SlurmOptions"]
