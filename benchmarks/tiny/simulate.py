"""Whether the intervals hold: the regressions on made-up suites whose truth is known.

``python -m benchmarks.tiny.simulate --json OUT [--replications 50]``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import run_benchmark
from benchmarks.tiny.effects import bootstrap_effects, shape_effects
from benchmarks.tiny.noise import noise_floor
from benchmarks.tiny.shape_errors import shape_errors
from benchmarks.tiny.suite import Suite
from benchmarks.tiny.synthetic import Truth, synthetic_suite

TRUTH = Truth()
NO_EFFECT = Truth(aspect_curve=0.0, ratio_curve=0.0, gqa_slope=0.0)
# Errors of shapes that grow with size, and no shape term that a law could miss.
GROWING = Truth(
    aspect_curve=0.0, ratio_curve=0.0, gqa_slope=0.0, shape_sd=0.003, shape_growth=0.004
)


def measure(
    quick: bool, folder: Path, *, replications: int
) -> tuple[dict[str, Any], Sequence[Sequence[Any]]]:
    n = 10 if quick else replications
    held = coverage(range(n))
    figures = {
        "replications": n,
        "share_of_90_percent_intervals_that_hold_the_truth": held,
        "share_with_p_below_5_percent_without_effects": false_alarms(range(n)),
        "shape_error_growth": growth_coverage(range(max(n // 2, 5))),
    }
    return figures, [[name, value] for name, value in held.items()]


def coverage(seeds: Sequence[int]) -> dict[str, float]:
    """Return, quantity by quantity, the share of 90 % intervals that hold the truth."""
    found: dict[str, list[bool]] = {}
    for seed in seeds:
        suite = Suite.of(synthetic_suite(TRUTH, seed=seed))
        for name, is_held in _held(suite, seed).items():
            found.setdefault(name, []).append(is_held)
    return {name: float(np.mean(values)) for name, values in found.items()}


def false_alarms(seeds: Sequence[int]) -> dict[str, float]:
    """Return how often a factor that does nothing has a p-value below 5 %."""
    found: dict[str, list[bool]] = {}
    for seed in seeds:
        suite = Suite.of(synthetic_suite(NO_EFFECT, seed=seed))
        figures = shape_effects(suite, seed=seed, interactions=True)
        main = shape_effects(suite, seed=seed)["factors"]
        for name, factor in main.items():
            found.setdefault(name, []).append(factor["p_value"] < 0.05)
            for over, change in figures["interactions"][name].items():
                found.setdefault(f"{name} over {over}", []).append(change["p_value"] < 0.05)
    return {name: float(np.mean(values)) for name, values in found.items()}


def growth_coverage(seeds: Sequence[int]) -> dict[str, Any]:
    """Return how often the shape-specific sd of larger sizes is held, where it grows."""
    held: list[bool] = []
    medians: list[float] = []
    truth = GROWING
    for seed in seeds:
        suite = Suite.of(synthetic_suite(truth, seed=seed))
        noise = noise_floor(suite, seed=seed)["trunk_correlation"]
        found = shape_errors(
            suite, "chinchilla, N of the body", noise=noise, n_fitted=[3], seed=seed
        )
        for row in found["cuts"][0]["sizes"]:
            size = next(s for s in range(6) if suite.size_label(s) == row["n_params_body"])
            n = suite.table["n_params_body"][suite.size == size]
            above = np.log(np.maximum(n / 15_000, 1)).mean()
            # A slope over budgets moves a mean of three budgets a little; it is left out.
            sd = np.sqrt(truth.shape_sd**2 + truth.shape_growth**2 * above)
            held.append(row["shape_sd"]["low"] <= sd <= row["shape_sd"]["high"])
            medians.append(row["shape_sd"]["median"] / sd)
    return {
        "held_90": float(np.mean(held)),
        "median_over_truth": float(np.median(medians)),
        "n_intervals": len(held),
    }


def _held(suite: Suite, seed: int) -> dict[str, bool]:
    truth = TRUTH
    figures = shape_effects(suite, seed=seed)
    ordinary = bootstrap_effects(suite, seed=seed)
    noise = noise_floor(suite, seed=seed)
    held: dict[str, bool] = {}
    for name, ends in true_ends(suite).items():
        factor = figures["factors"][name]
        for side, value in zip(("low", "high"), ends, strict=True):
            key = f"{side}_end_minus_middle_nats"
            held[f"{name}: {side} end"] = _inside(factor[key], value)
            held[f"{name}: {side} end, bootstrap"] = _inside(ordinary[name][key], value)
    factors = figures["factors"]
    held["best aspect ratio"] = _inside(factors["aspect_ratio"]["optimum"], truth.aspect_best)
    held["best MLP ratio"] = _inside(factors["mlp_attention_ratio"]["optimum"], truth.ratio_best)
    sds = figures["error_sds_log_loss"]
    for name, value in {
        "shape": truth.shape_sd,
        "shape_per_doubling": truth.shape_slope_sd,
        "seed": truth.seed_sd,
        "point": truth.point_sd,
    }.items():
        held[f"sd: {name}"] = _inside(sds[name], value)
    total = np.hypot(truth.seed_sd, truth.point_sd)
    for row in noise["by_tokens_per_param"]:
        held[f"noise at {row['tokens_per_param']:g}"] = _inside(row["log_loss"], float(total))
    correlation = truth.seed_sd**2 / total**2
    held["trunk correlation"] = _inside(noise["trunk_correlation"]["correlation"], correlation)
    return held


def true_ends(suite: Suite) -> dict[str, tuple[float, float]]:
    """Return the true low and high ends minus the middle [nats], at the suite's mean loss."""
    truth, table, scale = TRUTH, suite.table, suite.loss_scale
    ends: dict[str, tuple[float, float]] = {}
    for name, curve, best in (
        ("aspect_ratio", truth.aspect_curve, truth.aspect_best),
        ("mlp_attention_ratio", truth.ratio_curve, truth.ratio_best),
    ):
        low, high = np.log(table[name].min()), np.log(table[name].max())
        at = [curve * (x - np.log(best)) ** 2 for x in (low, (low + high) / 2, high)]
        ends[name] = (scale * float(at[0] - at[1]), scale * float(at[2] - at[1]))
    half = 0.5 * np.log2(table["gqa_group"].max() / table["gqa_group"].min())
    rise = scale * truth.gqa_slope * float(half)
    ends["gqa_group"] = (-rise, rise)
    return ends


def _inside(found: Mapping[str, float], value: float) -> bool:
    return found["low"] <= value <= found["high"]


if __name__ == "__main__":
    run_benchmark(
        "tiny.simulate",
        measure,
        ["quantity", "90 % intervals that hold the truth"],
        __doc__ or "",
        {"replications": {"type": int, "default": 50, "help": "made-up suites"}},
    )
