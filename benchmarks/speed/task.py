"""What is raced: runs made from a known nine-coefficient law."""

from __future__ import annotations

import numpy as np

from bayeslaw.models.loss.laws import LAWS
from bayeslaw.models.loss.scales import ScalePrior
from bayeslaw.runs import RunTable

LAW = LAWS["conditional_multiplicative"]

# Of a byte-level suite: the base is near our tiny suite's, the shape terms are of the paper's size.
TRUTH = {
    "E": 1.1,
    "A": 60.0,
    "alpha": 0.4,
    "B": 180.0,
    "beta": 0.38,
    "x_star": 0.11,
    "a1": 0.15,
    "r_star": 1.5,
    "b1": 0.05,
}
NOISE = 0.005

SCALES = ScalePrior()
"""Chosen by hand and fixed: what a corpus teaches would change the race from release to release."""


def make_table(n_runs: int, seed: int) -> RunTable:
    """Return runs log-uniform in size, tokens and shape, with normal noise in log loss."""
    rng = np.random.default_rng([seed, n_runs])

    def spread(low: float, high: float) -> np.ndarray:
        return np.exp(rng.uniform(np.log(low), np.log(high), n_runs))

    columns = {
        "n_params_body": np.round(spread(1e5, 2e6)),
        "n_tokens": np.round(spread(1e6, 5e7)),
        "relative_width": spread(0.04, 0.3),
        "mlp_attention_ratio": spread(0.5, 5.0),
    }
    loss = np.asarray(LAW(TRUTH, columns)) * np.exp(NOISE * rng.standard_normal(n_runs))
    return RunTable.from_columns({**columns, "loss_nats": loss})


def with_one_more(table: RunTable, seed: int) -> RunTable:
    """Return the table and one new run of the same kind."""
    new = make_table(1, seed)
    names = (*LAW.inputs, "loss_nats")
    return RunTable.from_columns({n: np.append(table[n], new[n]) for n in names})
