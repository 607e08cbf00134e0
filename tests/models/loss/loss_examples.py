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
    aspect_ratio = np.exp(rng.uniform(np.log(10), np.log(100), n_runs))
    width = np.round(np.exp(rng.uniform(np.log(0.04), np.log(0.3), n_runs)) * np.sqrt(0.8 * n))
    columns = {
        "n_params": n,
        "n_params_body": np.round(0.8 * n),
        "n_tokens": d,
        "loss_nats": loss,
        "d_model": width,
        "n_layers": np.maximum(np.round(width / aspect_ratio), 1.0),
        "mlp_attention_ratio": np.exp(rng.uniform(np.log(0.5), np.log(5), n_runs)),
    }
    return RunTable.from_columns({**columns, **_beyond_dense(columns, seed)})


def trunk_table(seed: int = 0, n_runs: int = 30, sigma: float = 0.005) -> RunTable:
    """Three points of each training job, which share two thirds of their noise's variance."""
    rng = np.random.default_rng([seed, 2])
    job = np.arange(n_runs) // 3
    n = np.round(np.exp(rng.uniform(np.log(1e5), np.log(2e6), job[-1] + 1)))[job]
    d = np.round(1e6 * np.exp(rng.uniform(0, 2, job[-1] + 1)[job]) * 2.0 ** (np.arange(n_runs) % 3))
    own, shared = rng.standard_normal(n_runs), rng.standard_normal(job[-1] + 1)[job]
    noise = sigma * (np.sqrt(1 / 3) * own + np.sqrt(2 / 3) * shared)
    return RunTable.from_columns(
        {"n_params": n, "n_tokens": d, "loss_nats": chinchilla_truth(n, d) * np.exp(noise)},
        trunks=[f"job{i}" for i in job],
    )


def _beyond_dense(columns: dict, seed: int) -> dict:
    """Every other column that a law takes; the truth does without them."""
    rng = np.random.default_rng([seed, 1])
    n_runs = len(columns["n_tokens"])
    n_experts = rng.choice([4, 8, 16, 64], n_runs)
    n_active = rng.choice([1, 2, 4], n_runs)
    return {
        "n_params_active": np.round(columns["n_params"] * rng.uniform(0.3, 1.0, n_runs)),
        "n_params_body_active": np.round(columns["n_params_body"] * rng.uniform(0.3, 1.0, n_runs)),
        "vocab_params": columns["n_params"] - columns["n_params_body"],
        "n_characters": 4 * columns["n_tokens"],
        "unigram_loss_nats": rng.uniform(5.0, 6.0, n_runs),
        "unique_tokens": np.round(columns["n_tokens"] / rng.choice([1, 2, 4, 8], n_runs)),
        "n_experts": n_experts,
        "n_active_experts": n_active,
        "granularity": rng.choice([1.0, 2.0, 4.0, 8.0], n_runs),
        "n_streams": rng.choice([1, 2, 4, 8], n_runs),
        **{f"{what}_bits": rng.uniform(4, 16, n_runs) for what in ("weight", "activation", "kv")},
        "learning_rate": np.exp(rng.uniform(np.log(5e-4), np.log(5e-3), n_runs)),
        "batch_tokens": np.round(np.exp(rng.uniform(np.log(3e4), np.log(3e5), n_runs))),
    }
