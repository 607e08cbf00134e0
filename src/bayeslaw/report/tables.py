"""The tables of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bayeslaw.models.loss import Posterior
from bayeslaw.report.content import ReportContent
from bayeslaw.report.markup import Html, Row, join, table, tag
from bayeslaw.report.numbers import (
    NBSP,
    count,
    duration,
    percent,
    significant,
    tiny_or_huge,
    with_interval,
)
from bayeslaw.runs import Run
from bayeslaw.space import Architecture

_MAX_FRONT = 15


def front_table(content: ReportContent) -> Html:
    """Return the candidates that may be on the front, most likely first, and the baseline."""
    assert content.recommendation is not None and content.chosen is not None
    chosen, baseline = content.chosen, content.baseline
    others = [
        f for f in content.recommendation["front"] if f["architecture"] != chosen["architecture"]
    ]
    others.sort(key=lambda forecast: -forecast["p_pareto"])
    rows = [_forecast_row(chosen, "recommended", "chosen")]
    rows += [_forecast_row(forecast, "", None) for forecast in others[: _MAX_FRONT - 1]]
    if baseline is not None:
        rows.append(_forecast_row(baseline, "baseline", "baseline"))
    hidden = len(others) - (_MAX_FRONT - 1)
    more = f"; {hidden} less likely ones are left out" if hidden > 0 else ""
    headers = (
        "Shape", "#Weights", "#Loss [nats/token]", "#TPOT [ms]", "#P(Pareto)",
        "#P(feasible)", "#P(beats baseline)",
    )  # fmt: skip
    considered = count(content.recommendation["n_candidates"])
    caption = f"Most likely on the front, of {considered} candidates at the target{more}; medians with 90{NBSP}% intervals."
    return table(headers, rows, caption=caption)


def _forecast_row(forecast: Mapping[str, Any], label: str, class_: str | None) -> Row:
    architecture = Architecture.from_dict(dict(forecast["architecture"]))
    badge = tag("span", label, class_="badge") if label else None
    return Row(
        [
            join([tag("code", architecture), badge], " "),
            count(architecture.n_params),
            with_interval(forecast["loss_nats"], extra_places=1),
            with_interval(forecast["tpot_ms"]),
            percent(forecast["p_pareto"]),
            percent(forecast["p_feasible"]),
            percent(forecast.get("p_beats_baseline")),
        ],
        class_,
    )


def posterior_table(posterior: Posterior) -> Html:
    """Return a law's coefficients: mean, sd, quantiles and how well they were sampled."""
    meanings = {c.name: c.meaning for c in posterior.law.coefficients} | {
        "sigma": "run-to-run noise in log loss",
        "growth": "how fast noise grows off the middle in log tokens per weight",
        "run_share": "share of the noise that points of one training job have in common",
        "tau": "how fast the form may err along log cost",
        "rho": "how fast the form may err along log tokens per weight",
    }
    rows = [
        [
            tag("code", row["name"]),
            meanings.get(str(row["name"]), ""),
            *(tiny_or_huge(float(row[key])) for key in ("mean", "sd", "p05", "p50", "p95")),
            f"{row['rhat']:.3f}" if "rhat" in row else "–",
            *(f"{row[key]:,.0f}" if key in row else "–" for key in ("ess_bulk", "ess_tail")),
        ]
        for row in posterior.summary()
    ]
    headers = (
        "", "Meaning", "#Mean", "#SD", "#5 %", "#50 %", "#95 %", "#R-hat", "#ESS bulk", "#ESS tail",
    )  # fmt: skip
    caption = f"Coefficients of {posterior.law_name}, from {posterior.n_runs} runs."
    return table(headers, rows, caption=caption)


def notes_table(notes: Sequence[tuple[str, Mapping[str, str]]]) -> Html:
    """Return notes in the order given, each with where it comes from, its code and what to do."""
    rows = [
        [
            tag("span", note["severity"], class_=f"badge {_slug(note['severity'])}"),
            tag("code", note["code"]),
            note["message"],
            source,
        ]
        for source, note in notes
    ]
    return table(("Severity", "Code", "What it means, and what to do", "From"), rows, caption=None)


