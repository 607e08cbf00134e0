"""How sure the choice is: what else may be the best, what it hangs on, what rules of thumb would do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bayeslaw.report.content import ReportContent
from bayeslaw.report.markup import Html, join, table, tag
from bayeslaw.report.numbers import (
    NBSP,
    count,
    gpu_hours,
    percent,
    significant,
    with_interval,
)
from bayeslaw.space import Architecture

_FACTORS = {
    "aspect_ratio": "width over depth (R)",
    "mlp_attention_ratio": "MLP over attention weights (r)",
    "gqa_group": "query heads per KV head",
    "n_layers": "layers",
    "d_model": "width",
}
_SOURCES = {
    "coefficients": "the law and its coefficients",
    "discrepancy": "what the law's form may be wrong by beyond the runs",
    "noise": "run-to-run noise",
    "latency": "latency",
}


def decision_section(content: ReportContent) -> Html:
    """Return the section; nothing where there is no recommendation or it says nothing of this."""
    found = content.recommendation
    if found is None or "credible_set" not in found:
        return Html("")
    return join(
        [
            _two_readings(found),
            _credible_set(found["credible_set"]),
            _drivers(found),
            _heuristics(found),
            _deciding_run(found["deciding_run"]),
        ]
    )


def _two_readings(found: Mapping[str, Any]) -> Html | None:
    rows = []
    for label in ("chosen", "runner_up"):
        forecast = found[label]
        if forecast is not None and forecast["p_best_apart"] is not None:
            shares = [forecast[name] for name in ("p_best", "p_pareto")]
            own = [forecast[f"{name}_apart"] for name in ("p_best", "p_pareto")]
            name = [
                tag("code", _shape(forecast)),
                tag("span", label.replace("_", " "), class_="badge"),
            ]
            rows.append([join(name, " "), *map(percent, shares), *map(percent, own)])
    if not rows:
        return None
    headers = ("Shape", "#P(best)", "#P(Pareto)", "#P(best), own errors", "#P(Pareto), own errors")
    caption = (
        "Beyond the runs the law may be wrong. As believed, architectures share most of that error, so "
        "their order is kept; were it each architecture's own, the last two columns hold. Which it is, "
        "no run inside the data tells."
    )
    return table(headers, rows, caption=caption)


def _credible_set(found: Mapping[str, Any]) -> Html:
    n = found["n_members"]
    many = "One candidate is" if n == 1 else f"One of {count(n)} candidates is"
    lead = f"{many} the best with a probability of {percent(found['probability'])}."
    rows = [
        [label, *(significant(found["factors"][name][end]) for end in ("low", "mode", "high"))]
        for name, label in _FACTORS.items()
    ]
    ranges = table(("Factor", "#Least", "#Likeliest", "#Greatest"), rows, caption=None)
    return join([tag("h3", "What else may be the best"), tag("p", lead), ranges])


def _drivers(found: Mapping[str, Any]) -> Html | None:
    shares = found["drivers"]
    if not shares:
        return None
    rows = [
        [_SOURCES.get(name, name), percent(share)]
        for name, share in sorted(shares.items(), key=lambda pair: -pair[1])
    ]
    caption = (
        "Share of the variance of the gap between chosen and runner-up, as two runs would show it, that "
        "goes when one unknown is held at its mean; unknowns that work together count more than once."
    )
    return join(
        [tag("h3", "What it hangs on"), table(("Unknown", "#Share"), rows, caption=caption)]
    )


def _heuristics(found: Mapping[str, Any]) -> Html | None:
    if not found["heuristics"]:
        return None
    rows = []
    for heuristic in found["heuristics"]:
        forecast = heuristic["forecast"]
        rows.append(
            [
                join([heuristic["name"], ": ", tag("code", _shape(forecast))]),
                with_interval(forecast["loss_nats"], extra_places=1),
                with_interval(forecast["tpot_ms"]),
                percent(forecast["p_feasible"]),
                percent(forecast["p_pareto"]),
                percent(heuristic["p_chosen_beats"]),
                percent(heuristic["p_chosen_lower_loss"]),
            ]
        )
    headers = (
        "Rule of thumb", "#Loss [nats/token]", "#TPOT [ms]", "#P(feasible)", "#P(Pareto)",
        "#P(chosen is better)", "#P(chosen has less loss)",
    )  # fmt: skip
    caption = f"What one would build without a law; medians with 90{NBSP}% intervals."
    return join([tag("h3", "Rules of thumb beside it"), table(headers, rows, caption=caption)])


def _deciding_run(run: Mapping[str, Any] | None) -> Html | None:
    if run is None:
        return None
    hours = run["cost_gpu_hours"]
    cost = "" if hours is None else f" for {gpu_hours(hours['p50'])}"
    gain = f"{100 * run['gain_share']:.2f}{NBSP}% (± {100 * run['gain_stderr']:.2f}) of the box"
    if run["is_worth_it"]:
        does = "would decide it" if run["decides"] else "would tell most about it"
        said = f" on {count(run['n_tokens'])} tokens{cost} {does}: it is expected to gain {gain}."
    else:
        said = (
            f" on {count(run['n_tokens'])} tokens{cost} is the most telling run within the budget, and "
            f"would gain {gain}: "
        )
        said += "the draws cannot tell whether it pays." if run["may_be_worth_it"] else "stop."
    return join([tag("h3", "What would decide it"), tag("p", tag("code", _shape(run)), said)])


def _shape(forecast: Mapping[str, Any]) -> Architecture:
    return Architecture.from_dict(dict(forecast["architecture"]))
