import json
import subprocess
import sys

import pytest

from bayeslaw.models.loss import LAWS
from bayeslaw.models.loss.cards import published_fits, published_formulas


def test_laws_lists_all_with_their_published_fits(bayeslaw):
    code, out, _ = bayeslaw("laws", "--json")
    assert code == 0
    listed = {law["name"]: law for law in json.loads(out)}
    assert set(listed) == set(LAWS)
    assert "epoch_2024" in listed["chinchilla"]["published_fits"]
    assert listed["moe_leverage"]["published_fits"] == []
    assert all(law["source"] and law["inputs"] for law in listed.values())
    code, out, _ = bayeslaw("laws")
    assert code == 0 and all(name in out for name in LAWS)
    words = " ".join(out.split())
    assert all(name in words for name in published_formulas())


@pytest.mark.parametrize("name", LAWS)
def test_one_law_shows_all_there_is_to_know_of_it(bayeslaw, name):
    law = LAWS[name]
    code, out, _ = bayeslaw("laws", name, "--json")
    assert code == 0
    content = json.loads(out)
    assert content["formula"].startswith("Return ") and "Source" not in content["formula"]
    assert [c["name"] for c in content["coefficients"]] == list(law.coefficient_names)
    for c in content["coefficients"]:
        assert c["reason"] and c["prior"]["p05"] < c["prior"]["median"] < c["prior"]["p95"]
    assert all(entry["unit"] and entry["meaning"] for entry in content["inputs"])
    fits = {fit["name"] for fit in content["published_fits"]}
    assert fits == {f.name for f in published_fits().values() if f.law.name == name}
    code, out, _ = bayeslaw("laws", name)
    assert code == 0 and max(map(len, out.splitlines())) <= 100
    assert all(fit in out for fit in fits)


def test_a_published_fit_is_shown_with_its_errors(bayeslaw):
    _, out, _ = bayeslaw("laws", "chinchilla", "--json")
    fits = {fit["name"]: fit for fit in json.loads(out)["published_fits"]}
    assert fits["epoch_2024"]["coefficients"]["alpha"] == {
        "value": 0.34781, "stderr": 0.0154, "ci95": [0.317, 0.373],
    }  # fmt: skip
    assert fits["gadre_c4"]["refitted"]
    words = " ".join(bayeslaw("laws", "chinchilla")[1].split())
    assert "0.0154" in words and "(refitted by us)" in words
    words = " ".join(bayeslaw("laws", "conditional_multiplicative")[1].split())
    assert "not published: E, A, alpha, B, beta" in words


def test_a_published_formula_is_shown_too(bayeslaw):
    code, out, _ = bayeslaw("laws", "step_law_batch", "--json")
    assert code == 0
    assert json.loads(out)["coefficients"]["d_power"]["ci95"] == [0.534, 0.606]
    code, out, _ = bayeslaw("laws", "step_law_batch")
    assert code == 0 and "0.534 to 0.606" in out


@pytest.mark.parametrize("name", ["unheard", "moe_leverage_exponents"])
def test_an_unknown_law_and_unchecked_numbers_are_refused(bayeslaw, name):
    code, _, err = bayeslaw("laws", name)
    assert code == 2 and f"no law '{name}'" in err
    code, out, _ = bayeslaw("laws", name, "--json")
    assert code == 2 and "known are" in json.loads(out)["error"]["message"]


def test_laws_loads_neither_torch_nor_jax():
    program = (
        "import sys; from bayeslaw.cli import main; sys.argv = ['bayeslaw', 'laws', 'chinchilla']\n"
        "try: main()\nexcept SystemExit as end: assert not end.code, end.code\n"
        "assert not {'torch', 'jax', 'numpyro'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
