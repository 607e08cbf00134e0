"""A recommendation and its check, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bayeslaw.cli.output import console, interval, number, print_notes, print_table, stacked
from bayeslaw.models.notes import Note
from bayeslaw.space import Architecture


def show_recommendation(content: Mapping[str, Any], n_shown: int) -> None:
    """Print the chosen architecture, the baseline and the likeliest of the front."""
    rows = [("chosen", content["chosen"])]
    if content["baseline"] is not None:
        rows.append(("baseline", content["baseline"]))
    front = sorted(content["front"], key=lambda forecast: -forecast["p_pareto"])
    rows += [("front", f) for f in front if f["architecture"] != rows[0][1]["architecture"]][
        :n_shown
    ]
    print_table(
        "at the target: median [90 % interval], and the probability to be on the Pareto front, to "
        "keep the limits, to beat the baseline's loss",
        ["", "shape", "loss [nats]", "TTFT [ms]", "TPOT [ms]", "front", "limits", "beats"],
        [_row(label, forecast) for label, forecast in rows],
        left=2,
    )  # fmt: skip
    console().print(f"chosen for the {content['rule']}", markup=False, highlight=False)
    _show_credible_set(content["credible_set"])
    _show_beside(content)
    print_notes(Note(**note) for note in content["notes"])


def _show_credible_set(found: Mapping[str, Any]) -> None:
    print_table(
        f"may be the best with {found['probability']:.0%}: {found['n_members']} candidate(s), with",
        ["", "least", "likeliest", "greatest"],
        [
            [name, *(factor[end] for end in ("low", "mode", "high"))]
            for name, factor in found["factors"].items()
        ],
    )


def _show_beside(content: Mapping[str, Any]) -> None:
    """Print what the choice hangs on, and rules of thumb beside it."""
    if content["drivers"]:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in content["drivers"].items())
        console().print(
            f"the gap to the runner-up varies with: {shares}", markup=False, highlight=False
        )
    if content["heuristics"]:
        print_table(
            "rules of thumb, and the probability that the chosen one is better, and of less loss",
            ["rule", "shape", "loss [nats]", "TPOT [ms]", "limits", "better", "less loss"],
            [
                [
                    heuristic["name"].replace(" (", "\n("),
                    _words(heuristic["forecast"]),
                    *(stacked(heuristic["forecast"][key]) for key in ("loss_nats", "tpot_ms")),
                    heuristic["forecast"]["p_feasible"],
                    heuristic["p_chosen_beats"],
                    heuristic["p_chosen_lower_loss"],
                ]
                for heuristic in content["heuristics"]
            ],
            left=2,
        )


def show_check(summary: Mapping[str, Any]) -> None:
    """Print predicted intervals against what was measured."""
    check, predicted = summary["check"], summary["recommendation"]
    print_table(
        f"check: trained at the target ({check['n_params']:,} weights, {check['n_tokens']:,} tokens)",
        ["", "predicted, 90 %", "measured", "inside", "baseline measured"],
        [
            [label, interval({q: predicted[f"{key}_{q}"] for q in ("p05", "p50", "p95")}),
             number(check[f"recommended_{key}"]), "yes" if check[inside] else "no",
             number(check[f"baseline_{key}"])]
            for label, key, inside in (
                ("loss [nats/token]", "loss", "loss_inside_90"),
                ("TPOT [ms]", "tpot_ms", "latency_inside_90"),
            )
        ],
    )  # fmt: skip
    console().print(f"{summary['seconds_total']:.0f} s in all", highlight=False)


def _row(label: str, forecast: Mapping[str, Any]) -> list[Any]:
    return [
        label,
        _words(forecast),
        *(stacked(forecast[key]) for key in ("loss_nats", "ttft_ms", "tpot_ms")),
        *(forecast[key] for key in ("p_pareto", "p_feasible", "p_beats_baseline")),
    ]


def _words(forecast: Mapping[str, Any]) -> str:
    return str(Architecture.from_dict(forecast["architecture"])).replace(" ff", "\nff")
