"""How well is latency predicted: of new architectures, of models left out, on new devices?

python -m benchmarks.latency_surrogate --data DIR [--heldout DIR] [--quick] --json OUT
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
from benchmarks.extrapolation.cells import fill
from benchmarks.harness import WORK, circumstances
from benchmarks.latency_surrogate.cells import cell_path, fill_cell
from benchmarks.latency_surrogate.goals import goals
from benchmarks.latency_surrogate.methods import METHODS, methods_of
from benchmarks.latency_surrogate.scores import mean_scores, pool
from benchmarks.latency_surrogate.speed import measure_speed
from benchmarks.latency_surrogate.splits import (
    MEASURED,
    SIZES,
    Group,
    left_out_groups,
    new_device_groups,
    set_groups,
)
from benchmarks.latency_surrogate.tables import RESULTS, read_tables

N_SEEDS = 10
_QUICK_SEEDS, _QUICK_SIZES, _QUICK_MEASURED = 2, (8, 32), {0: 1, 8: 1}
_UNITS = {
    "mape": "mean share by which the median is off; 0.05 is 5 %",
    "spearman": "rank correlation",
    "coverage90": "share of timings inside the 90 % interval",
    "crps_log": "of log latency",
    "width90": "of the 90 % interval in log latency",
}
_SCORES = tuple(_UNITS)


def main() -> None:
    """Fit, predict, score, write."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.latency_surrogate", description=__doc__
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the public tables")
    parser.add_argument("--heldout", type=Path, help="folder of the same files: what to predict")
    parser.add_argument("--quick", action="store_true", help="fewer seeds and sizes, <= 10 minutes")
    parser.add_argument("--json", type=Path, required=True, help="where the figures go")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES, help="timed architectures")
    arguments = parser.parse_args()
    n_seeds, sizes, measured = N_SEEDS, tuple(arguments.sizes), MEASURED
    if arguments.quick:
        n_seeds, sizes, measured = _QUICK_SEEDS, _QUICK_SIZES, _QUICK_MEASURED
    # One thread a worker: shared among threads a small matrix takes longer.
    os.environ |= {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    tables = read_tables(arguments.data, own=RESULTS)
    if not tables:
        parser.error(f"{arguments.data} holds none of the public latency tables")
    heldout = None
    if arguments.heldout is not None:
        heldout = read_tables(arguments.heldout, architectures_from=arguments.data)
        if not heldout:
            parser.error(f"{arguments.heldout} holds none of the public latency tables")
    groups = [
        *set_groups(heldout or tables, n_seeds, sizes),
        *left_out_groups(tables, heldout),
        *new_device_groups(tables, heldout, measured, first_scale=arguments.quick),
    ]
    folder = WORK / "latency_surrogate" / "cells"
    folder.mkdir(parents=True, exist_ok=True)
    cells = [
        (group, method, cell_path(folder, group, method))
        for group in groups
        for method in methods_of(group)
        if method in arguments.methods
    ]
    fill([(fill_cell, cell) for cell in cells], "cells", os.cpu_count() or 1)
    content = _content(cells)
    content["speed"] = measure_speed() if "ours" in arguments.methods else {}
    content["goals"] = goals(content)
    _show(content)
    about = {"benchmark": "latency_surrogate", "quick": arguments.quick, "units": _UNITS}
    protocol = {"n_seeds": n_seeds, "sizes": sizes, "measured": measured}
    everything = {**about, "protocol": protocol, "circumstances": circumstances(), **content}
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(_without_nan(everything), indent=2, allow_nan=False)
    arguments.json.write_text(text + "\n")
    print(f"wrote {arguments.json}")


Rows = list[dict[str, Any]]


def _content(cells: Sequence[tuple[Group, str, Path]]) -> dict[str, Any]:
    """Gather cells into the figures of sets, left-out models and new devices, and pool them."""
    rows: dict[str, dict[tuple[str, str, str], Rows]] = {}
    for group, method, path in cells:
        for row in json.loads(path.read_text()):
            label = "" if group.kind == "leave_one_out" else row["label"]
            place = rows.setdefault(group.kind, {})
            place.setdefault((group.name, label, method), []).append(row)
    sets: dict[str, Any] = {}
    for (name, n, method), parts in rows.get("sets", {}).items():
        by_n = sets.setdefault(name, {}).setdefault("n", {})
        by_n.setdefault(n, {})[method] = _mean(parts)
    left_out: dict[str, Any] = {}
    for (name, _, method), parts in rows.get("leave_one_out", {}).items():
        left_out.setdefault(name, {})[method] = _over_models(parts)
    devices: dict[str, Any] = {}
    for (name, n, method), parts in rows.get("new_device", {}).items():
        devices.setdefault(name, {}).setdefault(n, {})[method] = _mean(parts)
    models: dict[tuple[str, str], dict[str, Any]] = {}
    for (name, _, method), parts in rows.get("leave_one_out", {}).items():
        for part in parts:
            models.setdefault((name, part["label"]), {})[method] = _mean([part])
    pooled = {
        "n": _pooled({name: one["n"] for name, one in sets.items()}),
        "leave_one_out": pool(list(models.values())) if models else {},
        "new_device": _pooled(devices),
    }
    return {"sets": sets, "leave_one_out": left_out, "new_device": devices, "pooled": pooled}


def _pooled(by_name: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Pool sets for each number of timings."""
    numbers = dict.fromkeys(n for one in by_name.values() for n in one)
    return {n: pool([one[n] for one in by_name.values() if n in one]) for n in numbers}


def _mean(parts: Rows) -> dict[str, float]:
    return mean_scores([{name: part[name] for name in _SCORES} for part in parts])


def _over_models(parts: Rows) -> dict[str, Any]:
    """Return the median error over left-out models, the means of all else, and each model's."""
    return {
        **_mean(parts),
        "mape": float(np.median([part["mape"] for part in parts])),
        "by_model": {part["label"]: _mean([part]) for part in parts},
    }


def _without_nan(value: Any) -> Any:
    """Return the content with None for what could not be scored: JSON knows no NaN."""
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _show(content: Mapping[str, Any]) -> None:
    pooled = content["pooled"]
    for n, by_method in pooled["n"].items():
        _show_pooled(f"{n} architectures timed, pooled over sets", by_method)
    _show_pooled("a model left out, pooled over models", pooled["leave_one_out"])
    for n, by_method in pooled["new_device"].items():
        _show_pooled(f"a new device with {n} timings, pooled over devices", by_method)
    for task, figures in content["speed"].items():
        print(task, " ".join(f"{name} {value:.3g}" for name, value in figures.items()))
    print_table(
        "goals",
        ["goal", "found", "at least", "at most", "reached"],
        [
            [goal, *(f"{one[key]:.3g}" for key in ("found", "at_least", "at_most")),
             "yes" if one["reached"] else "NO"]
            for goal, one in content["goals"].items()
        ],
    )  # fmt: skip


def _show_pooled(title: str, by_method: Mapping[str, Any]) -> None:
    print_table(
        title,
        [
            "method",
            "MAPE",
            "median",
            "over the GP's",
            "interval",
            "90 % held",
            "worst",
            "CRPS ratio",
        ],
        [
            [
                method,
                f"{found['mape']:.2%}",
                f"{found['mape_median']:.2%}",
                f"{found.get('mape_ratio_to_gp', np.nan):.3f}",
                "{:.2f} to {:.2f}".format(*found.get("mape_ratio_to_gp_ci", (np.nan, np.nan))),
                f"{found['coverage90']:.3f}",
                f"{found['worst_coverage90']:.2f}",
                f"{found.get('crps_ratio_to_gp', np.nan):.3f}",
            ]
            for method, found in by_method.items()
        ],
    )


if __name__ == "__main__":
    main()
