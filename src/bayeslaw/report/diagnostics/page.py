"""One HTML file with the verdicts on a fit and every figure behind them."""

from __future__ import annotations

from pathlib import Path

from bayeslaw.models.loss import Posterior
from bayeslaw.models.loss.checks import Diagnosis
from bayeslaw.report.diagnostics.figures import diagnostic_figures
from bayeslaw.report.markup import Html, join, table, tag
from bayeslaw.report.page import standalone, write_whole
from bayeslaw.report.sections import figure_block
from bayeslaw.report.tables import posterior_table

_ANSWERS = {True: "yes", False: "no", None: "cannot tell"}
QUESTIONS = {
    "mixed": "Do the chains agree?",
    "identified": "Did the runs teach every coefficient?",
    "separate": "Are coefficients told apart?",
    "calibrated": "Do fitted runs lie where they should?",
    "robust": "Does it hold without any one run?",
    "holds_beyond": "Do intervals hold on dearer runs?",
}
"""What each verdict answers, in words."""


def write_diagnosis(path: Path | str, posterior: Posterior, diagnosis: Diagnosis) -> Path:
    """Write verdicts and figures as one HTML file that needs nothing else.

    Args:
        path: The file; missing folders are made.
        posterior: What was fitted.
        diagnosis: From `diagnose_posterior`.

    Returns:
        The path.
    """
    figures = diagnostic_figures(posterior, diagnosis)
    title = f"{posterior.law_name} on {posterior.n_runs} runs"
    links = [tag("a", figure.title, href=f"#{figure.name}") for figure in figures]
    sections = [
        tag(
            "section",
            tag("h2", figure.title),
            figure_block(figure.name, figure.drawn, figure.caption),
            id=figure.name,
        )
        for figure in figures
    ]
    body = join(
        [
            tag("header", tag("p", "bayeslaw diagnose", class_="brand"), tag("h1", title)),
            tag("section", tag("h2", "Verdicts"), _verdicts(diagnosis), _about(posterior)),
            tag("nav", *links, aria_label="Figures"),
            *sections,
            tag("section", tag("h2", "Coefficients"), posterior_table(posterior)),
        ]
    )
    return write_whole(Path(path), standalone(f"{title} – bayeslaw diagnose", body))


def _verdicts(diagnosis: Diagnosis) -> Html:
    rows = [
        [QUESTIONS[v.question], _ANSWERS[v.is_good], tag("code", v.code), v.message]
        for v in diagnosis.verdicts
    ]
    return table(["Question", "Answer", "Code", "What was found"], rows, caption=None)


def _about(posterior: Posterior) -> Html:
    counted = "all weights" if posterior.n_column == "n_params" else "weights without embeddings"
    return tag(
        "p",
        f"{posterior.law_name}, {len(posterior):,} draws by {posterior.method}, N counts {counted}. "
        f"{posterior.law.source}.",
        class_="muted",
    )
