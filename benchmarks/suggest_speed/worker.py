"""Our side, in a process of its own: fit once, then time `plan` over several pools.

``python -m benchmarks.suggest_speed.worker N_RUNS REPEATS POOL...`` prints a line of JSON a pool size.
Each repeat has a new pool and other pending runs, as a scheduler's next question would; beliefs, the
target's candidates and the seed stay. The first call for a belief, which draws the target, is timed apart.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bayeslaw.models.costs import fit_cost
from bayeslaw.models.latency import fit_latency
from bayeslaw.models.loss import LAWS, fit_law
from bayeslaw.runs import Run, RunTable
from bayeslaw.search import Beliefs, PredictiveEnsemble, plan
from bayeslaw.space import Candidate
from benchmarks.suggest_speed import task

FORMS = ("chinchilla", "conditional_multiplicative")
N_TIMED = 32
N_TARGETS = 256
_LIMITS = (f"memory_gb <= {task.MAX_MEMORY_GB}",)


def believe(n_runs: int, seed: int) -> tuple[Beliefs, list[Run]]:
    """Fit two forms of law, the latency surrogate and the cost model."""
    done = task.finished_runs(n_runs, seed)
    table = RunTable.from_runs(done)
    posteriors = [fit_law(LAWS[form], table, method="laplace", seed=seed) for form in FORMS]
    latency = fit_latency(task.timings(N_TIMED, seed + 1), task.DEVICE, seed=seed)
    loss = PredictiveEnsemble.from_beliefs(posteriors, n_members=512, seed=seed)
    return Beliefs(loss, latency, task.SERVE, fit_cost(done, seq_len=task.SEQ_LEN)), done


def targets(seed: int) -> list[Candidate]:
    """Return what may be built: shapes of the space at ten times its most tokens."""
    shapes = [task.candidate(p).architecture for p in task.draw_parameters(N_TARGETS, seed + 2)]
    return [Candidate(shape, round(10 * task.TOKENS[1])) for shape in dict.fromkeys(shapes)]


def time_plans(
    beliefs: Beliefs, done: list[Run], n_pool: int, repeats: int, seed: int
) -> dict[str, Any]:
    """Time ``repeats`` calls after a first one."""
    target = targets(seed)
    seconds, cpu = [], []
    grown_mb = 0.0
    for repeat in range(repeats + 1):
        waiting = [task.candidate(p) for p in task.draw_parameters(task.N_PENDING, 100 + repeat)]
        pending = [
            Run(f"p{i}", c.n_tokens, c.architecture).advance("running")
            for i, c in enumerate(waiting)
        ]
        pool = task.draw_pool(n_pool, repeat)
        before = _forget_peak_mb()
        start = time.perf_counter(), time.process_time()
        found = plan(
            beliefs,
            pool,
            done=done,
            pending=pending,
            q=task.N_ASKED,
            seed=seed,
            max_gpu_hours=task.MAX_GPU_HOURS,
            objectives="-loss_nats, -tpot_ms",
            limits=_LIMITS,
            target_candidates=target,
        )
        seconds.append(time.perf_counter() - start[0])
        cpu.append(time.process_time() - start[1])
        grown_mb = max(grown_mb, _peak_mb() - before)
        if len(found) != task.N_ASKED:
            raise RuntimeError(f"{len(found)} suggestions instead of {task.N_ASKED}")
    return {
        "n_pool": n_pool,
        "first_s": seconds[0],
        "seconds": seconds[1:],
        "cpu_seconds": cpu[1:],
        "p50_s": float(np.quantile(seconds[1:], 0.5)),
        "p95_s": float(np.quantile(seconds[1:], 0.95)),
        "peak_growth_mb": grown_mb,
    }


def _forget_peak_mb() -> float:
    """Start a new peak where the system can, and return the memory held now."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return _peak_mb()
    return _status_mb("VmRSS")


def _peak_mb() -> float:
    if Path("/proc/self/status").exists():
        return _status_mb("VmHWM")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def _status_mb(name: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return float(line.split()[1]) * 1024 / 1e6
    raise RuntimeError(f"the system does not say {name}")


def main(n_runs: int, repeats: int, pools: list[int]) -> None:
    torch.set_num_threads(1)
    start = time.perf_counter()
    beliefs, done = believe(n_runs, seed=0)
    fitted = time.perf_counter() - start
    for n_pool in pools:
        row = time_plans(beliefs, done, n_pool, repeats, seed=0)
        print(json.dumps({"n_runs": n_runs, "fit_s": fitted, **row}), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), [int(text) for text in sys.argv[3:]])
