"""One HTML file that needs nothing else."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

from plotly.offline import get_plotlyjs

from bayeslaw.report.content import ReportContent
from bayeslaw.report.markup import Html, join, tag
from bayeslaw.report.sections import all_sections
from bayeslaw.report.summary import summary_section

# The browser itself holds the promise that nothing is fetched.
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'"
)


def write_report(path: Path, content: ReportContent) -> Path:
    """Write a study's report as one HTML file that needs nothing else.

    Text, tables and the check work without JavaScript; the figures are interactive and bring
    plotly.js along (about 4.8 MB). The same content gives the same bytes. Whoever reads the file
    while it is written sees the old one or the new one, never half of it.

    Args:
        path: The file; missing folders are made.
        content: What to say.

    Returns:
        The path.
    """
    return write_whole(Path(path), render(content))


def write_whole(path: Path, page: str) -> Path:
    """Write a page so that whoever reads it meanwhile sees the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(page, encoding="utf-8")
    os.replace(partial, path)
    return path


def render(content: ReportContent) -> str:
    """Return the page."""
    sections = all_sections(content)
    links = [tag("a", anchor.capitalize(), href=f"#{anchor}") for anchor, _, _ in sections]
    body = join(
        [
            tag(
                "header", tag("p", "bayeslaw report", class_="brand"), tag("h1", content.study_name)
            ),
            summary_section(content),
            tag("nav", *links, aria_label="Sections"),
            *(
                tag("section", tag("h2", title), part, id=anchor)
                for anchor, title, part in sections
            ),
        ]
    )
    return standalone(f"{content.study_name} – bayeslaw report", body)


def standalone(title: str, body: Html) -> str:
    """Return a page in the house's look that fetches nothing."""
    head = join(
        [
            Html('<meta charset="utf-8">'),
            Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
            Html(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'),
            Html('<meta name="color-scheme" content="light dark">'),
            tag("title", title),
            tag("style", Html(_read("page.css"))),
        ]
    )
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body><main>{body}</main>{_scripts(body)}</body></html>\n'


def _scripts(body: str) -> Html:
    """Return plotly.js, once, and what draws the figures; nothing where there is none."""
    if "data-figure=" not in body:
        return Html("")
    return join([tag("script", Html(get_plotlyjs())), tag("script", Html(_read("page.js")))])


def _read(name: str) -> str:
    return resources.files("bayeslaw.report").joinpath(name).read_text(encoding="utf-8")
