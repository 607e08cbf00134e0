import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bayeslaw.search.front import non_dominated, reference_and_ideal

grid = st.integers(0, 4).map(float)


@settings(max_examples=60, deadline=None)
@given(arrays(float, (2, 7, 3), elements=grid), arrays(bool, (2, 7)))
def test_the_front_is_what_the_definition_says(utilities, is_feasible):
    found = non_dominated(utilities, is_feasible)
    for draw in range(2):
        for i in range(7):
            beaten = any(
                is_feasible[draw, j]
                and (utilities[draw, j] >= utilities[draw, i]).all()
                and (utilities[draw, j] > utilities[draw, i]).any()
                for j in range(7)
            )
            assert found[draw, i] == (is_feasible[draw, i] and not beaten)


def test_the_box_spans_the_front_of_medians_and_a_tenth():
    utilities = np.array([[[0.0, 10.0], [1.0, 0.0], [-5.0, -5.0]]])
    reference, ideal = reference_and_ideal(utilities, np.full((1, 3), True))
    assert reference.tolist() == [-0.1, -1.0]
    assert ideal.tolist() == [1.0, 10.0]


def test_a_box_has_a_volume_even_when_one_point_beats_all():
    utilities = np.array([[[1.0, 1.0], [0.0, 0.0]]])
    reference, ideal = reference_and_ideal(utilities, np.full((1, 2), True))
    assert (ideal > reference).all()


@settings(max_examples=60, deadline=None)
@given(arrays(float, (2, 9, 2), elements=grid), arrays(bool, (2, 9)))
def test_one_and_two_objectives_are_what_the_definition_says(utilities, is_feasible):
    # A constant third objective takes the general path.
    padded = np.concatenate([utilities, np.zeros((2, 9, 1))], axis=-1)
    general = non_dominated(padded, is_feasible)
    assert (non_dominated(utilities, is_feasible) == general).all()
    one = padded[..., [0, 2, 2]]
    assert (non_dominated(one[..., :1], is_feasible) == non_dominated(one, is_feasible)).all()
