import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from bayeslaw.models.loss import LAWS, fit_law
from bayeslaw.report import ReportContent, write_report
from bayeslaw.report.numbers import interval
from bayeslaw.report.page import render
from bayeslaw.runs import Run, RunTable

VOID = {"meta", "img", "br", "link", "input", "hr"}


class _Structure(HTMLParser):
    """Collect text, attributes and scripts, and complain where tags do not nest."""

    def __init__(self):
        super().__init__()
        self.open, self.attributes, self.ids, self.links = [], [], [], []
        self.text, self.scripts = "", []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.ids += [value for name, value in attrs if name == "id"]
        self.links += [value for name, value in attrs if name == "href"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("script", "style"):
            self.scripts.append(data)
        else:
            self.text += data


def _read(content):
    page = _Structure()
    page.feed(render(content))
    assert page.open == []
    page.text = page.text.replace("\u00a0", " ")
    return page


@pytest.fixture(scope="module")
def page(content):
    return _read(content)


def test_the_verdict_names_shape_interval_and_probabilities_with_units(content, page):
    chosen = content.recommendation["chosen"]
    shape = chosen["architecture"]
    assert f"{shape['n_layers']} layers of width {shape['d_model']}" in page.text
    assert f"90 %: {interval(chosen['loss_nats'])}" in page.text
    assert f"90 %: {interval(chosen['tpot_ms'])}" in page.text
    for words in ("nats/token", " ms", "P(Pareto)", "P(feasible)", "P(beats the baseline)"):
        assert words in page.text
    assert ("not decided" in page.text) != content.recommendation["is_decided"]


def test_every_run_is_listed_with_status_and_reason(content, page):
    assert all(run.run_id in page.text for run in content.runs)
    assert "the evaluation set leaked into <train>" in page.text
    assert "superseded" in page.text and "failed" in page.text


def test_what_users_wrote_is_escaped_everywhere(content, page):
    assert "onerror=alert(1)" in page.text  # as text of a cell, not as an attribute
    assert not [found for found in page.attributes if found[1] == "onerror"]
    assert "tiny <study> & co" in page.text and "run-<b>14</b>" in page.text
    data = [script for script in page.scripts if script.startswith('{"data"')]
    assert len(data) == 4 and not any(letter in text for text in data for letter in "<>&")


def test_nothing_is_fetched_from_elsewhere(page):
    loading = [value for tag, name, value in page.attributes if name in ("src", "href", "srcset")]
    assert all(value.startswith("#") for value in loading)
    policy = [value for tag, name, value in page.attributes if "default-src 'none'" in value]
    assert len(policy) == 1
    own = [text for text in page.scripts if len(text) < 1_000_000]
    assert not any(re.search(r"https?://|@import|url\(", text) for text in own)


def test_links_inside_the_page_lead_somewhere_and_ids_are_unique(page):
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
    assert len(set(page.ids)) == len(page.ids)


def test_posterior_notes_suggestions_and_spending_are_shown(content, page):
    assert "arXiv:2510.18245" in page.text and "x_star" in page.text
    assert all(note["message"] in page.text for _, note in content.notes)
    assert all(suggestion["why"] in page.text for suggestion in content.suggestions)
    assert (
        "5 min 41 s" in page.text
        and "fit <nuts>" in page.text
        and "0.190 device-hours" in page.text
    )


def test_the_same_content_gives_the_same_bytes_and_plotly_once(content, tmp_path):
    first = write_report(tmp_path / "deep" / "a.html", content)
    second = write_report(tmp_path / "b.html", content)
    assert first.read_bytes() == second.read_bytes()
    assert first.read_text().count("plotly.js v") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.html", "deep"]


def test_a_study_that_has_nothing_yet_gives_a_small_page(target):
    page = render(ReportContent(study_name="new", target=target))
    assert "No recommendation yet" in page and "No run is done" in page
    assert len(page) < 30_000 and "<figure>" not in page


def test_runs_without_a_fit_are_drawn_without_a_prediction(content, target):
    page = _read(ReportContent(study_name="runs only", target=target, runs=content.runs))
    assert "no law has been fitted" in page.text and "figure-scaling" in page.ids
    assert "figure-shape" not in page.ids and "figure-front" not in page.ids


def test_before_a_recommendation_curves_pass_through_the_baseline(content):
    page = _read(replace(content, recommendation=None, check=None))
    assert {"figure-shape", "figure-scaling", "figure-latency"} <= set(page.ids)
    assert "the others at the baseline" in page.text


def test_without_latency_there_is_no_front_to_draw_but_a_table(content):
    chosen, baseline = (
        {**content.recommendation[name], "tpot_ms": None, "ttft_ms": None}
        for name in ("chosen", "baseline")
    )
    recommendation = {**content.recommendation, "chosen": chosen, "baseline": baseline, "front": []}
    page = _read(
        replace(content, recommendation=recommendation, measurements=(), latency=None, check=None)
    )
    assert "figure-front" not in page.ids and "time some architectures" in page.text
    assert "not measured, so not predicted" in page.text


def test_imported_runs_without_shapes_and_a_law_without_shape_are_fine(target):
    runs = [
        Run(f"r{i}", n_tokens=int(d), purpose="imported", columns={"n_params": n}).advance("running")
        .complete(loss_nats=1.0 + 40 / n**0.35 + 150 / d**0.37, cost_gpu_hours=0.1)
        for i, (n, d) in enumerate((n, d) for n in (1e5, 2e5, 4e5) for d in (1e6, 2e6, 4e6))
    ]  # fmt: skip
    posterior = fit_law(LAWS["chinchilla"], RunTable.from_runs(runs), method="map")
    page = _read(ReportContent("imported", target, runs=runs, posteriors=[posterior]))
    assert "has no term for shape" in page.text and "Only the mode was found" in page.text
    assert "figure-scaling" in page.ids and "all weights" in page.text


def test_the_page_says_how_sure_the_choice_is(content, page):
    found = content.recommendation
    assert "decision" in page.ids and "How sure the choice is" in page.text
    assert "own errors" in page.text and found["chosen"]["p_best_apart"] is not None
    for heuristic in found["heuristics"]:
        assert heuristic["name"] in page.text
    assert len(found["heuristics"]) and "run-to-run noise" in page.text
    older = {k: v for k, v in found.items() if k != "credible_set"}  # from before it was kept
    assert "decision" not in _read(replace(content, recommendation=older)).ids
