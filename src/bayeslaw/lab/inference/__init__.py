from bayeslaw.lab.inference.local_device import local_device
from bayeslaw.lab.inference.measure import measure
from bayeslaw.lab.inference.timing import Timing, time_in_turns

__all__ = ["Timing", "local_device", "measure", "time_in_turns"]
