"""Columns and coefficients at which every law can be asked."""

import numpy as np
import pytest

from bayeslaw.models.loss import LAWS

EVERY_LAW = pytest.mark.parametrize("law", LAWS.values(), ids=list(LAWS))
COLUMNS = {
    "n_params": [1e8, 4e8, 3e9],
    "n_params_body": [8e7, 3e8, 2.8e9],
    "n_params_active": [6e7, 4e8, 1e9],
    "n_params_body_active": [4e7, 3e8, 9e8],
    "vocab_params": [2e7, 1e8, 2e8],
    "n_tokens": [1e9, 1e10, 6e10],
    "n_characters": [4e9, 5e10, 2e11],
    "unique_tokens": [2e8, 1e10, 3e10],
    "unigram_loss_nats": [6.9, 7.1, 7.4],
    "aspect_ratio": [30.0, 64.0, 213.0],
    "relative_width": [0.06, 0.08, 0.2],
    "mlp_attention_ratio": [0.7, 1.1, 4.8],
    "d_model": [512.0, 1024.0, 2560.0],
    "n_layers": [17.0, 16.0, 12.0],
    "n_experts": [1.0, 8.0, 64.0],
    "active_expert_share": [1.0, 0.25, 0.03125],
    "granularity": [1.0, 2.0, 8.0],
    "n_streams": [1.0, 2.0, 8.0],
    "weight_bits": [16.0, 8.0, 4.0],
    "activation_bits": [16.0, 16.0, 6.0],
    "kv_bits": [16.0, 8.0, 8.0],
    "learning_rate": [3e-3, 1.5e-3, 4e-4],
    "batch_tokens": [1e5, 5e5, 1e6],
}
ARRAYS = {name: np.array(values) for name, values in COLUMNS.items()}
LOSS = np.array([3.4, 2.9, 2.5])


def coordinates(law, n_draws=4):
    return np.random.default_rng(0).standard_normal((n_draws, len(law.coefficients)))


def example_theta(law, n_draws=4):
    theta = law.from_unconstrained(coordinates(law, n_draws), law.log_reference(ARRAYS, LOSS), np)
    return {name: values[:, None] for name, values in theta.items()}
