import numpy as np
import pytest
import yaml

from bayeslaw.models.loss import LAWS
from bayeslaw.models.loss.laws import from_paper
from bayeslaw.shipped import shipped_folder

FITS = [
    pytest.param({**card, **fit}, id=name)
    for path in sorted(shipped_folder("models").glob("*.yaml"))
    for card in [yaml.safe_load(path.read_text())]
    for name, fit in card["fits"].items()
]
SHAPE_ONLY = {"x_star", "a1", "r_star", "b1"}


@pytest.mark.parametrize("fit", FITS)
def test_a_card_names_a_law_its_counting_its_coefficients_and_a_source(fit):
    law = LAWS[fit["law"]].counting(fit["n_column"])
    assert fit["source"] and fit["loss"]
    assert set(fit["coefficients"]) in (set(law.coefficient_names), SHAPE_ONLY)
    for entry in fit["coefficients"].values():
        assert set(entry) <= {"value", "stderr", "ci95"}
        assert entry["value"] > 0
        low, high = entry.get("ci95", (0, np.inf))
        assert low < entry["value"] < high


@pytest.mark.parametrize("fit", FITS)
def test_a_card_s_gauge_is_that_of_the_paper_s_letters(fit):
    if "paper" not in fit:
        return
    expected = from_paper(**fit["paper"])
    for name, entry in fit["coefficients"].items():
        assert entry["value"] == pytest.approx(expected[name], rel=5e-4)
