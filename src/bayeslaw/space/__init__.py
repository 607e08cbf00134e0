from bayeslaw.space.architecture import Architecture, TrainFlopsFormula
from bayeslaw.space.candidate import Candidate
from bayeslaw.space.device import BYTES_PER_VALUE, DEVICES, Device
from bayeslaw.space.expression import Expression
from bayeslaw.space.feasible_count import FeasibleCount
from bayeslaw.space.huggingface import from_huggingface, to_huggingface
from bayeslaw.space.quantities import AXES, QUANTITIES
from bayeslaw.space.search_space import SearchSpace
from bayeslaw.space.target import Target
from bayeslaw.space.work import Work, decode_work, prefill_work
from bayeslaw.space.workload import Workload

__all__ = [
    "AXES",
    "BYTES_PER_VALUE",
    "DEVICES",
    "QUANTITIES",
    "Architecture",
    "Candidate",
    "Device",
    "Expression",
    "FeasibleCount",
    "SearchSpace",
    "Target",
    "TrainFlopsFormula",
    "Work",
    "Workload",
    "decode_work",
    "from_huggingface",
    "prefill_work",
    "to_huggingface",
]
