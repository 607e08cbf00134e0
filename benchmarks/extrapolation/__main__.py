"""How honest are intervals on models larger than any seen?

python -m benchmarks.extrapolation --fit DIR [--heldout DIR] [--quick] --json OUT
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bayeslaw.cli.output import print_table
from bayeslaw.runs import RunTable
from benchmarks.extrapolation.baselines import simple_scaling_laws
from benchmarks.extrapolation.cells import fill
from benchmarks.extrapolation.methods import METHODS, cells_of, draws_of
from benchmarks.extrapolation.scores import held_by_distance, mean_scores, pairs_held, pool, score
from benchmarks.extrapolation.splits import COST_RATIOS, Split, rolling_splits
from benchmarks.extrapolation.tables import Table, read_tables
from benchmarks.harness import WORK, circumstances

_QUICK_SPLITS = 1


def main() -> None:
    """Fit, predict, score, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.extrapolation", description=__doc__)
    parser.add_argument("--fit", type=Path, required=True, help="folder of tables to fit")
    parser.add_argument("--heldout", type=Path, help="folder of the same files: rows to predict")
    parser.add_argument("--quick", action="store_true", help="one split a table, <= 10 minutes")
    parser.add_argument("--json", type=Path, required=True, help="where the figures go")
    arguments = parser.parse_args()
    folder = WORK / "extrapolation" / "cells"
    folder.mkdir(parents=True, exist_ok=True)
    tables = read_tables(arguments.fit)
    if not tables:
        parser.error(f"{arguments.fit} holds none of the public tables")
    if not simple_scaling_laws.is_installed():
        simple_scaling_laws.install()
    content: dict[str, Any] = {"interpolated": {}, "unseen_group": {}}
    if arguments.heldout is None:
        every = {name: list(rolling_splits(table.runs)) for name, table in tables.items()}
        if arguments.quick:
            every = {name: splits[-_QUICK_SPLITS:] for name, splits in every.items()}
        beyond = {name: splits for name, splits in every.items() if splits}
        content["left_out"] = sorted(set(tables) - set(beyond))
    else:
        beyond, near, unseen = _against(tables, read_tables(arguments.heldout))
        content["interpolated"] = _score(tables, near, folder)
        content["unseen_group"] = {name: {"n_heldout": len(runs)} for name, runs in unseen.items()}
    content["tables"] = _score(tables, beyond, folder)
    content["pooled"] = pool(content["tables"])
    _show(content["tables"], content["pooled"])
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    about = {"benchmark": "extrapolation", "quick": arguments.quick}
    everything = _without_nan({**about, "circumstances": circumstances(), **content})
    arguments.json.write_text(json.dumps(everything, indent=2, allow_nan=False) + "\n")
    print(f"wrote {arguments.json}")


def _against(
    fitted: Mapping[str, Table], heldout: Mapping[str, Table]
) -> tuple[dict[str, list[Split]], dict[str, list[Split]], dict[str, RunTable]]:
    """Return held-out rows beyond the fitted ones, near them, and those of groups never fitted."""
    beyond, near, unseen = {}, {}, {}
    for name, table in heldout.items():
        if name not in fitted:
            unseen[name] = table.runs
            continue
        runs = fitted[name].runs
        is_beyond = table.runs.train_flops >= COST_RATIOS[0] * runs.train_flops.max()
        for rows, kind in ((is_beyond, beyond), (~is_beyond, near)):
            if rows.any():
                kind[name] = [Split(runs, table.runs.select(rows))]
    for splits in beyond.values():
        assert all((split.cost_ratios > 1).all() for split in splits)
    return beyond, near, unseen


def _score(
    tables: Mapping[str, Table], splits: Mapping[str, Sequence[Split]], folder: Path
) -> dict[str, Any]:
    jobs = [
        job
        for name, parts in splits.items()
        for split in parts
        for job in cells_of(folder, name, tables[name].source_id, split)
    ]
    fill(jobs, "fits", os.cpu_count() or 1)
    scored = {}
    for name, parts in splits.items():
        by_method: dict[str, list[dict[str, float]]] = {}
        for split in parts:
            observed = np.log(split.heldout["loss_nats"])
            for method, draws in draws_of(folder, name, tables[name].source_id, split).items():
                figures = {
                    **score(draws, observed),
                    **held_by_distance(draws, observed, split.cost_ratios),
                    "pairs_coverage90": pairs_held(draws, observed, np.log(split.cost_ratios)),
                }
                by_method.setdefault(method, []).append(figures)
        scored[name] = {
            "family": tables[name].source_id,
            "n_fit": [len(split.fit) for split in parts],
            "n_heldout": [len(split.heldout) for split in parts],
            "cost_ratio": [float(np.median(split.cost_ratios)) for split in parts],
            "methods": {method: mean_scores(rows) for method, rows in by_method.items()},
        }
    return scored


def _without_nan(value: Any) -> Any:
    """Return the content with None for what could not be scored: JSON knows no NaN."""
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _show(tables: Mapping[str, Any], pooled: Mapping[str, Any]) -> None:
    ranked = sorted(tables, key=lambda name: tables[name]["methods"]["ours"]["coverage90"])
    print_table(
        "ours by table, the least covered first (log loss; CRPS over chinchilla_huber's)",
        ["table", "90 % held", "50 % held", "bias", "width 90 %", "CRPS", "ratio"],
        [
            [name, *(f"{ours[key]:.3f}" for key in ("coverage90", "coverage50", "bias", "width90")),
             f"{ours['crps']:.4f}", f"{ours['crps'] / huber['crps']:.2f}"]
            for name in ranked
            for ours, huber in [
                (tables[name]["methods"]["ours"], tables[name]["methods"]["chinchilla_huber"])
            ]
        ],
    )  # fmt: skip
    keys = {"crps_ratio": "CRPS", "interval_score_ratio": "interval score", "coverage90": "90 % held",
            "coverage90_2_5x": "at 2-5x", "coverage90_5_10x": "5-10x", "coverage90_10_20x": "10-20x",
            "coverage50": "50 % held", "pairs_coverage90": "pairs"}  # fmt: skip
    print_table(
        f"pooled over {len(tables)} tables (CRPS and interval score over chinchilla_huber's)",
        ["method", *keys.values(), "90 % held, interval"],
        [
            [m, *(f"{pooled[m][key]:.3f}" for key in keys),
             "{:.2f} to {:.2f}".format(*pooled[m]["coverage90_ci"])]
            for m in METHODS if m in pooled
        ],
    )  # fmt: skip


if __name__ == "__main__":
    main()
