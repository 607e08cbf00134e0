"""Seconds that a posterior takes, beside NumPyro's default NUTS on the same density.

200 runs, nine coefficients, 4 chains x 1000 draws. Each fit is made in a fresh process with an empty
folder of compiled code: the first fit is *cold* (compilation included, imports not; with imports
beside it), the second, to new data of the same size, is *warm*. Contestants take turns, in rotated
order; ratios are of medians. Ours must reach R-hat < 1.01 and a bulk ESS > 400 in every unknown.

Both sample our log density in float64 and in the same coordinates, so that neither gains from how the
model is written: NumPyro sees it as a factor beside the standard normal prior it contains. Our time is
all of `fit_law` (mode, Laplace, PSIS, NUTS, discrepancy paths, diagnostics); NumPyro's is
``MCMC.run`` with its defaults (1000 draws of warm-up, sequential chains) and diagnostics. Our chains
run in threads, which NumPyro's defaults on one device do not. ``numpyro_jit_model_args`` is NumPyro
told to keep its compiled program between fits.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import run_benchmark

N_RUNS = 200
MAX_RHAT = 1.01
MIN_ESS_BULK = 400.0
CURVE = (10, 30, 100, 200, 1000, 3000, 10_000)
QUICK_CURVE = (10, 100, 1000)
_ROOT = Path(__file__).parent.parent


def measure(quick: bool, folder: Path) -> tuple[dict[str, Any], Sequence[Sequence[Any]]]:
    contestants = ["ours_nuts", "numpyro_default", "numpyro_jit_model_args"]
    repeats = 1 if quick else 3
    races: dict[str, list[dict[str, Any]]] = {name: [] for name in contestants}
    for repeat in range(repeats):
        turn = repeat % len(contestants)
        for name in (*contestants[turn:], *contestants[:turn]):
            races[name].append(run_worker(name, N_RUNS, seed=10 * repeat))
            print(f"{name}: {summary(races[name][-1])}", flush=True)
    check_converged(races["ours_nuts"])
    curves: dict[str, list[dict[str, Any]]] = {"nuts": [], "laplace": []}
    for n_runs in QUICK_CURVE if quick else CURVE:
        for method, rows in curves.items():
            found = run_worker(f"ours_{method}", n_runs, seed=500)
            rows.append({"n_runs": n_runs, **found})
            print(f"{method}, {n_runs} runs: {summary(found)}", flush=True)
    figures = {**headline(races), "races": races, "curves": curves}
    rows = [
        [
            name,
            median(found, "cold", "seconds") + median(found, "seconds_imports"),
            median(found, "cold", "seconds"),
            median(found, "warm", "seconds"),
            median(found, "warm", "min_ess_bulk"),
            median(found, "warm", "mean_steps"),
        ]
        for name, found in races.items()
    ]
    cold, warm = figures["ratio_cold"], figures["ratio_warm"]
    rows.append(["ratio", figures["ratio_cold_with_imports"], cold, warm, None, None])
    return figures, rows


def headline(races: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return what the issue asks for, of medians over repeats."""

    def cold(name: str) -> float:
        return statistics.median(r["cold"]["seconds"] + r["seconds_imports"] for r in races[name])

    def ratio(name: str, part: str) -> float:
        return median(races[name], part, "seconds") / median(races["ours_nuts"], part, "seconds")

    return {
        "ratio_cold": ratio("numpyro_default", "cold"),
        "ratio_cold_with_imports": cold("numpyro_default") / cold("ours_nuts"),
        "ratio_warm": ratio("numpyro_default", "warm"),
        "ratio_warm_jit_model_args": ratio("numpyro_jit_model_args", "warm"),
        "update_seconds": median(races["ours_nuts"], "update", "seconds"),
        "n_runs": N_RUNS,
    }


def check_converged(found: Sequence[dict[str, Any]]) -> None:
    """Raise unless every fit of ours mixed as asked: time bought with bad draws is worth nothing."""
    for part in ("cold", "warm"):
        for row in found:
            rhat, ess = row[part]["max_rhat"], row[part]["min_ess_bulk"]
            if not (rhat < MAX_RHAT and ess > MIN_ESS_BULK):
                raise ValueError(
                    f"a {part} fit of ours has R-hat {rhat:.4f} and bulk ESS {ess:.0f}, asked are "
                    f"< {MAX_RHAT} and > {MIN_ESS_BULK:.0f}: its time does not count"
                )


def run_worker(contestant: str, n_runs: int, seed: int) -> dict[str, Any]:
    """Return a worker's report; it runs in a fresh process with nothing compiled."""
    with tempfile.TemporaryDirectory() as cache:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.speed.worker", contestant, str(n_runs), str(seed)],
            capture_output=True,
            text=True,
            cwd=_ROOT,
            env={**os.environ, "JAX_COMPILATION_CACHE_DIR": cache},
        )
    if done.returncode != 0:
        raise RuntimeError(f"{contestant} with {n_runs} runs failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def median(found: Sequence[dict[str, Any]], *keys: str) -> float:
    """Return the median over repeats of the figure that the keys lead to."""
    values = []
    for row in found:
        value: Any = row
        for key in keys:
            value = value[key]
        values.append(value)
    return statistics.median(values)


def summary(found: dict[str, Any]) -> str:
    parts = [f"imports {found['seconds_imports']:.1f} s"]
    for part in ("cold", "warm"):
        row = found[part]
        parts.append(f"{part} {row['seconds']:.2f} s (cpu {row['cpu_seconds']:.2f})")
        if "max_rhat" in row:
            parts.append(
                f"R-hat {row['max_rhat']:.4f}, ESS {row['min_ess_bulk']:.0f}, "
                f"{row['divergences']} divergences"
            )
    return "; ".join([*parts, f"{found['peak_mib']:.0f} MiB"])


if __name__ == "__main__":
    run_benchmark(
        "posterior_speed",
        measure,
        ["contestant", "cold with imports s", "cold s", "warm s", "bulk ESS", "steps"],
        __doc__ or "",
    )
