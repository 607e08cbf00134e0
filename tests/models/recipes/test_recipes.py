import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayeslaw.models.recipes import RECIPES, step_law, tiny
from bayeslaw.space import Architecture, Candidate


def candidate(n_layers=4, d_model=64, n_tokens=10**6):
    return Candidate(Architecture(n_layers, d_model, 4, 2, 16, 2 * d_model, 256), n_tokens)


@pytest.mark.parametrize("name", RECIPES)
@given(
    n_layers=st.integers(1, 24), d_model=st.integers(8, 2048),
    n_tokens=st.integers(10**5, 10**11), seq_len=st.sampled_from([64, 128, 2048]),
)  # fmt: skip
def test_every_recipe_gives_whole_batches_and_room_for_a_schedule(
    name, n_layers, d_model, n_tokens, seq_len
):
    numbers = RECIPES[name](candidate(n_layers, d_model, n_tokens), seq_len)
    assert numbers.batch_tokens % seq_len == 0
    assert n_tokens / numbers.batch_tokens >= 40 or numbers.batch_tokens == seq_len
    assert numbers.learning_rate > 0


def test_the_rate_falls_with_width_and_depth():
    rate = tiny(candidate(), 128).learning_rate
    assert tiny(candidate(d_model=128), 128).learning_rate == pytest.approx(rate / 2)
    assert tiny(candidate(n_layers=8), 128).learning_rate < rate


def test_step_law_gives_the_published_rate_and_batch():
    # arXiv:2503.04715: 1.79 N^-0.713 D^0.307 and 0.58 D^0.571 at N = 1e9 without embeddings, D = 1e11.
    shape = Architecture(16, 2048, 32, 8, 64, 8192, 128_256)
    numbers = step_law(Candidate(shape, 10**11), 2048)
    n = shape.n_params_body
    assert numbers.learning_rate == pytest.approx(1.79 * n**-0.713 * 1e11**0.307)
    assert numbers.batch_tokens == pytest.approx(0.58 * 1e11**0.571, rel=0.01)
    assert 1e-4 < numbers.learning_rate < 1e-2
