"""The published fits, and the public tables that some of them were made from."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar

from bayeslaw.models.loss.cards import published_fits

CHECKOUT = Path(__file__).parents[2]
DATA = Path(os.environ.get("BAYESLAW_DATA", CHECKOUT.parent / "shared" / "data"))
FITS = published_fits()

CHINCHILLA_FLOPS = 6 * 70e9 * 1.4e12


def public_table(name: str) -> pd.DataFrame:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"the public table {path} is not here; set BAYESLAW_DATA")
    return pd.read_csv(path)


def best_split(fit, flops):
    """N and D of the lowest loss at ``6 N D = flops``, found on the law's own curve."""

    def loss(log_n):
        n = np.exp(log_n)
        return float(fit.losses({"n_params": n, "n_tokens": flops / 6 / n}))

    n = np.exp(minimize_scalar(loss, bounds=(np.log(1e6), np.log(1e14)), options={"xatol": 1e-9}).x)
    return n, flops / 6 / n
