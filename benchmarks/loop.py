"""Seconds in each step of a study: time, fit, plan, train, decide, check.

The study is the demo; ``--quick`` has four first runs and one round. What a user waits for besides
training and timing is the overhead, and its ratio to them is the figure to keep small.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bayeslaw.shipped import shipped_file
from bayeslaw.study.config import StudyConfig
from bayeslaw.study.loop import run_study
from bayeslaw.study.study import Study
from benchmarks.harness import run_benchmark

_WORK = ("time", "train", "check")


def measure(quick: bool, folder: Path) -> tuple[dict[str, Any], Sequence[Sequence[Any]]]:
    config = StudyConfig.read(shipped_file("search", "demo"))
    if quick:
        plan = config.plan.model_copy(update={"initial_runs": 4, "rounds": 1, "measured": 6})
        config = config.model_copy(update={"plan": plan})
    study = Study.create(folder / "study", config, notify=_say)
    summary = run_study(study)
    seconds = summary["seconds"]
    counts = {
        "time": len(study.measurements),
        "train": len(summary["runs"]),
        "fit": summary["rounds"] + 1,
        "plan": summary["rounds"] + 1,
        "recommend": 1,
        "check": 1,
        "report": 1,
    }
    work = sum(seconds[step] for step in _WORK)
    overhead = sum(value for step, value in seconds.items() if step not in _WORK)
    figures = {
        "headline": {
            "seconds_total": summary["seconds_total"],
            "overhead_over_work": overhead / work,
        },
        "steps": {
            step: {"seconds": value, "count": counts[step], "seconds_each": value / counts[step]}
            for step, value in seconds.items()
        },
        "rounds": summary["rounds"],
    }
    rows = [
        [step, row["count"], row["seconds"], row["seconds_each"]]
        for step, row in figures["steps"].items()
    ]
    return figures, [
        *rows,
        ["overhead / work", None, figures["headline"]["overhead_over_work"], None],
    ]


def _say(kind: str, details: Any) -> None:
    if kind == "step":
        print(details["text"], flush=True)


if __name__ == "__main__":
    run_benchmark("loop", measure, ["step", "times", "seconds", "seconds each"], __doc__ or "")
