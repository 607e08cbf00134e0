import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayeslaw.models.recipes import RECIPES, mup, step_law, tiny
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
    n_steps = math.ceil(n_tokens / numbers.batch_tokens)
    assert n_steps >= 40 or numbers.batch_tokens == seq_len
    n_constant = n_steps - round(numbers.decay_fraction * n_steps)
    assert math.ceil(numbers.warmup_tokens / numbers.batch_tokens) <= n_constant
    assert numbers.learning_rate > 0


@pytest.mark.parametrize("recipe", [tiny, mup])
def test_a_branch_is_trained_like_a_run_of_its_length(recipe):
    shape = candidate(n_layers=2, d_model=32).architecture
    runs = [recipe(Candidate(shape, n * shape.n_params_body), 128) for n in (5, 10, 40)]
    assert runs[0] == runs[1] == runs[2]


def test_a_run_too_short_for_one_token_a_weight_of_warmup_gets_a_fifth():
    shape = candidate().architecture
    assert tiny(Candidate(shape, 40 * shape.n_params_body), 128).warmup_tokens == (
        shape.n_params_body
    )
    assert tiny(Candidate(shape, 2 * shape.n_params_body), 128).warmup_tokens == (
        2 * shape.n_params_body // 5
    )


def test_the_rate_falls_with_width_and_depth():
    rate = tiny(candidate(), 128)
    wider, deeper = tiny(candidate(d_model=128), 128), tiny(candidate(n_layers=8), 128)
    assert wider.learning_rate / math.sqrt(wider.batch_tokens / rate.batch_tokens) == (
        pytest.approx(rate.learning_rate / 2)
    )
    assert deeper.learning_rate < rate.learning_rate


def test_mup_carries_rates_and_decay_from_one_width_to_another():
    # Table 8 of arXiv:2203.03466: hidden 1/width, input and vectors constant, as are rate x decay.
    narrow, wide = mup(candidate(d_model=48), 128), mup(candidate(d_model=192), 128)
    batch = math.sqrt(wide.batch_tokens / narrow.batch_tokens)  # rates grow with its root
    assert wide.learning_rate == pytest.approx(narrow.learning_rate / 4 * batch)
    assert narrow.embedding_rate == narrow.vector_rate == narrow.learning_rate
    assert wide.embedding_rate == wide.vector_rate == pytest.approx(narrow.learning_rate * batch)
    assert wide.learning_rate * wide.weight_decay == pytest.approx(
        narrow.learning_rate * narrow.weight_decay * batch
    )


def test_step_law_gives_the_published_rate_and_batch():
    # arXiv:2503.04715: 1.79 N^-0.713 D^0.307 and 0.58 D^0.571 at N = 1e9 without embeddings, D = 1e11.
    shape = Architecture(16, 2048, 32, 8, 64, 8192, 128_256)
    numbers = step_law(Candidate(shape, 10**11), 2048)
    n = shape.n_params_body
    assert numbers.learning_rate == pytest.approx(1.79 * n**-0.713 * 1e11**0.307)
    assert numbers.batch_tokens == pytest.approx(0.58 * 1e11**0.571, rel=0.01)
    assert 1e-4 < numbers.learning_rate < 1e-2


def test_no_recipe_looks_at_the_vocabulary():
    for recipe in RECIPES.values():
        small = candidate()
        large = replace(small, architecture=replace(small.architecture, vocab_size=50_000))
        assert recipe(small, 128) == recipe(large, 128)
