"""One picture of the four planning benchmarks, from the JSON files they left.

python -m benchmarks.planning_picture [--results DIR] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

_RESULTS = Path(__file__).parent / "results"
_OURS, _OTHER = "#1f5fa8", "#b8b8b8"


def draw(results: Path, out: Path) -> None:
    """Read the four files and draw; a file that is missing is an error that names it."""
    figures = plt.subplots(2, 2, figsize=(11, 7.5), layout="constrained")
    axes: Any = figures[1]
    scalebench(axes[0, 0], _read(results / "scalebench.json"))
    twin(axes[0, 1], _read(results / "digital-twin.json"))
    replay(axes[1, 0], _read(results / "replay.json"))
    speed(axes[1, 1], _read(results / "suggest-speed-quick.json"))
    figures[0].savefig(out, dpi=110)


def scalebench(axes: Axes, content: dict[str, Any]) -> None:
    """R2 at 5 % of the pool's cost by task, ours beside the published method and all data."""
    tasks = [task for task in ("moe", "parallel", "vocab", "lr_bsz") if task in content]
    ours = [content[task]["ours"]["r2"][1] for task in tasks]
    spread = [content[task]["ours"]["std"][1] for task in tasks]
    goals = content["goals"]
    published = [
        goals[f"{task}: checkpoint 2, published MSPE"]["at_least"] + 0.005 for task in tasks
    ]
    place = np.arange(len(tasks))
    axes.bar(place - 0.2, ours, 0.4, yerr=spread, color=_OURS, label="ours (sd over 10 seeds)")
    axes.bar(place + 0.2, published, 0.4, color=_OTHER, label="MSPE, published")
    axes.set_xticks(place, tasks)
    axes.set_ylabel("R2 on the target [-]")
    axes.set_title("scalebench: after 5 % of the pool's cost")
    axes.legend(loc="lower left")


def twin(axes: Axes, content: dict[str, Any]) -> None:
    """Hours over ours, with 90 % intervals over resampled labs."""
    pooled = {name: row for name, row in content["pooled"].items() if name != "ours"}
    names = sorted(pooled, key=lambda name: pooled[name]["ratio_to_ours"])
    ratio = np.array([pooled[name]["ratio_to_ours"] for name in names])
    low, high = np.array([pooled[name]["ratio_interval"] for name in names]).T
    axes.barh(names, ratio, xerr=[ratio - low, high - ratio], color=_OTHER)
    axes.axvline(1.0, color=_OURS, label="ours")
    axes.axvline(2.0, color="black", linestyle=":", label="asked")
    axes.set_xlabel("GPU-hours over ours [-], 90 % intervals")
    axes.set_title(f"digital twin: {pooled[names[0]]['n_truths']} labs, .1 % of loss for good")
    axes.legend()


def replay(axes: Axes, content: dict[str, Any]) -> None:
    """Asks until 95 and 99 % of the hypervolume; censored cells make bars lower bounds."""
    pooled = {n: row for n, row in content["pooled"].items() if row.get("evaluations_to_99")}
    names = list(pooled)
    place = np.arange(len(names))
    for shift, key, colour in (
        (-0.2, "evaluations_to_95", _OTHER),
        (0.2, "evaluations_to_99", _OURS),
    ):
        axes.barh(place + shift, [pooled[n][key] for n in names], 0.4, color=colour, label=key)
    axes.set_yticks(place, [f"{n} ({pooled[n]['censored']} censored)" for n in names])
    axes.set_xlabel(
        "asks [count]; bounds where censored; peers have fewer cells, see docs/replay.md"
    )
    axes.set_title("replay: hypervolume of a known pool")
    axes.legend()


def speed(axes: Axes, content: dict[str, Any]) -> None:
    """Seconds for four suggestions."""
    headline = content["headline"]
    named = {"ours, p95": "ours_p95_s", "Optuna GP": "optuna_gp_s", "Ax": "ax_s"}
    seconds = [headline[key] for key in named.values()]
    axes.barh(list(named), seconds, color=[_OURS, _OTHER, _OTHER])
    axes.set_xscale("log")
    axes.set_xlabel("seconds for 4 suggestions, 8 pending, 200 runs [s]")
    axes.set_title("suggest_speed")


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise SystemExit(f"{path.name} is missing: run the benchmark that writes it first")
    return json.loads(path.read_text())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planning_picture")
    parser.add_argument("--results", type=Path, default=_RESULTS)
    parser.add_argument("--out", type=Path, default=_RESULTS / "planning.png")
    arguments = parser.parse_args()
    draw(arguments.results, arguments.out)
    print(f"wrote {arguments.out.name}")
