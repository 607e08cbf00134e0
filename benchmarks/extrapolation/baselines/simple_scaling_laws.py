"""The PyPI package simple-scaling-laws, in an environment of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from bayeslaw.errors import UnavailableError, UndecidedError
from benchmarks.extrapolation.baselines.forecast import N_DRAWS, Columns, Forecast, usable_draws
from benchmarks.harness import WORK

VERSION = "0.2.0"
ENVIRONMENT = WORK / "peers" / "simple-scaling-laws"
INSTALL = "python -m benchmarks.extrapolation.baselines.simple_scaling_laws"

_WORKER = Path(__file__).parents[2] / "peers" / "simple_scaling_laws_worker.py"
_TIMEOUT_SECONDS = 600


def predict(fit: Columns, heldout: Columns, seed: int) -> np.ndarray:
    """Return draws of the log loss of one new run at each held-out place, ``(draw, heldout)``.

    Args:
        fit: ``n``, ``n_tokens`` and ``loss_nats``.
        heldout: ``n`` and ``n_tokens``.
        seed: Of its bootstrap and its noise.
    """
    return forecast(fit, heldout, seed).draws


def forecast(fit: Columns, heldout: Columns, seed: int) -> Forecast:
    """Return `predict`'s draws, with the package's own notes.

    Its documented way with its defaults: the law ``separable-power`` (Chinchilla's) on raw loss, a
    wild cluster bootstrap over configurations of 1,000 draws, predictions of kind ``new-run``. It
    knows no trunks: every row is a run.

    Raises:
        UnavailableError: The package is not installed; the message says how to.
        UndecidedError: It refuses the table, with its own words.
    """
    if not is_installed():
        raise UnavailableError(
            f"simple-scaling-laws {VERSION} is not in {ENVIRONMENT}; install it there with "
            f"`{INSTALL}` (needs uv, a Python >= 3.12 and PyPI)"
        )
    names = ("n", "n_tokens")
    request = {
        "fit": {name: fit[name].tolist() for name in (*names, "loss_nats")},
        "heldout": {name: heldout[name].tolist() for name in names},
        "seed": seed,
        "n_draws": N_DRAWS,
    }
    done = subprocess.run(
        [str(_python()), "-I", str(_WORKER)],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_SECONDS,
    )
    if done.returncode != 0:
        raise UndecidedError(
            f"simple-scaling-laws {VERSION} gives no forecast: {done.stderr.strip()[-500:]}"
        )
    answer = json.loads(done.stdout)
    draws, n_no_loss = usable_draws(np.array(answer["losses"]), np.random.default_rng(seed))
    return Forecast(
        draws=draws,
        report={
            **answer["coefficients"],
            "n_no_loss": n_no_loss,
            "notes": ", ".join(answer["notes"]),
            "version": answer["version"],
        },
    )


def is_installed() -> bool:
    """Return whether the environment is there."""
    return _python().exists()


def install() -> None:
    """Make the environment under ``benchmarks/.work/peers``, from PyPI.

    Raises:
        UnavailableError: uv, or a Python of 3.12 or newer, is not on this machine.
    """
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        raise UnavailableError("no uv on PATH or beside this Python; `pip install uv`, then again")
    ENVIRONMENT.parent.mkdir(parents=True, exist_ok=True)
    for command in (
        [uv, "venv", "--clear", "--python", _newer_python(), str(ENVIRONMENT)],
        [uv, "pip", "install", "--python", str(_python()), f"simple-scaling-laws=={VERSION}"],
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise UnavailableError(f"`{' '.join(command)}` failed: {done.stderr.strip()[-500:]}")


def _python() -> Path:
    return ENVIRONMENT / "bin" / "python"


def _newer_python() -> str:
    """Return pyenv's newest Python of 3.12 or later; else what uv finds itself."""
    versions = Path.home() / ".pyenv" / "versions"
    found = [path for path in versions.glob("3.1[2-9]*/bin/python") if path.exists()]
    return str(max(found)) if found else ">=3.12"


if __name__ == "__main__":
    install()
    print(f"installed simple-scaling-laws {VERSION} in {ENVIRONMENT}")
