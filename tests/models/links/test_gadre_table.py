"""Coverage on Gadre's public table, on which no constant of the links was chosen."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayeslaw.models.links import fit_error_link, fit_loss_link, predict_through

CHECKOUT = Path(__file__).parents[3]
DATA = Path(os.environ.get("BAYESLAW_DATA", CHECKOUT.parent / "shared" / "data"))
GADRE = DATA / "gadre" / "runs.csv"
LOSS = "loss.c4_val"
TASKS = ("acc.arc_easy", "acc.hellaswag_zeroshot", "acc.piqa", "acc.lambada_openai")

pytestmark = pytest.mark.skipif(
    not GADRE.exists(), reason=f"the public table {GADRE} is not here; set BAYESLAW_DATA"
)


@pytest.fixture(scope="module")
def corpora():
    rows = pd.read_csv(GADRE)
    return [group for _, group in rows.groupby("train_dataset")]


def halves(rows):
    """Split at the median cost (float64: 6 N D overflows int64) or at the median loss."""
    cost = rows.N_total.to_numpy(float) * rows.D_tokens.to_numpy(float)
    loss = rows[LOSS].to_numpy()
    return {"cost": cost <= np.median(cost), "loss": loss >= np.median(loss)}


def errors(rows, task):
    return rows[task].to_numpy() if "error" in task else 1 - rows[task].to_numpy()


def coverage(corpora, fit, column, split, values=errors):
    held, below = [], []
    for rows in corpora:
        fitted, loss = halves(rows)[split], rows[LOSS].to_numpy()
        link = fit(loss[fitted], values(rows, column)[fitted], n_draws=500)
        bands = predict_through(link, np.tile(loss[~fitted], (500, 1)))
        measured = values(rows, column)[~fitted]
        held.append((bands.lower <= measured) & (measured <= bands.upper))
        below.append(link.lowest_loss_nats - loss[~fitted].min())
    assert min(below) > 0.4  # nats: an extrapolation
    return np.concatenate(held).mean()


@pytest.mark.parametrize("split", ["cost", "loss"])
def test_the_mean_error_of_all_tasks_of_better_networks_falls_in_its_interval(corpora, split):
    held = coverage(corpora, fit_error_link, "downstream_mean_error_icl", split)
    assert held >= 0.85


@pytest.mark.parametrize("split", ["cost", "loss"])
def test_single_tasks_hold_their_interval_on_average_and_none_fails_wholly(corpora, split):
    held = {task: coverage(corpora, fit_error_link, task, split) for task in TASKS}
    # .81-.83 measured; LAMBADA and HellaSwag bend faster than the form (.51-.74).
    assert np.mean(list(held.values())) >= 0.75, held
    assert min(held.values()) >= 0.45, held


@pytest.mark.parametrize("split", ["cost", "loss"])
def test_losses_on_other_corpora_fall_in_their_intervals(corpora, split):
    others = ["loss.paloma_dolma_100_programing_languages", "loss.paloma_ptb", "loss.de-en"]
    held = [
        coverage(corpora, fit_loss_link, other, split, lambda rows, name: rows[name].to_numpy())
        for other in others
    ]
    assert min(held) >= 0.8
