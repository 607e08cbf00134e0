from bayeslaw.space.architecture import Architecture, TrainFlopsFormula
from bayeslaw.space.candidate import Candidate
from bayeslaw.space.device import BYTES_PER_VALUE, DEVICES, Device
from bayeslaw.space.workload import Workload

__all__ = [
    "BYTES_PER_VALUE",
    "DEVICES",
    "Architecture",
    "Candidate",
    "Device",
    "TrainFlopsFormula",
    "Workload",
]
