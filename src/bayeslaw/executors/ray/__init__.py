from bayeslaw.executors.ray.executor import RAY, RayExecutor
from bayeslaw.executors.ray.options import RayOptions

__all__ = ["RAY", "RayExecutor", "RayOptions"]
