"""The parts of the page below the verdict; a part with nothing to show says so or stays out."""

from __future__ import annotations

import json

import plotly.graph_objects as go

from bayeslaw.models.loss import Posterior
from bayeslaw.models.loss.diagnostics import MAX_RHAT, MIN_ESS_PER_CHAIN
from bayeslaw.report.content import ReportContent
from bayeslaw.report.decision import decision_section
from bayeslaw.report.figures import (
    front_figure,
    latency_figure,
    scaling_figure,
    shape_columns,
    shape_figure,
)
from bayeslaw.report.markup import Html, join, tag
from bayeslaw.report.numbers import NBSP, count, gpu_hours
from bayeslaw.report.tables import (
    front_table,
    notes_table,
    posterior_table,
    runs_table,
    spent_table,
    suggestions_list,
)

Section = tuple[str, str, Html]
"""Anchor, title and content."""


def all_sections(content: ReportContent) -> list[Section]:
    """Return every section that has something to say, in the order of the page."""
    found = [
        ("front", "The front at the target", _front(content)),
        ("decision", "How sure the choice is", decision_section(content)),
        ("shape", "What shape does to the loss", _shape(content)),
        ("scaling", "Loss against cost", _scaling(content)),
        ("latency", "Latency", _latency(content)),
        ("next", "What it would do next", _next(content)),
        ("beliefs", "What it believes", _beliefs(content)),
        ("runs", "The runs", _runs(content)),
        ("spent", "What was spent", _spent(content)),
        ("about", "Terms and versions", _made(content)),
    ]
    return [(anchor, title, body) for anchor, title, body in found if body]


def figure_block(anchor: str, figure: go.Figure, caption: str) -> Html:
    """Return a figure's data and the place where the script draws it."""
    # A closing tag or a comment inside a string would end the script element.
    data = json.dumps(json.loads(figure.to_json() or "{}"), separators=(",", ":"))
    for letter in "<>&":
        data = data.replace(letter, f"\\u{ord(letter):04x}")
    return tag(
        "figure",
        tag(
            "div",
            id=f"figure-{anchor}",
            class_="plot",
            style=f"min-height:{figure.layout.height}px",
        ),
        tag("script", Html(data), type="application/json", data_figure=f"figure-{anchor}"),
        tag("noscript", tag("p", "This figure needs JavaScript; all numbers are in the tables.")),
        tag("figcaption", caption),
    )


def _front(content: ReportContent) -> Html:
    if content.recommendation is None:
        return Html("")
    figure = front_figure(content)
    if figure is None:
        drawn = tag(
            "p",
            "Loss and latency are not both predicted, so there is no front to draw: time some architectures.",
        )
    else:
        drawn = figure_block(
            "front",
            figure,
            f"Loss against time per output token with 90{NBSP}% intervals; lower left is better. Larger "
            "and darker points are on the front in more draws. Errors of the law are shared: all "
            "candidates would miss together, so their order is surer than their intervals suggest.",
        )
    return join([drawn, front_table(content)])


def _shape(content: ReportContent) -> Html:
    if not content.posteriors:
        return Html("")
    if not shape_columns(content):
        names = ", ".join(posterior.law_name for posterior in content.posteriors)
        return tag(
            "p",
            f"The fitted law ({names}) has no term for shape: it cannot tell architectures of one size apart.",
        )
    figure = shape_figure(content)
    assert figure is not None
    centre = "recommended architecture" if content.chosen is not None else "baseline"
    return figure_block(
        "shape",
        figure,
        f"Each panel moves one ratio and holds the others at the {centre}, at the target's size and "
        f"tokens. Above: predicted loss. Below: the same, less each draw's own loss at the {centre}, "
        "so the error that all shapes share cancels. A band below that stays away from zero says "
        "the runs are sure that shape is worse; ticks at the bottom say where runs have been."
        + (" The laws weigh equally." if len(content.posteriors) > 1 else ""),
    )


def _scaling(content: ReportContent) -> Html:
    figure = scaling_figure(content)
    if figure is None:
        return Html("")
    caption = "Every run that counts."
    if content.posteriors:
        has_choice = content.chosen is not None
        shape = "recommended shape" if has_choice else "baseline's shape"
        bar = f"; the star's bar: a new run's, 90{NBSP}%" if has_choice else ""
        caption = (
            f"The band is the {shape} grown from the runs' mean size and tokens to the target's; "
            "runs of other shapes and other tokens per weight lie off it. In the grey range nothing "
            "was trained, and the band holds what the law's form may be wrong by there. Band: the "
            f"mean curve's{bar}."
        )
    return figure_block("scaling", figure, caption)


