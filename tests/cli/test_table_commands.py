import json

import numpy as np
import pytest

from bayeslaw.models.loss import LAWS

TRUTH = {"E": 1.8, "A": 400.0, "alpha": 0.34, "B": 1200.0, "beta": 0.36}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A lab's table whose headers are not ours."""
    rng = np.random.default_rng(3)
    n = 10 ** rng.uniform(7.5, 9, 24)
    d = n * 10 ** rng.uniform(0.7, 2, 24)
    loss = LAWS["chinchilla"](TRUTH, {"n_params": n, "n_tokens": d})
    loss = loss * np.exp(0.005 * rng.standard_normal(24))
    path = tmp_path_factory.mktemp("table") / "runs.csv"
    lines = [f"{round(a)},{round(b)},{c:.5f},x" for a, b, c in zip(n, d, loss, strict=True)]
    path.write_text("params,n_tokens,loss_nats,note\n" + "\n".join(lines) + "\n")
    return path


MAPPING = ("--column", "n_params=params", "--ignore", "note", "--method", "laplace")


def test_fit_prints_coefficients_and_saves_what_arviz_reads(bayeslaw, table, tmp_path):
    saved = tmp_path / "posterior.nc"
    code, out, _ = bayeslaw("fit", table, *MAPPING, "--save", saved, "--json")
    assert code == 0
    content = json.loads(out)
    rows = {row["name"]: row for row in content["coefficients"]}
    assert rows["alpha"]["p05"] < 0.34 < rows["alpha"]["p95"]
    assert content["n_runs"] == 24
    assert saved.stat().st_size > 0
    code, out, _ = bayeslaw("fit", table, *MAPPING)
    assert code == 0
    assert "alpha" in out and "2203.15556" in out


def test_predict_gives_an_interval_that_holds_the_truth_at_ten_times_the_cost(bayeslaw, table):
    code, out, _ = bayeslaw(
        "predict", table, "--n-params", "2e9", "--n-tokens", "6e10", *MAPPING, "--json"
    )
    assert code == 0
    content = json.loads(out)
    truth = LAWS["chinchilla"](TRUTH, {"n_params": 2e9, "n_tokens": 6e10})
    assert content["new_run"]["lower_nats"] < truth < content["new_run"]["upper_nats"]
    assert content["cost_over_costliest_run"] > 1
    code, out, _ = bayeslaw("predict", table, "--n-params", "2e9", "--n-tokens", "6e10", *MAPPING)
    assert "nats per token" in out


@pytest.mark.parametrize(
    ("words", "code", "match"),
    [
        (("fit", "TABLE"), 2, "n_params=params (all weights) or n_params_body=params"),
        (("fit", "--folder", "nowhere"), 3, "no table was given"),
        (("fti",), 2, "No such command"),
        (("fit", "TABLE", "--method", "guess"), 2, "not one of"),
        (("fit", "TABLE", *MAPPING, "--save", "nowhere/p.nc"), 2, "no folder nowhere"),
        (("predict", "TABLE", "--n-params", "1e9"), 2, "Missing option '--n-tokens'"),
        (("fit", "absent.csv"), 2, "cannot open"),
        (("fit", "TABLE", "--law", "unheard", *MAPPING), 2, "no law 'unheard'"),
        (("fit", "TABLE", "--law", "conditional_additive", *MAPPING), 2, "relative_width"),
        (("predict", "TABLE", "--n-tokens", "1e9"), 2, "either --n-params or --architecture"),
        (("predict", "TABLE", "--n-tokens", "-1", "--n-params", "1e9"), 2, "must be positive"),
        (
            ("predict", "TABLE", "--n-tokens", "1", "--n-params", "1", "--level", "90"),
            2,
            "between 0 and 1",
        ),
        (
            ("predict", "TABLE", "--n-tokens", "1", "--n-params", "1", "--law", "aspect_ratio"),
            2,
            "give --architecture",
        ),
        (("measure", "absent.json"), 2, "cannot read absent.json"),
        (("status", "--folder", "nowhere"), 3, "holds no study"),
        (("run", "unheard"), 3, "ships only"),
        (("observe", "r1"), 2, "exactly one of"),
    ],
)
def test_errors_have_codes_and_say_what_to_do(bayeslaw, table, words, code, match):
    words = [str(table) if word == "TABLE" else word for word in words]
    got, _, err = bayeslaw(*words)
    assert got == code
    assert match in " ".join(err.split())
    got, out, err = bayeslaw(*words, "--json")
    assert got == code
    assert match in json.loads(out)["error"]["message"]


