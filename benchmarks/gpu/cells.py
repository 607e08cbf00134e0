"""What benchmarks of many cells share: a time limit, and a file that a second call takes up."""

from __future__ import annotations

import datetime
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from bayeslaw.lab.machine import device_name


class OutOfTimeError(BaseException):
    """The budget is spent; no ``except Exception`` of a library may swallow this."""


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """Leave the block after so many seconds of wall time, wherever it is, and say so."""
    previous = signal.signal(signal.SIGALRM, _out_of_time)
    signal.alarm(seconds)
    try:
        yield
    except OutOfTimeError:
        print(f"out of time after {seconds} s", flush=True)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def taken_up(path: Path, device: torch.device, smoke: bool) -> dict[str, Any] | None:
    """Return an earlier call's figures, if device, torch, commit and mode are the same."""
    if not path.exists():
        return None
    figures = json.loads(path.read_text())
    same = figures["device"] == device_name(device.type, 1) and figures["smoke"] == smoke
    same &= figures["versions"]["torch"] == torch.__version__
    return figures if same and figures["commit"] == commit() else None


def circumstances() -> dict[str, Any]:
    """Return date, commit, cores and the GPU's own name."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "cores": os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def commit() -> str | None:
    """Return the commit, or None where the tree came without git."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True,
            cwd=Path(__file__).parent,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def write_figures(path: Path, figures: dict[str, Any]) -> None:
    """Write all figures at once: a reader, or a kill, never meets half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(figures, indent=2) + "\n")
    partial.replace(path)


def _out_of_time(number: int, frame: FrameType | None) -> None:
    raise OutOfTimeError
