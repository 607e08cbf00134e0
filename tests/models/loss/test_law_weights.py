from types import SimpleNamespace

import numpy as np
import pytest

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss.law_weights import weights_by_evidence


def fitted(log_likelihood, fingerprint="a"):
    return SimpleNamespace(fingerprint=fingerprint, fitted={"log_likelihood": log_likelihood})


def test_a_law_ahead_by_four_nats_weighs_seven_times_as_much():
    flat = np.zeros((50, 8))
    weights = weights_by_evidence([fitted(flat), fitted(flat - 0.5)])
    assert weights.sum() == pytest.approx(1.0)
    assert weights[0] / weights[1] == pytest.approx(np.exp(0.5 * 4.0))
    assert weights_by_evidence([fitted(flat), fitted(flat - 0.5)], power=0.0).tolist() == [0.5, 0.5]


def test_a_run_counts_as_foreseen_from_the_rest():
    # One run, normal draws around it with unit noise: p(y | rest) is 1 / mean(1 / p).
    draws = np.random.default_rng(0).standard_normal(4000)
    near = -0.5 * (0.2 * draws[:, None]) ** 2
    one = weights_by_evidence([fitted(near), fitted(np.zeros_like(near))])
    expected = 1 / np.exp(0.5 * (0.2 * draws) ** 2).mean()
    assert (one[0] / one[1]) ** 2 == pytest.approx(expected, rel=0.01)


def test_posteriors_of_other_runs_are_refused():
    with pytest.raises(InvalidInputError, match="different tables"):
        weights_by_evidence([fitted(np.zeros((4, 2))), fitted(np.zeros((4, 2)), "b")])
    with pytest.raises(InvalidInputError, match="no posterior"):
        weights_by_evidence([])