def runs_table(runs: Sequence[Run]) -> Html:
    """Return every run, failed and superseded ones with their reason."""
    headers = (
        "Run", "Purpose", "Status", "Shape", "#Weights N", "#Tokens D", "#Loss [nats/token]",
        "#Time",
    )  # fmt: skip
    rows = [_run_row(run) for run in runs]
    return table(headers, rows, caption=f"All {len(runs)} runs.", class_="runs")


def _run_row(run: Run) -> Row:
    status = "superseded" if run.superseded else run.status
    reason = run.superseded or run.reason
    badge = tag("span", status, class_=f"badge {_slug(status)}")
    loss = "–"
    if run.loss_nats is not None:
        error = "" if run.loss_stderr is None else f" ± {significant(run.loss_stderr, 2)}"
        loss = f"{run.loss_nats:.4f}{error}"
        if run.superseded:
            loss = tag("s", loss)
    return Row(
        [
            tag("code", run.run_id),
            run.purpose,
            join([badge, tag("div", reason, class_="reason") if reason else None]),
            "–" if run.architecture is None else tag("code", run.architecture),
            _weights(run),
            count(run.n_tokens),
            loss,
            _time(run),
        ],
        "dropped" if status in ("superseded", "failed", "abandoned", "stopped") else None,
    )


def _weights(run: Run) -> str:
    if run.architecture is not None:
        return count(run.architecture.n_params)
    if "n_params" in run.columns:
        return count(run.columns["n_params"])
    if "n_params_body" in run.columns:
        return f"{count(run.columns['n_params_body'])} (body)"
    return "–"


def _time(run: Run) -> str:
    seconds = run.record.get("seconds")
    if seconds is None and run.is_ended and run.cost_gpu_hours is not None:
        seconds = run.cost_gpu_hours * 3600
    return "–" if seconds is None else duration(float(seconds))


def suggestions_list(suggestions: Sequence[Mapping[str, Any]]) -> Html:
    """Return what would be run next, in order, each with what is expected of it and why."""
    items = []
    for suggestion in suggestions:
        shape = tag("code", Architecture.from_dict(dict(suggestion["architecture"])))
        expected = [
            f"{label} {with_interval(suggestion[name], unit)}"
            for name, label, unit in (
                ("loss_nats", "loss", "nats/token"),
                ("tpot_ms", "TPOT", "ms"),
            )
            if suggestion.get(name) is not None
        ]
        if suggestion["cost_gpu_hours"] is not None:
            expected.append(f"cost {_cost(suggestion['cost_gpu_hours'])}")
        items.append(
            tag(
                "li",
                tag("p", tag("b", shape, f" on {count(suggestion['n_tokens'])} tokens")),
                tag("p", "; ".join(expected), class_="muted") if expected else None,
                tag("p", suggestion["why"]),
            )
        )
    return tag("ol", *items, class_="next")


def _cost(quantiles: Mapping[str, float]) -> str:
    """Return device time with its interval, in the unit that suits the upper end."""
    is_short = quantiles["p95"] < 0.1
    scale, unit = (3600.0, "device-seconds") if is_short else (1.0, "device-hours")
    low, middle, high = (significant(scale * quantiles[key], 2) for key in ("p05", "p50", "p95"))
    return f"{middle}{NBSP}{unit} ({low}–{high})"


def spent_table(spent: Mapping[str, float]) -> Html:
    """Return wall time by step, with a bar that needs no script."""
    total = sum(spent.values())
    rows = []
    for step, seconds in sorted(spent.items(), key=lambda item: -item[1]):
        share = seconds / total if total else 0.0
        bar = tag("span", class_="bar", style=f"width:{100 * share:.1f}%")
        rows.append([step, duration(seconds), percent(share), tag("div", bar, class_="track")])
    return table(
        ("Step", "#Wall time", "#Share", ""),
        rows,
        caption=f"{duration(total)} in all.",
        class_="spent",
    )


def _slug(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalnum())
