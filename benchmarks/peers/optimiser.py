"""Ax, BoTorch and Optuna in an environment of their own: our side of the pipe.

``python -m benchmarks.peers.optimiser`` installs them from PyPI under ``benchmarks/.work/peers``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bayeslaw.errors import UnavailableError, UndecidedError
from benchmarks.harness import WORK

PINS = {"ax-platform": "1.3.1", "botorch": "0.18.1", "optuna": "5.0.0"}
ENVIRONMENT = WORK / "peers" / "bayesian-optimisation"
OPTIMISERS = ("ax", "botorch_qlognehvi", "optuna_gp", "optuna_tpe", "optuna_nsga2")
"""Each with its package's defaults; ``botorch_qlognehvi`` alone is given a pool."""

_ROOT = Path(__file__).parents[2]
_WORKER = Path(__file__).parent / "optimiser_worker.py"
_ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")}


class Optimiser:
    """One peer at work in a process of its own; a context manager, which ends the process.

    Objectives are minimised; a limit is an upper bound on a value told with the objectives. Without
    a pool, ``asked`` is a list of parameters; with one (``botorch_qlognehvi``) of ``{"row": i}``.
    """

    def __init__(
        self,
        name: str,
        *,
        space: Sequence[Mapping[str, Any]],
        objectives: Sequence[str],
        limits: Mapping[str, float] | None = None,
        seed: int = 0,
    ) -> None:
        """Start a peer.

        Args:
            name: One of `OPTIMISERS`.
            space: Parameters, ``{"name", "kind": "int" | "float", "low", "high", "log"}`` or
                ``{"name", "kind": "ordered" | "choice", "values"}``; for a pool one
                ``{"name": "row", "kind": "pool", "features": (row, feature)}``.
            objectives: Names of what is minimised.
            limits: Upper bounds by name.
            seed: Of the peer's own chance.

        Raises:
            UnavailableError: The environment is not installed; the message says how to.
        """
        if not is_installed():
            raise UnavailableError(
                f"no peers in {ENVIRONMENT}; install them with `python -m benchmarks.peers.optimiser`"
            )
        self.name = name
        self.seconds = 0.0
        self.cpu_seconds = 0.0
        self._process = subprocess.Popen(
            [str(_python()), "-s", "-E", "-W", "ignore", str(_WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if "BAYESLAW_PEERS_ALOUD" not in os.environ else None,
            text=True,
            env=os.environ | _ONE_THREAD,
        )
        self._say(
            do="start",
            optimiser=name,
            seed=seed,
            space=list(space),
            objectives=list(objectives),
            limits=dict(limits or {}),
        )

    def tell(self, runs: Sequence[Mapping[str, Any]]) -> float:
        """Report ended runs ``{"parameters", "values", "token"}``; return the seconds it took."""
        return self._say(do="tell", runs=list(runs))["seconds"]

    def wait(self, runs: Sequence[Mapping[str, Any]]) -> float:
        """Say that runs ``{"parameters"}`` are under way."""
        return self._say(do="wait", runs=list(runs))["seconds"]

    def ask(self, n: int = 1) -> list[dict[str, Any]]:
        """Return n runs worth doing, ``{"token", "parameters"}``; `seconds`, `cpu_seconds` say what it took."""
        answer = self._say(do="ask", n=n)
        self.seconds = float(answer["seconds"])
        self.cpu_seconds = float(answer["cpu_seconds"])
        return answer["asked"]

    def close(self) -> None:
        """End the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.terminate()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> Optimiser:
        """Hand out the peer."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self.close()

    def _say(self, **request: Any) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise UndecidedError(
                f"{self.name} ended in the middle of {request['do']!r} with exit status "
                f"{self._process.wait()}; BAYESLAW_PEERS_ALOUD=1 shows why"
            )
        return json.loads(line)


def is_installed() -> bool:
    """Return whether the environment is there and complete."""
    return (ENVIRONMENT / "complete").exists()


def install() -> None:
    """Make the environment under ``benchmarks/.work/peers``, from PyPI.

    Raises:
        UnavailableError: A package could not be had.
    """
    ENVIRONMENT.parent.mkdir(parents=True, exist_ok=True)
    constraints = _ROOT / "constraints.txt"
    torch = [line for line in constraints.read_text().split() if line.startswith("torch==")]
    pins = [f"{name}=={version}" for name, version in PINS.items()]
    # pip takes torch from wherever it is told to look: an unpinned one brings gigabytes of CUDA.
    pip = [str(_python()), "-m", "pip", "install", "-q", "-c", str(constraints)]
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)],
        [*pip, *torch],
        [*pip, *pins],
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise UnavailableError(f"`{' '.join(command)}` failed: {done.stderr.strip()[-500:]}")
    (ENVIRONMENT / "complete").touch()


def _python() -> Path:
    return ENVIRONMENT / "bin" / "python"


if __name__ == "__main__":
    install()
    print(f"installed {PINS} in {ENVIRONMENT}")
