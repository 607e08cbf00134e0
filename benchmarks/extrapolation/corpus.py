"""Score a grid of priors on every table and write `models/corpora`: what `corpus_prior` reads.

python -m benchmarks.extrapolation.corpus --fit ../shared/data
"""

from __future__ import annotations

import argparse
import datetime
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from scipy import stats

from benchmarks.extrapolation.baselines import BASELINES
from benchmarks.extrapolation.cells import (
    LawDraws,
    cell_path,
    fill,
    fit_cell,
    pooled,
    read_cell,
    table_columns,
)
from benchmarks.extrapolation.splits import Split, rolling_splits
from benchmarks.extrapolation.tables import Table, read_tables
from benchmarks.harness import WORK

TAU_MEDIANS = (0.01, 0.02, 0.04)
REACHES = (0.7, 1.0, 1.2, 1.5, 1.75, 2.0, 2.5, 3.0)
BASELINE_TAUS = (0.003, 0.005, 0.008, 0.012, 0.018, 0.027, 0.04)
TAU_LOG_SD = 0.7
_ROOT = Path(__file__).parents[2]


def main() -> None:
    """Fit what is missing, score, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.extrapolation.corpus")
    parser.add_argument("--fit", type=Path, required=True, help="folder of the public tables")
    parser.add_argument("--to", type=Path, default=_ROOT / "models/corpora/loss-2026-11-22.yaml")
    arguments = parser.parse_args()
    folder = WORK / "extrapolation" / "cells"
    folder.mkdir(parents=True, exist_ok=True)
    tables = read_tables(arguments.fit)
    splits = {name: list(rolling_splits(table.runs)) for name, table in tables.items()}
    splits = {name: parts for name, parts in splits.items() if parts}
    for tau in TAU_MEDIANS:
        jobs = [
            (fit_cell, (split, tau, cell_path(folder, name, split, f"tau{tau:g}")))
            for name, parts in splits.items()
            for split in parts
        ]
        fill(jobs, f"fits with tau about {tau:g}", os.cpu_count() or 1)
    arguments.to.parent.mkdir(exist_ok=True)
    arguments.to.write_text(
        _HEADER + yaml.safe_dump(_corpus(tables, splits, folder), sort_keys=False)
    )
    print(f"wrote {arguments.to}")


_HEADER = """\
# Mean log score (nats a run), and share held by 90 % intervals, of held-out runs at 2-20 times the cost
# of the costliest fitted run, rolling origins, for a grid of priors on the discrepancy: rows by
# tau_medians, columns by reaches.
# Made by `python -m benchmarks.extrapolation.corpus`; sources in benchmarks/extrapolation/tables.py.
"""


def _corpus(
    tables: Mapping[str, Table], splits: Mapping[str, list[Split]], folder: Path
) -> dict[str, Any]:
    ours, baseline = {}, {}
    for name, parts in splits.items():
        about = {
            "source_id": tables[name].source_id,
            "n_heldout": sum(len(split.heldout) for split in parts),
        }
        grid = np.array(
            [
                [
                    np.mean([_ours(folder, name, split, tau, reach) for split in parts], axis=0)
                    for reach in REACHES
                ]
                for tau in TAU_MEDIANS
            ]
        )
        ours[name] = {
            **about,
            "log_scores": grid[..., 0].round(4).tolist(),
            "coverage90": grid[..., 1].round(4).tolist(),
        }
        forecasts = [_baseline_scores(split) for split in parts]
        baseline[name] = {**about, "log_scores": np.mean(forecasts, axis=0).round(4).tolist()}
    return {
        "date": datetime.date.today().isoformat(),
        "tau_medians": list(TAU_MEDIANS),
        "reaches": list(REACHES),
        "tables": ours,
        "chinchilla_huber": {"taus": list(BASELINE_TAUS), "tables": baseline},
    }


def _ours(folder: Path, name: str, split: Split, tau: float, reach: float) -> tuple[float, float]:
    cell: Mapping[str, LawDraws] = read_cell(cell_path(folder, name, split, f"tau{tau:g}"))
    draws = pooled(law.draws(reach) for law in cell.values())
    observed = np.log(split.heldout["loss_nats"])
    low, high = np.quantile(draws, [0.05, 0.95], axis=0)
    return log_score(draws, observed), float(((low <= observed) & (observed <= high)).mean())


def _baseline_scores(split: Split) -> list[float]:
    draws = BASELINES["chinchilla_huber"](
        table_columns(split.fit, has_losses=True), table_columns(split.heldout, has_losses=False), 0
    ).draws
    observed = np.log(split.heldout["loss_nats"])
    return [
        log_score(draws + tau_error(tau, np.log(split.cost_ratios), len(draws)), observed)
        for tau in BASELINE_TAUS
    ]


def tau_error(tau: float, log_cost_distance: np.ndarray, n_draws: int) -> np.ndarray:
    """Return a Brownian error in log cost, shared by rows of one cost, ``(draw, row)``."""
    rng = np.random.default_rng(12)
    scale = tau * np.exp(TAU_LOG_SD * rng.standard_normal(n_draws))
    beyond = np.maximum(log_cost_distance, 0.0)
    order = np.argsort(beyond)
    steps = np.diff(beyond[order], prepend=0.0)
    path = np.cumsum(rng.standard_normal((n_draws, len(order))) * np.sqrt(steps), axis=1)
    error = np.empty_like(path)
    error[:, order] = path
    return scale[:, None] * error


def log_score(draws: np.ndarray, observed: np.ndarray) -> float:
    """Return the mean log density of a Student t with the draws' median and central spread."""
    low, median, high = np.quantile(draws, [0.16, 0.5, 0.84], axis=0)
    return float(stats.t.logpdf(observed, 6, median, (high - low) / 2).mean())


if __name__ == "__main__":
    main()
