"""One picture of what the suite says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.tiny.suite import Suite

_INK, _MARK, _PALE = "#1f2933", "#1f6feb", "#c9d6e8"
_SHADES = ("#a8c7fa", _MARK, "#0b3d91")
_SPLITS = {
    "other_shapes": "other shapes",
    "dearer_runs": "dearer 40 %",
    "larger_sizes": "larger sizes",
}


def draw(suite: Suite, figures: Mapping[str, Any], path: Path) -> None:
    """Write a PNG of six panels."""
    figure = Figure(figsize=(13, 7.6), layout="constrained")
    axes = figure.subplots(2, 3).ravel()
    _runs(axes[0], suite)
    factors = figures["effects"]["factors"]
    for axis, (name, label) in zip(
        axes[1:4],
        {
            "aspect_ratio": "aspect ratio, d_model / n_layers",
            "mlp_attention_ratio": "MLP / attention weights, r",
            "gqa_group": "query heads a KV head",
        }.items(),
        strict=True,
    ):
        if name in factors:
            _effect(axis, factors[name], label)
    _held_out(axes[4], figures["held_out"])
    _shape_errors(axes[5], figures)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _runs(axis: Axes, suite: Suite) -> None:
    cost = suite.table.train_flops
    for trunk in np.unique(suite.trunk):
        rows = np.flatnonzero(suite.trunk == trunk)
        rows = rows[np.argsort(suite.budget[rows])]
        shade = 0.2 + 0.7 * suite.size[rows[0]] / max(suite.n_sizes - 1, 1)
        axis.plot(
            cost[rows], np.exp(suite.log_loss[rows]), "o-", ms=2.5, lw=0.7, color=_MARK, alpha=shade
        )
    axis.set(xscale="log", xlabel="6 N D [FLOP]", ylabel="loss [nats a byte]")
    axis.set_title(f"{len(suite)} points of {len(np.unique(suite.trunk))} trunks", fontsize=10)


def _effect(axis: Axes, factor: Mapping[str, Any], label: str) -> None:
    line, shapes = factor["curve"]["line"], factor["curve"]["shapes"]
    axis.fill_between(line["x"], line["low"], line["high"], color=_PALE)
    axis.plot(line["x"], line["median"], color=_MARK)
    axis.plot(shapes["x"], shapes["nats"], "o", ms=3, color=_INK)
    axis.axhline(0, lw=0.5, color=_INK)
    axis.set(xscale="log", xlabel=label, ylabel="loss minus that of the middle [nats]")
    low, high = factor["range"]
    ticks = np.geomspace(low, high, 4)
    axis.set_xticks(ticks, [f"{tick:.2g}" for tick in ticks])
    axis.set_xticks([], minor=True)
    axis.set_title(f"{factor['verdict']}, p = {factor['p_value']:.2g}", fontsize=10)


def _held_out(axis: Axes, held_out: Mapping[str, Any]) -> None:
    labels = list(held_out["other_shapes"])
    places = np.arange(len(labels))
    for i, (split, title) in enumerate(_SPLITS.items()):
        values = [held_out[split][label]["mae_nats"] for label in labels]
        axis.barh(places + 0.25 * (1 - i), values, 0.24, label=title, color=_SHADES[i])
    axis.set_yticks(places, [label.replace("_", " ") for label in labels], fontsize=8)
    axis.invert_yaxis()
    axis.set(xlabel="mean absolute error on runs not seen [nats]")
    axis.legend(fontsize=8, frameon=False)
    axis.set_title("laws", fontsize=10)


def _shape_errors(axis: Axes, figures: Mapping[str, Any]) -> None:
    best = figures["headline"]["best_law"]["larger_sizes"]
    cut = figures["shape_errors"][best]["cuts"][0]
    for i, row in enumerate(cut["sizes"]):
        color = _INK if row["is_fitted"] else _MARK
        # Fitted sizes are all at distance 0; side by side they can be read.
        x = row["log_cost_distance"] - (
            0.08 * (cut["n_sizes_fitted"] - i) if row["is_fitted"] else 0
        )
        axis.plot(x, abs(row["mean_error"]), "x", color=color)
        if (sd := row["shape_sd"]) is not None:
            axis.errorbar(
                x,
                sd["median"],
                [[sd["median"] - sd["low"]], [sd["high"] - sd["median"]]],
                fmt="o",
                ms=4,
                lw=0.8,
                color=color,
            )
    axis.set(
        xlabel=f"log cost beyond the fitted sizes, <= {cut['fitted_up_to']}",
        ylabel="error of log loss",
        ylim=(0, None),
    )
    axis.set_title(f"{best.replace('_', ' ')}: o sd of shapes, x |mean|", fontsize=9)
