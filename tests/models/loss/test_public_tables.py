import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayeslaw.models.loss import LAWS, fit_law
from bayeslaw.runs import RunTable

CHECKOUT = Path(__file__).parents[3]
DATA = Path(os.environ.get("BAYESLAW_DATA", CHECKOUT.parent / "shared" / "data"))
MORPH = DATA / "morph" / "runs.csv"

needs_morph = pytest.mark.skipif(
    not MORPH.exists(), reason=f"the public table {MORPH} is not here; set BAYESLAW_DATA"
)


@pytest.fixture(scope="module")
def morph() -> RunTable:
    rows = pd.read_csv(MORPH)
    return RunTable.from_columns(
        {
            "n_params": rows.N_total.to_numpy(),
            "n_tokens": rows.D_tokens.to_numpy(),
            "aspect_ratio": rows.aspect_ratio.to_numpy(),
            "loss_nats": rows.loss.to_numpy(),
        },
        source="morph",
    )


@needs_morph
def test_morph_s_rows_give_the_tied_law_that_the_cards_give(morph):
    posterior = fit_law(LAWS["aspect_ratio_tied"], morph, method="laplace")
    # The 95 % bootstrap interval of alpha on the rows that the paper fits (laws.md, section 2.2).
    assert 0.538 < np.median(posterior.draws["alpha"]) < 0.695
    assert 2.21 < np.median(posterior.draws["E"]) < 2.64
    fitted = np.median(posterior.losses(morph, discrepancy=False), axis=0)
    assert np.sqrt(np.mean(np.log(fitted / morph["loss_nats"]) ** 2)) < 0.02


@needs_morph
def test_morph_s_costlier_half_falls_in_intervals_learnt_on_its_cheaper_half(morph):
    cost = morph.train_flops
    cheap = cost <= np.quantile(cost, 0.5)
    posterior = fit_law(LAWS["chinchilla"], morph.select(cheap), method="laplace")
    rest = morph.select(~cheap)
    assert (posterior.log_cost_distance(rest) > 0).all()
    prediction = posterior.predict(rest)
    held = (prediction.p05 <= rest["loss_nats"]) & (rest["loss_nats"] <= prediction.p95)
    assert held.mean() > 0.75


MARIN = DATA / "marin_isoflop" / "runs.csv"


@pytest.mark.skipif(not MARIN.exists(), reason=f"the public table {MARIN} is not here")
def test_a_start_from_which_the_law_overflows_does_not_spoil_the_mode():
    rows = pd.read_csv(MARIN)
    rows = rows[rows.dataset == "dclm"]
    table = RunTable.from_columns(
        {
            "n_params": rows.N_total.to_numpy(),
            "n_tokens": rows.D_tokens.to_numpy(),
            "loss_nats": rows.paloma_macro_loss.to_numpy(),
        }
    )
    cheap = table.select(table.train_flops <= np.quantile(table.train_flops, 0.67))
    posterior = fit_law(LAWS["chinchilla"], cheap, method="laplace")
    # L-BFGS once ended here at a NaN, and the Laplace step repaired what was no peak.
    assert not [note.code for note in posterior.notes if note.severity == "warning"]