def test_laws_are_listed_with_their_sources(bayeslaw):
    code, out, _ = bayeslaw("laws", "--json")
    assert code == 0
    assert {law["name"] for law in json.loads(out)} == set(LAWS)


def test_a_study_by_hand(bayeslaw, tmp_path):
    """A scheduler's view: init, suggest, train elsewhere, observe, supersede, export, import."""
    folder = ("--folder", tmp_path / "study")
    code, out, _ = bayeslaw("init", "demo", *folder, "--json")
    assert code == 0 and json.loads(out)["candidates"]["at_target"] > 100
    code, _, err = bayeslaw("suggest", *folder, "--dry-run")
    assert code == 2 and "plan them without" in " ".join(err.split())
    code, out, _ = bayeslaw("suggest", *folder, "--json")
    planned = json.loads(out)
    assert code == 0 and len(planned) == 8
    code, _, err = bayeslaw("suggest", *folder)
    assert code == 2 and "no run is done" in err
    for i, run in enumerate(planned):
        code, _, _ = bayeslaw(
            "observe", run["run_id"], "--loss-nats", 2 + 0.1 * i, "--cost-gpu-hours", 0.01, *folder
        )
        assert code == 0
    code, _, err = bayeslaw("suggest", *folder, "--dry-run", "--max-gpu-hours", 1)
    assert code == 2 and "no latency was measured" in " ".join(err.split())
    again = ("observe", "r0001", "--cost-gpu-hours", 0.01, "--loss-nats")
    assert bayeslaw(*again, 2.0, *folder)[0] == 0, "the same result twice changes nothing"
    code, _, err = bayeslaw(*again, 1.5, *folder)
    assert code == 4 and "the first result stands" in " ".join(err.split())
    code, _, err = bayeslaw(*again, "nan", *folder)
    assert code == 2 and "--failed" in err
    code, out, _ = bayeslaw("export", tmp_path / "nowhere" / "runs.csv", *folder, "--json")
    assert code == 2 and "nowhere" in json.loads(out)["error"]["message"]
    code, _, err = bayeslaw("observe", "r0001", "--failed", "too late", *folder)
    assert code == 4 and "done" in err
    assert bayeslaw("observe", "r0001", "--supersede", "wrong eval set", *folder)[0] == 0
    code, out, _ = bayeslaw("status", *folder, "--json")
    assert json.loads(out)["n_superseded"] == 1
    table = tmp_path / "runs.parquet"
    code, out, _ = bayeslaw("export", table, *folder, "--json")
    assert json.loads(out)["n_runs"] == 7
    other = ("--folder", tmp_path / "other")
    assert bayeslaw("init", "demo", *other)[0] == 0
    shapeless = tmp_path / "shapeless.csv"
    shapeless.write_text("n_params,n_tokens,loss_nats\n1000000,20000000,2.5\n")
    code, _, err = bayeslaw("import", shapeless, *other)
    assert code == 2 and "mlp_attention_ratio follows from" in " ".join(err.split())
    code, _, err = bayeslaw("import", table, *other, "--ignore", "cost_gpu_hours")
    assert code == 2 and "no cost_gpu_hours" in err
    code, out, _ = bayeslaw("import", table, *other, "--json")
    assert code == 0 and len(json.loads(out)["imported"]) == 7
    code, _, err = bayeslaw("import", table, *other)
    assert code == 4 and "r0002" in err
    code, out, _ = bayeslaw("status", *other)
    assert "superseded" not in out and "imported" in out
