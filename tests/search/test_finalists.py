from dataclasses import replace

import numpy as np
import pytest
from test_target_lookahead import two_alternatives

from bayeslaw.search.acquisition import find_acquisition
from bayeslaw.search.finalists import second_opinion

LOOKAHEAD = find_acquisition("target_lookahead").score


def test_it_agrees_with_the_look_ahead_where_all_is_linear_and_normal():
    problem = two_alternatives(n_draws=40_000, noise_sd=1.0)
    found = second_opinion(problem, 0)
    assert found.is_reliable
    assert found.value == pytest.approx(np.exp(LOOKAHEAD(problem, []))[0], rel=0.05)
    assert second_opinion(problem, 1).value < 0.05 * found.value


def test_it_says_when_a_result_would_leave_too_few_draws():
    found = second_opinion(two_alternatives(n_draws=600, noise_sd=0.02), 0)
    assert found.n_effective < 200 and not found.is_reliable


def test_it_sees_what_no_line_can():
    # The target's utility is the square of what the run shows: no correlation, all the information.
    problem = two_alternatives(n_draws=20_000, noise_sd=0.3)
    shown = problem.log_losses[:, 0]
    utilities = np.stack([shown**2, np.full_like(shown, 1.0), np.zeros_like(shown)], axis=1)
    bent = replace(problem, target_utilities=utilities[..., None])
    assert second_opinion(bent, 0).value > 5 * np.exp(LOOKAHEAD(bent, []))[0]
