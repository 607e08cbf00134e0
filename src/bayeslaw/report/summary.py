"""The top of the page: what to build, how sure that is, and whether it came true."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bayeslaw.report.check import check_panel
from bayeslaw.report.content import ReportContent
from bayeslaw.report.markup import Html, join, tag
from bayeslaw.report.numbers import (
    NBSP,
    count,
    interval,
    median,
    percent,
    significant,
    with_interval,
)
from bayeslaw.space import Architecture

_DECIDING = ("undecidable", "limits_not_met")


def summary_section(content: ReportContent) -> Html:
    """Return the verdict in words and figures."""
    if content.recommendation is None or content.chosen is None:
        verdict = join([_target_line(content), _nothing_yet(content)])
    else:
        verdict = join(
            [_target_line(content), _headline(content), _figures(content, content.chosen)]
        )
    return tag(
        "section", verdict, _warnings(content), check_panel(content), _terms(content), id="verdict"
    )


def in_words(architecture: Architecture) -> str:
    """Return a shape in plain numbers.

    >>> small = Architecture(n_layers=4, d_model=128, n_heads=4, n_kv_heads=2, head_dim=32,
    ...                      d_ff=344, vocab_size=257, tied_embeddings=True)
    >>> in_words(small).replace(NBSP, " ")
    '4 layers of width 128, 4 query and 2 key-value heads of 32, SwiGLU MLP of 344'
    """
    heads = f"{architecture.n_heads}{NBSP}query and {architecture.n_kv_heads}{NBSP}key-value heads"
    if architecture.n_heads == architecture.n_kv_heads:
        heads = f"{architecture.n_heads}{NBSP}heads"
    mlp = "SwiGLU MLP" if architecture.gated_mlp else "MLP"
    return (
        f"{architecture.n_layers}{NBSP}layer{'s' if architecture.n_layers > 1 else ''} of width "
        f"{architecture.d_model}, {heads} of {architecture.head_dim}, {mlp} of {architecture.d_ff}"
    )


def _target_line(content: ReportContent) -> Html:
    target = content.target
    where = f"At {count(target.n_params)} weights and {count(target.n_tokens)} tokens"
    return tag("p", where, class_="eyebrow")


def _nothing_yet(content: ReportContent) -> Html:
    n_done = len(content.evidence)
    if not n_done:
        why = "No run is done, so nothing is known of the loss yet."
    elif not content.posteriors:
        why = f"{n_done} runs are done, but no law has been fitted to them."
    else:
        why = (
            f"A law has been fitted to {content.posteriors[0].n_runs} runs, but no choice was made."
        )
    return join(
        [tag("h2", "No recommendation yet", class_="headline"), tag("p", why, class_="lead")]
    )


def _headline(content: ReportContent) -> Html:
    assert content.recommendation is not None and content.chosen is not None
    architecture = content.centre
    is_decided = content.recommendation["is_decided"]
    chip = tag(
        "span",
        "decided" if is_decided else "not decided",
        class_=f"chip {'good' if is_decided else 'open'}",
    )
    deciding = [note for note in content.recommendation["notes"] if note["code"] in _DECIDING]
    said = [_sentence(note["message"]) for note in deciding] or [
        "It keeps the limits and stands out from its rivals."
    ]
    said.append(_odds(content.chosen))
    shape = (
        f"{count(architecture.n_params)} weights, {count(architecture.n_params_body)} without "
        f"embeddings; MLP-to-attention ratio {significant(architecture.mlp_attention_ratio)}, width "
        f"over depth {significant(architecture.aspect_ratio)}; in short "
    )
    words = tag("span", in_words(architecture), class_="shape")
    return join(
        [
            tag("h2", "Build ", words, " ", chip, class_="headline"),
            tag("p", " ".join(said).strip(), class_="lead"),
            tag("p", shape, tag("code", architecture), ".", class_="muted"),
        ]
    )


def _odds(chosen: Mapping[str, Any]) -> str:
    beats = chosen.get("p_beats") or {}
    labels = (("loss_nats", "a lower loss"), ("tpot_ms", "less time per token"))
    odds = [f"{label} with {percent(beats[name])}" for name, label in labels if name in beats]
    return f"Against the baseline: {' and '.join(odds)} probability." if odds else ""


def _figures(content: ReportContent, chosen: Mapping[str, Any]) -> Html:
    baseline = content.baseline or {}
    cards = [
        _card("Loss", chosen["loss_nats"], "nats/token", baseline.get("loss_nats"), extra_places=1),
        _card("Time per output token (TPOT)", chosen["tpot_ms"], "ms", baseline.get("tpot_ms")),
        _card("Time to first token (TTFT)", chosen.get("ttft_ms"), "ms", baseline.get("ttft_ms")),
    ]
    has_baseline = chosen.get("p_beats_baseline") is not None
    beaten = (
        "a lower loss and no more latency, at once" if has_baseline else "no baseline was given"
    )
    chances = [
        ("P(beats the baseline)", chosen.get("p_beats_baseline"), beaten),
        ("P(Pareto)", chosen["p_pareto"], "feasible, and no feasible candidate dominates it"),
        ("P(feasible)", chosen["p_feasible"], "all limits hold"),
    ]
    cards += [
        tag("div", tag("dt", label), tag("dd", percent(value)), tag("dd", note, class_="small"))
        for label, value, note in chances
    ]
    return tag("dl", *cards, class_="cards")


def _card(
    label: str,
    quantiles: Mapping[str, float] | None,
    unit: str,
    baseline: Mapping[str, float] | None,
    *,
    extra_places: int = 0,
) -> Html:
    if quantiles is None:
        return tag(
            "div",
            tag("dt", label),
            tag("dd", "–"),
            tag("dd", "not measured, so not predicted", class_="small"),
        )
    rival = (
        ""
        if baseline is None
        else f"; baseline {with_interval(baseline, extra_places=extra_places)}"
    )
    return tag(
        "div",
        tag("dt", label),
        tag(
            "dd",
            median(quantiles, extra_places=extra_places),
            tag("span", f" {unit}", class_="unit"),
        ),
        tag("dd", f"90{NBSP}%: {interval(quantiles)}{rival}", class_="small"),
    )


def _warnings(content: ReportContent) -> Html | None:
    """Say beside the verdict how many warnings qualify it; the notes further down explain."""
    codes = [note["code"] for _, note in content.notes if note["severity"] == "warning"]
    if not codes:
        return None
    number = "One warning qualifies" if len(codes) == 1 else f"{len(codes)} warnings qualify"
    names = join([tag("code", code) for code in dict.fromkeys(codes)], ", ")
    link = tag("a", "what they mean and what to do", href="#beliefs")
    return tag("p", f"{number} this: ", names, " (", link, ").", class_="muted")


def _terms(content: ReportContent) -> Html:
    target = content.target
    rows = [
        (
            "Target",
            f"{count(target.n_params)} weights (within {percent(target.tolerance)}), {count(target.n_tokens)} tokens",
        ),
        ("Wanted", join([tag("code", wanted) for wanted in target.objectives], ", ")),
        (
            "Limits",
            join([tag("code", limit) for limit in target.limits], ", ")
            if target.limits
            else "none",
        ),
        (
            "Baseline",
            join([in_words(target.baseline), f" ({count(target.baseline.n_params)} weights)"]),
        ),
    ]
    if content.extrapolation is not None:
        times = f"{significant(content.extrapolation)} times the cost (6 N D) of the costliest run fitted"
        rows.insert(1, ("Distance", times))
    if content.recommendation is not None:
        rows.append(("Chosen for", content.recommendation["rule"]))
    workloads = list(dict.fromkeys(m.workload for m in content.measurements))
    if workloads:
        w = workloads[0]
        more = f", and {len(workloads) - 1} more" if len(workloads) > 1 else ""
        serving = f"batch {w.batch_size}, {w.prompt_tokens} tokens in, {w.output_tokens} out, {w.precision}"
        rows.append(("Workload", f"{serving}, on {content.measurements[0].device}{more}"))
    return tag("dl", *(tag("div", tag("dt", k), tag("dd", v)) for k, v in rows), class_="terms")


def _sentence(message: str) -> str:
    return message[:1].upper() + message[1:] + ("" if message.endswith(".") else ".")
