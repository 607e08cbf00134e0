"""How many GPU-hours until the right architecture is known, in labs that only exist in a table?

python -m benchmarks.digital_twin [--quick] [--workers N] [--truths N] [--ax N] [--optuna N]
                                  [--mspe N] [--random N] --json OUT
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from benchmarks.digital_twin.cells import METHODS, fill_cells
from benchmarks.digital_twin.scores import calibration, pool, reliability
from benchmarks.digital_twin.truths import FAMILIES
from benchmarks.digital_twin.world import BUDGET_SHARE, worlds
from benchmarks.harness import run_benchmark

N_TRUTHS, QUICK_TRUTHS = 20, 5
GOAL, MOONSHOT = 2.0, 3.0
"""What the best peer's ratio to ours is to reach."""

WITH_OUR_LAWS = ("mspe", "random")
"""Other ways to buy runs, with our laws, fits and recommendation."""

OWN_LAW = {"p1_grid": ("p1_multiplicative", "p1_additive"), "p2_grid": ("p2",)}
"""Families whose truth is the very form that a paper's procedure fits, and that ours does without."""


def measure(
    quick: bool,
    folder: Path,
    workers: int,
    truths: int,
    ax: int,
    optuna: int,
    mspe: int,
    random: int,
) -> tuple[dict[str, Any], list[list[Any]]]:
    """Run every method in every lab, the slow ones in the first of them, and pool."""
    # One thread a worker: shared among threads a small matrix takes longer.
    os.environ |= {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")}
    labs = worlds(QUICK_TRUTHS if quick else truths)
    on_first = {"ax": ax, "optuna_gp": optuna, "mspe": mspe, "random": random}
    if quick:
        on_first = {"ax": 0, "optuna_gp": 2, "mspe": 0}
    jobs = [
        (world, [m for m in METHODS if i < on_first.get(m, len(labs))])
        for i, world in enumerate(labs)
    ]
    by_truth = fill_cells(jobs, folder, workers)
    budgets = {world.name: world.budget_hours for world in labs}
    pooled = pool(by_truth, budgets)
    ours = [traces["ours"] for traces in by_truth.values()]
    strangers = {
        world.name: {
            method: trace
            for method, trace in by_truth[world.name].items()
            if world.family not in OWN_LAW.get(method, ())
        }
        for world in labs
    }
    figures = {
        "protocol": {
            "budget": f"{BUDGET_SHARE} of the target run's GPU-hours",
            "figure": "GPU-hours until the regret at the target is within .1 % of loss (2 % of TPOT "
            "where latency is wanted) and stays there, censored at the budget",
            "families": {name: family.source for name, family in FAMILIES.items()},
            "removed": {name: list(family.removed) for name, family in FAMILIES.items()},
        },
        "pooled": pooled,
        "pooled_without_own_law": pool(strangers, budgets),
        "goals": _goals(pooled),
        "reliability": reliability(ours),
        "calibration": calibration(ours),
        "truths": [
            {
                "name": world.name,
                "family": world.family,
                "decision": world.decision,
                "laws": list(world.laws),
                "budget_hours": world.budget_hours,
                "target_hours": world.target_hours,
                "pool": len(world.pool),
                "share_within_tolerance": float((world.regrets <= 1).mean()),
                "methods": {
                    method: {
                        "gpu_hours": trace.hours_to_stay(world.budget_hours)[0],
                        "success": trace.hours_to_stay(world.budget_hours)[1],
                        "steps": trace.steps,
                    }
                    for method, trace in by_truth[world.name].items()
                },
            }
            for world in labs
        ],
    }
    rows = [
        [
            method,
            f"{found['gpu_hours']:.1f}",
            f"{found['success_rate']:.0%}",
            f"{found['ratio_to_ours']:.2f}",
            " to ".join(f"{end:.2f}" for end in found["ratio_interval"] or ()),
            found["n_truths"],
            f"{found['seconds']:.0f}",
        ]
        for method, found in pooled.items()
    ]
    return figures, rows


def _goals(pooled: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Say how far the best peer is behind: law-fitting variants of ours are no peers."""
    peers = {
        m: found["ratio_to_ours"] for m, found in pooled.items() if m not in ("ours", "random")
    }
    best = min(peers, key=lambda method: peers[method])
    return {
        "best_peer": best,
        "ratio": peers[best],
        "at_least": GOAL,
        "reached": peers[best] >= GOAL,
        "moonshot": peers[best] >= MOONSHOT,
    }


if __name__ == "__main__":
    run_benchmark(
        "digital_twin",
        measure,
        ["method", "GPU-hours", "got there", "over ours", "90 %", "truths", "seconds"],
        str(__doc__),
        {
            "workers": {"type": int, "default": os.cpu_count() or 1, "help": "processes"},
            "truths": {"type": int, "default": N_TRUTHS, "help": "labs, 20 in all"},
            "ax": {"type": int, "default": 4, "help": "truths that Ax is run on"},
            "optuna": {"type": int, "default": N_TRUTHS, "help": "truths for Optuna's GP"},
            "random": {"type": int, "default": N_TRUTHS, "help": "truths for random with our laws"},
            "mspe": {"type": int, "default": N_TRUTHS, "help": "truths for active-sl's criterion"},
        },
    )
