from dataclasses import replace

import numpy as np
import pytest
from latency_world import DEVICE, SERVE, measure, random_architecture, true_of

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.latency.attribution import GROUPS, attribute_gain, hybrid
from bayeslaw.models.latency.surrogate import fit_latency
from bayeslaw.space import Architecture

OLD = Architecture(6, 256, 8, 8, 32, 1024, 257)
NEW = Architecture(4, 192, 6, 3, 32, 512, 257)


@pytest.fixture(scope="module")
def surrogate():
    rng = np.random.default_rng(3)
    return fit_latency([measure(random_architecture(rng), rng) for _ in range(12)], DEVICE, seed=1)


def test_parts_add_up_to_the_whole_in_every_draw(surrogate):
    found = attribute_gain(surrogate, OLD, NEW, SERVE)
    assert set(found.shapley) == {"gqa", "width", "depth"}
    assert sum(found.log_shapley_draws.values()) == pytest.approx(found.log_ratio_draws, abs=1e-12)
    assert len(found.hybrids) == 8
    assert found.hybrids[frozenset()] == OLD
    assert found.hybrids[frozenset(found.shapley)] == NEW


def test_the_truth_lies_in_the_intervals(surrogate):
    found = attribute_gain(surrogate, OLD, NEW, SERVE, "e2el_ms", level=0.98)
    for name, bands in found.alone.items():
        truth = true_of(hybrid(OLD, NEW, frozenset({name})), "e2el_ms") / true_of(OLD, "e2el_ms")
        assert bands["p01"] < truth < bands["p99"], name
    truth = true_of(NEW, "e2el_ms") / true_of(OLD, "e2el_ms")
    assert found.ratio["p01"] < truth < found.ratio["p99"]
    assert truth < 0.8


def test_a_difference_is_better_known_than_two_latencies(surrogate):
    found = attribute_gain(surrogate, OLD, replace(OLD, n_layers=5), SERVE)
    assert set(found.shapley) == {"depth"}
    assert found.shapley["depth"] == found.ratio == found.alone["depth"]
    drawn = surrogate.draw([OLD], SERVE, 512, seed=0)["tpot_ms"]
    assert found.log_ratio_draws.std() < np.log(drawn).std()


def test_what_is_no_shape_is_a_group_of_its_own(surrogate):
    found = attribute_gain(surrogate, OLD, replace(OLD, vocab_size=4096, n_layers=5), SERVE)
    assert set(found.shapley) == {"depth", "other"}
    assert found.notes == ()


def test_kv_heads_that_do_not_divide_are_replaced_and_said(surrogate):
    found = attribute_gain(surrogate, OLD, NEW, SERVE)
    assert found.hybrids[frozenset({"gqa"})].n_kv_heads == 4  # for 3, of 8 heads
    assert found.hybrids[frozenset({"width"})].n_kv_heads == 6  # for 8, of 6 heads
    assert {note.code for note in found.notes} == {"kv_heads_rounded"}
    assert any("3 KV heads do not divide 8 heads" in note.message for note in found.notes)


def test_every_choice_of_an_architecture_has_a_group():
    fields = {field for group in GROUPS.values() for field in group}
    assert fields == set(OLD.to_dict())


def test_the_door(surrogate):
    with pytest.raises(InvalidInputError, match="there is no gain"):
        attribute_gain(surrogate, OLD, OLD, SERVE)
    with pytest.raises(InvalidInputError, match="figure must be one of"):
        attribute_gain(surrogate, OLD, NEW, SERVE, "forward_ms")
    with pytest.raises(InvalidInputError, match="level must be"):
        attribute_gain(surrogate, OLD, NEW, SERVE, level=0.0)