def _latency(content: ReportContent) -> Html:
    figure = latency_figure(content)
    if figure is None:
        return Html("")
    n_timed = sum(m.is_feasible for m in content.measurements)
    if content.latency is None:
        caption = (
            f"{n_timed} timings against size; bars are the interquartile range of the repeats."
        )
    else:
        caption = (
            f"{n_timed} timings against the surrogate's prediction of them (90{NBSP}% across). The surrogate "
            "learnt from these very timings, so this shows that it fits, not that it predicts."
        )
    if n_too_large := len(content.measurements) - n_timed:
        caption += f" {n_too_large} more did not fit into the device's memory."
    return figure_block("latency", figure, caption)


def _next(content: ReportContent) -> Html:
    if not content.suggestions:
        return Html("")
    return suggestions_list(content.suggestions)


def _beliefs(content: ReportContent) -> Html:
    parts: list[object] = []
    for posterior in content.posteriors:
        counted = (
            "all weights" if posterior.n_column == "n_params" else "weights without embeddings"
        )
        law = posterior.law
        parts += [
            tag("h3", posterior.law_name.replace("_", " ")),
            tag("p", f"Source: {law.source}. N counts {counted}. ", diagnostics_verdict(posterior)),
            posterior_table(posterior),
        ]
    if content.notes:
        parts += [tag("h3", "Notes"), notes_table(content.notes)]
    elif parts:
        parts.append(tag("p", "No notes: nothing to warn about."))
    return join(parts)


def diagnostics_verdict(posterior: Posterior) -> str:
    """Return in a sentence or two whether the draws can be trusted."""
    found = posterior.diagnostics
    if not found.rhat:
        if posterior.method == "map":
            return "Only the mode was found, so nothing here is an interval: fit with NUTS."
        if posterior.method == "laplace":
            return (
                f"{len(posterior):,} draws by Laplace, a Gaussian around the mode: quick, without chains, so without "
                "R-hat or effective sample sizes. Fit with NUTS before a decision that costs."
            )
        return f"{len(posterior):,} draws by {posterior.method}, without diagnostics."
    least = MIN_ESS_PER_CHAIN * posterior.n_chains
    is_good = (
        found.max_rhat <= MAX_RHAT
        and min(found.min_ess_bulk, found.min_ess_tail) >= least
        and not found.divergences
    )
    steps = "" if found.mean_steps is None else f", {found.mean_steps:.0f} leapfrog steps a draw"
    return (
        f"{'Well sampled' if is_good else 'Poorly sampled, see the notes'}: NUTS, {posterior.n_chains} chains, "
        f"{len(posterior):,} draws, worst R-hat {found.max_rhat:.3f} (should be at most {MAX_RHAT}), "
        f"smallest ESS {found.min_ess_bulk:,.0f} bulk and {found.min_ess_tail:,.0f} tail (should be at least {least:.0f}), "
        f"{found.divergences} divergences{steps}."
    )


def _runs(content: ReportContent) -> Html:
    if not content.runs:
        return tag("p", "No runs yet.")
    by_status: dict[str, int] = {}
    for run in content.runs:
        status = "superseded" if run.superseded else run.status
        by_status[status] = by_status.get(status, 0) + 1
    said = ", ".join(f"{number} {status}" for status, number in by_status.items())
    tokens = sum(run.n_tokens for run in content.evidence)
    lead = f"{said}. The runs that count saw {count(tokens)} tokens." if tokens else f"{said}."
    return join([tag("p", lead), runs_table(content.runs)])


def _spent(content: ReportContent) -> Html:
    parts: list[object] = []
    if content.spent_gpu_hours:
        parts.append(tag("p", f"Runs took {gpu_hours(content.spent_gpu_hours)} of device time."))
    if content.spent:
        parts.append(spent_table(content.spent))
    return join(parts)


def _made(content: ReportContent) -> Html:
    glossary = (
        (
            "Loss",
            "nats per token on the study's fixed evaluation set, final, of a finished schedule.",
        ),
        (
            "90 % interval",
            "from the 5 % to the 95 % quantile of belief about one new run, or one new timing.",
        ),
        (
            "P(Pareto)",
            "share of draws in which the candidate is feasible and no feasible candidate is at least as good in all objectives and better in one.",
        ),
        (
            "TTFT, TPOT",
            "time to the first token (prefill), and time per output token after it (decode).",
        ),
        (
            "x, r, R",
            "d_model / √N without embeddings; MLP over attention weights; d_model / n_layers.",
        ),
        ("Shape", "L layers, d width, h query / key-value heads × head width, ff MLP width."),
    )
    rows = [tag("div", tag("dt", term), tag("dd", meaning)) for term, meaning in glossary]
    rows += [
        tag("div", tag("dt", name), tag("dd", value)) for name, value in content.versions.items()
    ]
    return tag("dl", *rows, class_="terms")
