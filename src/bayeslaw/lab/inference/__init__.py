from bayeslaw.lab.inference.engine import Engine
from bayeslaw.lab.inference.local_device import local_device
from bayeslaw.lab.inference.measure import measure
from bayeslaw.lab.inference.time_architecture import TimingOptions, time_architecture
from bayeslaw.lab.inference.time_cases import Case, time_cases
from bayeslaw.lab.inference.timing import Round, Timing, time_in_turns

__all__ = [
    "Case",
    "Engine",
    "Round",
    "Timing",
    "TimingOptions",
    "local_device",
    "measure",
    "time_architecture",
    "time_cases",
    "time_in_turns",
]
