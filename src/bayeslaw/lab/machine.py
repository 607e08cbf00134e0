"""The machine a job runs on: its names, precisions and versions."""

from __future__ import annotations

import platform
from pathlib import Path

import torch

from bayeslaw.errors import InvalidInputError, UnavailableError
from bayeslaw.space import DEVICES

_DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
# What torch.cuda.get_device_name says, in the order it is looked for, to a datasheet's name.
_DATASHEETS = (
    ("H200", "h200"),
    ("H100 80GB HBM3", "h100-sxm"),
    ("A100-SXM4-80GB", "a100-80gb"),
    ("A100-SXM4-40GB", "a100-40gb"),
)


def as_dtype(precision: str) -> torch.dtype:
    """Return torch's dtype for a precision by name, or say which the lab has."""
    if precision not in _DTYPES:
        raise InvalidInputError(
            f"the lab computes in {sorted(_DTYPES)}, got precision {precision!r}"
        )
    return _DTYPES[precision]


def check_device(device: str) -> None:
    """Raise unless ``device`` is ``cpu``, or ``cuda`` on a machine that has a GPU."""
    if device not in ("cpu", "cuda"):
        raise InvalidInputError(f"device must be 'cpu' or 'cuda', got {device!r}")
    if device == "cuda" and not torch.cuda.is_available():
        raise UnavailableError(
            f"device 'cuda' was asked for and torch {torch.__version__} sees no GPU here; run on "
            f"a machine with one, with a CUDA build of torch, or set device to 'cpu'"
        )


def device_name(device: str, threads: int) -> str:
    """Return what measurements call this device: a datasheet's name, or the CPU with threads."""
    check_device(device)
    if device == "cuda":
        name = torch.cuda.get_device_name()
        known = (ours for theirs, ours in _DATASHEETS if theirs in name and ours in DEVICES)
        return next(known, name)
    return f"{_cpu_model()}, {threads} thread{'s' if threads > 1 else ''}"


def versions() -> dict[str, str]:
    """Return the versions that figures depend on."""
    found = {"torch": torch.__version__, "python": platform.python_version()}
    if torch.version.cuda is not None:
        found["cuda"] = torch.version.cuda
    return {**found, "machine": platform.node(), "system": platform.platform()}


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return " ".join(line.split(":", 1)[1].split())
    return platform.processor() or platform.machine()
