"""One picture: ECDF of the ranks minus the diagonal, a panel a law."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.calibration.ranks import N_KEPT

_COLUMNS = 4
_COLOURS = {"coefficient": "#1f6feb", "scale": "#b7791f", "prediction": "#0a7d4f"}
_BAD, _BAND = "#c62828", "#e6e9ee"


def draw(laws: Mapping[str, Any], path: Path) -> None:
    """Write a PNG with every law, those that fail and those that were not run too."""
    n_rows = math.ceil(len(laws) / _COLUMNS)
    figure = Figure(figsize=(13, 2.3 * n_rows + 0.6), layout="constrained")
    axes = figure.subplots(n_rows, _COLUMNS, squeeze=False, sharex=True, sharey=True).ravel()
    for axis, (name, law) in zip(axes, laws.items(), strict=False):
        _panel(axis, name, law)
    for axis in axes[len(laws) :]:
        axis.axis("off")
    figure.suptitle(
        "ECDF of the truth's rank minus uniform; blue coefficients, ochre scales, green "
        "predictions, thick red fails; grey: 99 % of a uniform curve at each rank (run_share: a third of the tables)",
        fontsize=10,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)


def _panel(axis: Axes, name: str, law: Mapping[str, Any]) -> None:
    axis.axhline(0, lw=0.5, color="black")
    n = law["n_simulations"]
    if n == 0:
        axis.set_title(f"{name}: not run", fontsize=8)
        return
    at = np.arange(N_KEPT + 1)
    share = (at + 1) / (N_KEPT + 1)
    band = 2.576 * np.sqrt(share * (1 - share) / n)
    axis.fill_between(share, -band, band, color=_BAND)
    for quantity in law["quantities"].values():
        ranks = np.sort(quantity["ranks"])
        ecdf = np.searchsorted(ranks, at, side="right") / len(ranks)
        failed = quantity["fails"]
        colour = _BAD if failed else _COLOURS[quantity["kind"]]
        axis.plot(share, ecdf - share, lw=1.8 if failed else 0.8, color=colour)
    verdict = f"{len(law['failed'])} fail" if law["failed"] else "none fails"
    axis.set_title(
        f"{name}: {n} tables, {verdict}", fontsize=8, color=_BAD if law["failed"] else "black"
    )
    axis.set_ylim(-0.35, 0.35)
    axis.tick_params(labelsize=7)
