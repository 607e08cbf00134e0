import json

import numpy as np
import pytest

from bayeslaw.models.loss import LAWS, Posterior, fit_law
from bayeslaw.models.loss.checks import diagnose_posterior
from bayeslaw.report.diagnostics import diagnostic_figures
from bayeslaw.runs import RunTable
from bayeslaw.runs.files import write_runs


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(3)
    n = np.round(10 ** rng.uniform(5, 6.3, 24))
    d = np.round(n * 10 ** rng.uniform(0.7, 1.7, 24))
    ratio = np.exp(rng.uniform(np.log(8), np.log(120), 24))
    base = 1.1 + 60.0 / n**0.4 + 180.0 / d**0.38
    return RunTable.from_columns(
        {
            "n_params": n,
            "n_tokens": d,
            "aspect_ratio": ratio,
            "loss_nats": base * np.exp(0.005 * rng.standard_normal(24)),
        },
        run_ids=[f"r{i}" for i in range(24)],
    )


@pytest.fixture(scope="module")
def files(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("diagnose")
    write_runs(table, folder / "runs.csv")
    posterior = fit_law(
        LAWS["aspect_ratio"], table, method="nuts", n_chains=2, n_warmup=150, n_draws=150
    )
    posterior.save(folder / "posterior.nc")
    return folder


def test_diagnose_prints_a_verdict_a_question(bayeslaw, files):
    code, out, _ = bayeslaw("diagnose", files / "posterior.nc", "--json")
    assert code == 0
    content = json.loads(out)
    assert [v["question"] for v in content["verdicts"]] == [
        "mixed", "identified", "separate", "calibrated", "robust", "holds_beyond",
    ]  # fmt: skip
    assert content["verdicts"][-1]["code"] == "not_checked" and content["page"] is None
    code, out, _ = bayeslaw("diagnose", files / "posterior.nc")
    assert code == 0 and "calibrated" in out and "nats" not in out.split("question")[0]


def test_with_its_table_it_predicts_dearer_runs_and_writes_every_figure(bayeslaw, files, tmp_path):
    words = ("--table", files / "runs.csv", "--folder", tmp_path / "out", "--json")
    code, out, _ = bayeslaw("diagnose", files / "posterior.nc", *words)
    assert code == 0
    content = json.loads(out)
    beyond = content["verdicts"][-1]
    assert beyond["code"] in ("holds_beyond", "wide_beyond", "misses_beyond")
    assert 0 <= beyond["figures"]["coverage90"] <= 1
    page = (tmp_path / "out" / "diagnosis.html").read_text(encoding="utf-8")
    for name in (
        "coverage", "predicted_measured", "loo_pit", "posterior_predictive", "pareto_k",
        "loss_flops", "loss_size", "isoflop", "shape", "forest", "pair", "trace", "rank",
    ):  # fmt: skip
        assert f'data-figure="figure-{name}"' in page, name
    assert "https://" not in page.split("plotly.js v")[0]


def test_every_axis_says_what_it_shows(files):
    posterior = Posterior.load(files / "posterior.nc")
    figures = diagnostic_figures(posterior, diagnose_posterior(posterior))
    assert len(figures) == 12
    for figure in figures:
        layout = figure.drawn.layout
        titled = [
            axis.title.text
            for axis in (*figure.drawn.select_xaxes(), *figure.drawn.select_yaxes())
            if axis.title.text
        ]
        assert titled, figure.name
        if figure.name not in ("pair", "trace", "rank", "shape"):
            assert layout.xaxis.title.text and layout.yaxis.title.text, figure.name
        if figure.name in ("loss_flops", "loss_size", "isoflop"):
            assert "nats per token" in layout.yaxis.title.text
            assert "[FLOP]" in layout.xaxis.title.text or "[count]" in layout.xaxis.title.text


def test_a_posterior_of_another_table_is_refused(bayeslaw, files, table, tmp_path):
    write_runs(table.select(np.arange(20)), tmp_path / "fewer.csv")
    code, _, err = bayeslaw("diagnose", files / "posterior.nc", "--table", tmp_path / "fewer.csv")
    assert code == 2 and "the data changed" in err


def test_what_is_no_posterior_is_refused(bayeslaw, files):
    code, _, err = bayeslaw("diagnose", files / "none.nc")
    assert code == 3 and "no file" in err
    code, _, err = bayeslaw("diagnose", files / "runs.csv")
    assert code == 2 and "not a posterior" in err
    code, _, err = bayeslaw("diagnose", files / "posterior.nc", "--column", "n_params=x")
    assert code == 2 and "--table" in err
