"""What the surrogate is to reach, and whether it does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

N_TIMED, N_MEASURED = "32", "8"


def goals(content: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return each goal with what was found, its bounds and whether it is reached.

    Args:
        content: ``sets``, ``new_device``, ``pooled`` and ``speed`` of the benchmark's figures. A
            goal of which there are no figures is left out.
    """
    found: dict[str, tuple[float, float, float]] = {}
    pooled = content["pooled"]
    if ours := pooled["n"].get(N_TIMED, {}).get("ours"):
        found["coverage90"] = (ours["coverage90"], 0.85, 0.95)
        found["coverage90 of the worst set"] = (ours["worst_coverage90"], 0.80, 0.97)
        found["coverage90 of the best set"] = (ours["best_coverage90"], 0.80, 0.97)
        if "mape_ratio_to_gp" in ours:
            found["mape over the gp's"] = (ours["mape_ratio_to_gp"], 0.0, 0.9)
            found["mape over the gp's, moonshot"] = (ours["mape_ratio_to_gp"], 0.0, 0.8)
    if ours := pooled["leave_one_out"].get("ours"):
        found["median mape of a model left out"] = (ours["mape_median"], 0.0, 0.06)
    for rival, most in (
        ("gp", 0.5),
        ("nearest_device_rescaled", 1.0),
        ("roofline_calibrated", 1.0),
    ):
        logs = [
            np.log(by_method["ours"]["mape"] / by_method[rival]["mape"])
            for one in content["new_device"].values()
            if {"ours", rival} <= set(by_method := one.get(N_MEASURED, {}))
        ]
        if logs:
            ratio = float(np.exp(np.mean(logs)))
            found[f"new device, mape over that of {rival}"] = (ratio, 0.0, most)
    for task, name, most in (
        ("fit_128", "seconds", 3.0),
        ("predict_million", "seconds", 5.0),
        ("predict_million", "peak_gb", 2.0),
        ("fit_hundred_thousand", "seconds", 120.0),
    ):
        if task in content["speed"]:
            found[f"{task}, {name}"] = (content["speed"][task][name], 0.0, most)
    return {
        goal: {"found": value, "at_least": low, "at_most": high, "reached": low <= value <= high}
        for goal, (value, low, high) in found.items()
    }
