"""What every benchmark shares: its arguments, where it ran, and how its figures are written."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import subprocess
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from bayeslaw.cli.output import print_table

WORK = Path(__file__).parent / ".work"
_PACKAGES = ("bayeslaw", "torch", "jax", "numpyro", "botorch", "gpytorch", "arviz", "numpy")


def run_benchmark(
    name: str, measure: Callable[..., tuple[dict[str, Any], Sequence[Sequence[Any]]]],
    headers: Sequence[str], description: str,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:  # fmt: skip
    """Parse the command line, measure, print a table and write JSON.

    Args:
        name: Of the benchmark.
        measure: Takes (quick, work folder) and returns figures and the table's rows; the folder
            is kept, so that a benchmark which was interrupted goes on.
        headers: Of the table.
        description: For ``--help``.
        options: Further options by name, such as ``corpus`` for ``--corpus``, as argparse takes
            them; ``measure`` gets them as keywords.
    """
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=description)
    parser.add_argument("--quick", action="store_true", help="the same procedure, <= 10 minutes")
    parser.add_argument("--json", type=Path, required=True, help="where the figures go")
    for option, settings in (options or {}).items():
        parser.add_argument(f"--{option}", **settings)
    arguments = parser.parse_args()
    folder = WORK / f"{name}{'-quick' if arguments.quick else ''}"
    folder.mkdir(parents=True, exist_ok=True)
    further = {option: getattr(arguments, option) for option in options or {}}
    figures, rows = measure(arguments.quick, folder, **further)
    print_table(name, headers, rows)
    content = {"benchmark": name, "quick": arguments.quick, "circumstances": circumstances()}
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps({**content, **figures}, indent=2) + "\n")
    print(f"wrote {arguments.json}")


def circumstances() -> dict[str, Any]:
    """Return date, commit, machine and versions."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "HEAD"),
        "uncommitted_changes": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "load_average": os.getloadavg()[0],
            "python": platform.python_version(),
        },
        "versions": {package: metadata.version(package) for package in _PACKAGES},
    }


def _git(*words: str) -> str:
    done = subprocess.run(
        ["git", *words], capture_output=True, text=True, cwd=Path(__file__).parent
    )
    return done.stdout.strip()


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
