"""What is to be reached on ScaleBench, and whether it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.scalebench.methods import OURS
from benchmarks.scalebench.published import ALL_DATA, PUBLISHED

TOLERANCE = 0.005
"""Printed figures are rounded to two digits."""

RIVALS = ("paired_mspe", "paired_v_optimal", "paired_d_optimal")
_AHEAD = "paired_target_lookahead"
_MIDDLE = 1


def goals(figures: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return each goal with what was found, what it is to be, and whether it is reached.

    Args:
        figures: ``{task: {method: {"r2": ...}}}``; a goal of which there are no figures is left out.
    """
    found: dict[str, dict[str, Any]] = {}
    for task, methods in figures.items():
        if OURS in methods and task in PUBLISHED:
            found |= _end_to_end(task, methods[OURS]["r2"])
        if _AHEAD in methods:
            ours = float(np.mean(methods[_AHEAD]["r2"]))
            for rival in RIVALS:
                if rival in methods:
                    theirs = float(np.mean(methods[rival]["r2"]))
                    found[f"{task}: look-ahead over {rival}, mean R2"] = {
                        "found": ours, "at_least": theirs, "reached": ours > theirs,
                    }  # fmt: skip
    return found


def _end_to_end(task: str, r2: list[float]) -> dict[str, dict[str, Any]]:
    found = {}
    for place, (ours, theirs) in enumerate(zip(r2, PUBLISHED[task]["mspe"], strict=True)):
        if theirs > -1:
            found[f"{task}: checkpoint {place + 1}, published MSPE"] = {
                "found": ours, "at_least": theirs - TOLERANCE, "reached": ours >= theirs - TOLERANCE,
            }  # fmt: skip
    found[f"{task}: checkpoint {_MIDDLE + 1}, published fit to all data"] = {
        "found": r2[_MIDDLE], "at_least": ALL_DATA[task], "reached": r2[_MIDDLE] > ALL_DATA[task],
    }  # fmt: skip
    return found
