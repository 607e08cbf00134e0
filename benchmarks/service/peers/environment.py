"""A virtual environment of its own for each contestant, with exact versions."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bayeslaw.errors import UnavailableError
from benchmarks.harness import WORK


def make_environment(name: str, pins: Sequence[str]) -> Path:
    """Return the interpreter of an environment with these packages, made from PyPI if need be.

    Raises:
        UnavailableError: A package could not be had; the end of uv's words is in the message.
    """
    folder = WORK / "peers" / name
    python, complete = folder / "bin" / "python", folder / "complete.json"
    if complete.exists() and json.loads(complete.read_text()) == list(pins):
        return python
    uv = str(Path(sys.executable).with_name("uv"))
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    for command in (
        [uv, "venv", "--quiet", "--python", sys.executable, str(folder)],
        [uv, "pip", "install", "--quiet", "--python", str(python), *pins],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode != 0:
            raise UnavailableError(f"cannot install {name}: {done.stderr.strip()[-500:]}")
    complete.write_text(json.dumps(list(pins)))
    return python


def versions_of(pins: Sequence[str]) -> dict[str, str]:
    """Return versions by package.

    >>> versions_of(["optuna==5.0.0", "psycopg[binary]==3.3.9"])
    {'optuna': '5.0.0', 'psycopg': '3.3.9'}
    """
    return {
        name.partition("[")[0]: version
        for name, _, version in (pin.partition("==") for pin in pins)
    }
