"""How fast the surrogate is, each task in a process of its own.

``python -m benchmarks.latency_surrogate.speed TASK`` prints one line of JSON. The timings are made
from a known latency, for no public table has a hundred thousand rows of one device.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping

N_CORES = 2
N_FITTED = 128


def measure_speed() -> dict[str, dict[str, float]]:
    """Run every task in a fresh process with two threads and return its figures.

    Returns:
        By task ``seconds`` of the call, ``peak_gb`` of the whole process, imports included (GB =
        1e9 byte), and what else it says.
    """
    threads = {name: str(N_CORES) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    found = {}
    for task in TASKS:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.latency_surrogate.speed", task],
            env={**os.environ, **threads},
            capture_output=True,
            text=True,
            check=True,
        )
        found[task] = json.loads(done.stdout.splitlines()[-1])
    return found


def fit_128() -> dict[str, float]:
    """Fit 128 timings, first cold, then once more with other timings."""
    from bayeslaw.models.latency import fit_latency
    from bayeslaw.space import DEVICES

    seconds = []
    for seed in range(2):
        table = _timings(N_FITTED, seed)
        started = time.perf_counter()
        fit_latency(table, DEVICES[_DEVICE], seed=seed)
        seconds.append(time.perf_counter() - started)
    return {"seconds": seconds[0], "seconds_again": seconds[1]}


def predict_million() -> dict[str, float]:
    """Ask about 10^6 architectures, quantiles of each, from columns to milliseconds."""
    from bayeslaw.models.latency import fit_latency
    from bayeslaw.space import DEVICES

    surrogate = fit_latency(_timings(N_FITTED, 0), DEVICES[_DEVICE])
    shape = _shapes(1_000_000, 1)
    fitted_gb = _peak_gb()
    started = time.perf_counter()
    asked = _asked(shape)
    laid_out = time.perf_counter()
    surrogate.predict_rows(asked, 0.9)
    done = time.perf_counter()
    return {
        "seconds": done - started,
        "ask_seconds": laid_out - started,
        "predict_seconds": done - laid_out,
        "peak_gb_before": fitted_gb,
    }


def fit_hundred_thousand() -> dict[str, float]:
    """Fit 10^5 timings, and say how far predictions are off."""
    import numpy as np

    from bayeslaw.models.latency import fit_latency
    from bayeslaw.space import DEVICES

    table = _timings(100_000, 0)
    started = time.perf_counter()
    surrogate = fit_latency(table, DEVICES[_DEVICE])
    seconds = time.perf_counter() - started
    new = _timings(2000, 1)
    found = surrogate.predict_rows(new, 0.9)
    observed = new["latency_ms"]
    return {
        "seconds": seconds,
        "mape": float(np.abs(found["p50"] / observed - 1).mean()),
        "coverage90": float(((found["p05"] <= observed) & (observed <= found["p95"])).mean()),
    }


TASKS: Mapping[str, Callable[[], dict[str, float]]] = {
    "fit_128": fit_128,
    "predict_million": predict_million,
    "fit_hundred_thousand": fit_hundred_thousand,
}

_DEVICE = "h100-sxm"
_NOISE = 0.01


def _shapes(n: int, seed: int):
    """Return columns of random architectures, ``(row,)`` each."""
    import numpy as np

    rng = np.random.default_rng(seed)
    heads = 2.0 ** rng.integers(3, 6, n)
    width = 64.0 * rng.integers(8, 65, n)
    return {
        "d_model": width,
        "n_layers": rng.integers(8, 49, n).astype(float),
        "n_heads": heads,
        "n_kv_heads": heads / 2.0 ** rng.integers(0, 4, n),
        "head_dim": 64.0 * rng.integers(1, 3, n),
        "d_ff": 64.0 * np.round(width * rng.uniform(1.5, 5, n) / 64),
        "vocab_size": np.full(n, 50304.0),
    }


def _asked(shape: Mapping):
    from bayeslaw.runs import LatencyTable
    from bayeslaw.space import Workload

    workload = Workload(batch_size=8, prompt_tokens=1024, output_tokens=128, device=_DEVICE)
    return LatencyTable.ask_columns(shape, workload, "tpot_ms")


def _timings(n: int, seed: int):
    """Return timings of a roofline that is off by 3 % with width, and one percent of noise."""
    import numpy as np

    from bayeslaw.runs import LatencyTable

    asked = _asked(_shapes(n, seed))
    seconds = (
        asked["decode_gemm_flops"] / 5e14
        + (asked["decode_weight_bytes"] + asked["decode_cache_bytes"]) / 2.4e12
        + 8e-6 * asked["n_layers"]
    )
    off = 0.03 * np.sin(2 * np.log2(asked["d_model"]))
    noise = _NOISE * np.random.default_rng([seed, 1]).standard_normal(n)
    measured = {
        "latency_ms": 1e3 * seconds * np.exp(off + noise),
        "repeat_sd": np.full(n, np.nan),
        "n_repeats": np.ones(n),
        "out_of_memory": np.zeros(n),
        "memory_bytes": np.full(n, np.nan),
    }
    columns = {name: asked[name] for name in asked} | measured
    labels = {**asked.labels, "model": tuple(f"{seed}-{i}" for i in range(n))}
    return LatencyTable(columns, labels)


def _peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


if __name__ == "__main__":
    figures = TASKS[sys.argv[1]]()
    print(json.dumps({**figures, "peak_gb": _peak_gb()}))
