import json
import subprocess
import sys

import numpy as np
import pytest

from bayeslaw.models.loss import LAWS

TRUTH = {"E": 1.8, "A": 400.0, "alpha": 0.34, "B": 1200.0, "beta": 0.36}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Runs of 3e7 to 1e9 weights and 5 to 100 tokens a weight."""
    rng = np.random.default_rng(3)
    n = np.round(10 ** rng.uniform(7.5, 9, 24))
    d = np.round(n * 10 ** rng.uniform(0.7, 2, 24))
    loss = LAWS["chinchilla"](TRUTH, {"n_params": n, "n_tokens": d})
    loss = loss * np.exp(0.005 * rng.standard_normal(24))
    path = tmp_path_factory.mktemp("table") / "runs.csv"
    lines = [f"{a:.0f},{b:.0f},{c:.5f}" for a, b, c in zip(n, d, loss, strict=True)]
    path.write_text("n_params,n_tokens,loss_nats\n" + "\n".join(lines) + "\n")
    return path


def test_a_table_s_runs_give_a_size_whose_interval_holds_the_truth(bayeslaw, table):
    words = ("allocate", table, "--budget-flops", "1e21", "--method", "laplace", "--json")
    code, out, err = bayeslaw(*words)
    assert (code, err) == (0, "")
    best = json.loads(out)
    a, b = TRUTH["alpha"], TRUTH["beta"]
    g = (a * TRUTH["A"] / (b * TRUTH["B"])) ** (1 / (a + b))
    truth = g * (1e21 / 6) ** (b / (a + b))
    assert best["n_params"]["lower"] < truth < best["n_params"]["upper"]
    assert best["cost_convention"] == "6 N D, N = n_params"
    at_truth = LAWS["chinchilla"](TRUTH, {"n_params": truth, "n_tokens": 1e21 / 6 / truth})
    assert best["loss_nats"]["lower"] < at_truth < best["loss_nats"]["upper"]
    curve = [point["log_loss_over_best"]["median"] for point in best["isoflop_curve"]]
    assert curve[0] > min(curve) < curve[-1]


def test_a_published_fit_is_shown_with_its_u_curve_in_a_hundred_columns(bayeslaw):
    code, out, _ = bayeslaw("allocate", "--budget-flops", "5.76e23", "--fit", "hoffmann_2022")
    assert code == 0
    assert "6 N D, N = n_params" in out and "arXiv:2203.15556" in out
    assert "tokens a weight" in out and "no_errors_published" in out
    assert max(map(len, out.splitlines())) <= 100
    bars = [line.count("█") for line in out.splitlines() if "%" in line and "█" in line]
    assert len(bars) >= 6 and max(bars) == 24


def test_an_input_is_fixed_by_name(bayeslaw):
    words = ("allocate", "--budget-flops", "1e21", "--fit", "muennighoff_2023", "--json")
    code, out, _ = bayeslaw(*words, "--fix", "unique_tokens=1e10")
    assert code == 0 and json.loads(out)["fixed"] == {"unique_tokens": 1e10}


def test_a_published_fit_loads_neither_torch_nor_jax():
    script = """
import sys
from bayeslaw.cli import main
sys.argv = ["bayeslaw", "allocate", "--budget-flops", "1e21", "--fit", "epoch_2024", "--json"]
try:
    main()
except SystemExit as end:
    assert not end.code
loaded = {"torch", "jax"} & set(sys.modules)
assert not loaded, loaded
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["law"] == "chinchilla"


FIT = ("--fit", "hoffmann_2022")


@pytest.mark.parametrize(
    ("words", "code", "match"),
    [
        (FIT, 2, "Missing option '--budget-flops'"),
        (("--budget-flops", "1e21"), 2, "either a table of runs or --fit"),
        (("TABLE", "--budget-flops", "1e21", *FIT), 2, "either a table of runs or --fit"),
        (("--budget-flops", "-1", *FIT), 2, "positive and finite"),
        (("--budget-flops", "1e21", *FIT, "--level", "90"), 2, "such as 0.9"),
        (("--budget-flops", "1e21", "--fit", "unheard"), 2, "no published fit 'unheard'"),
        (("--budget-flops", "1e21", *FIT, "--fix", "depth"), 2, "NAME=NUMBER"),
        (("--budget-flops", "1e21", *FIT, "--fix", "depth=3"), 2, "cannot be fixed"),
        (("--budget-flops", "1e21", *FIT, "--law", "kaplan"), 2, "go with a table"),
        (("--budget-flops", "1e21", "--fit", "kumar_2024"), 2, "--fix weight_bits=NUMBER"),
        (
            ("--budget-flops", "1e21", "--fit", "parscale_pile", "--fix", "n_streams=2"),
            6,
            "no best size",
        ),
    ],
)
def test_errors_have_codes_and_say_what_to_do(bayeslaw, table, words, code, match):
    words = [str(table) if word == "TABLE" else word for word in words]
    got, _, err = bayeslaw("allocate", *words)
    assert got == code
    assert match in " ".join(err.split())
    got, out, _ = bayeslaw("allocate", *words, "--json")
    assert got == code and match in json.loads(out)["error"]["message"]
