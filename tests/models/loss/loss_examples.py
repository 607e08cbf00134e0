"""Runs made from a known law."""

import numpy as np

from bayeslaw.runs import RunTable

TRUTH = {"E": 1.1, "A": 60.0, "alpha": 0.4, "B": 180.0, "beta": 0.38}


def chinchilla_truth(n_params, n_tokens):
    return (
        TRUTH["E"]
        + TRUTH["A"] / n_params ** TRUTH["alpha"]
        + TRUTH["B"] / n_tokens ** TRUTH["beta"]
    )


def synthetic_table(seed: int = 0, n_runs: int = 30, sigma: float = 0.005) -> RunTable:
    """Byte-level toys: 1e5 to 2e6 weights, 1e6 to 5e7 tokens, every shape column filled."""
    rng = np.random.default_rng(seed)
    n = np.round(np.exp(rng.uniform(np.log(1e5), np.log(2e6), n_runs)))
    d = np.round(np.exp(rng.uniform(np.log(1e6), np.log(5e7), n_runs)))
    loss = chinchilla_truth(n, d) * np.exp(sigma * rng.standard_normal(n_runs))
    return RunTable.from_columns(
        {
            "n_params": n,
            "n_params_body": np.round(0.8 * n),
            "n_tokens": d,
            "loss_nats": loss,
            "aspect_ratio": np.exp(rng.uniform(np.log(10), np.log(100), n_runs)),
            "relative_width": np.exp(rng.uniform(np.log(0.04), np.log(0.3), n_runs)),
            "mlp_attention_ratio": np.exp(rng.uniform(np.log(0.5), np.log(5), n_runs)),
        }
    )
