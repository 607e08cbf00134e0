import itertools

import numpy as np
import pytest

from bayeslaw.errors import EmptySpaceError, InvalidInputError
from bayeslaw.space import AXES, Architecture, Candidate, SearchSpace

# Some 10^13 members, about one in 10^7 of which meets the constraints.
HUGE = dict(
    n_layers={"min": 4, "max": 103, "step": 1}, d_model={"min": 256, "max": 12800, "step": 64},
    n_heads={"min": 4, "max": 127, "step": 1}, n_kv_heads={"min": 1, "max": 64, "step": 1},
    head_dim=[64, 96, 128, 192, 256], d_ff={"min": 512, "max": 51200, "step": 128},
    vocab_size=[50432, 128256], tied_embeddings=[True, False],
    n_tokens=[10**9 * 2**i for i in range(8)],
)  # fmt: skip
CONSTRAINTS = (
    "0.95e9 <= n_params <= 1.05e9",
    "0.5 <= mlp_attention_ratio <= 5",
    "n_heads * head_dim == d_model",
)


def index(space, candidate):
    point = {**candidate.architecture.to_dict(), "n_tokens": candidate.n_tokens}
    return np.array([list(space._values[name]).index(float(point[name])) for name in AXES])


def test_neighbours_are_distinct_members_that_differ_in_few_axes():
    space = SearchSpace(HUGE, CONSTRAINTS, tensor_parallel=4)
    for start in space.sample(5, seed=1):
        found = space.neighbours(start, 40, seed=2)
        assert len(set(found)) == len(found) >= 30
        assert start not in found
        assert all(space.contains(candidate) for candidate in found)
        moved = [int((index(space, c) != index(space, start)).sum()) for c in found]
        assert set(moved) == {1, 2, 3}
        assert found == space.neighbours(start, 40, seed=2) != space.neighbours(start, 40, seed=3)


def test_a_step_is_no_longer_than_the_reach():
    axes = {**HUGE, "head_dim": 64, "n_heads": 16, "n_kv_heads": 4}
    space = SearchSpace(axes)
    start = space.sample(1)[0]
    for reach in (1, 4):
        found = space.neighbours(start, 30, reach=reach)
        steps = np.array([index(space, c) - index(space, start) for c in found])
        assert np.abs(steps).max() == reach


def test_an_equality_is_met_by_moving_two_axes_together():
    # Wider by so many heads: neither axis can move alone, nor by one step each (64 against 96).
    axes = {**HUGE, "n_heads": {"min": 4, "max": 128, "step": 1}, "head_dim": 96, "n_kv_heads": 1}
    space = SearchSpace(axes, ("n_heads * head_dim == d_model",))
    start = next(c for c in space.sample(50) if 20 < c.architecture.n_heads < 80)
    found = space.neighbours(start, 50)
    heads = {c.architecture.n_heads for c in found}
    assert {start.architecture.n_heads - 2, start.architecture.n_heads + 2} <= heads
    assert all(c.architecture.n_heads * 96 == c.architecture.d_model for c in found)


def test_an_exact_size_is_kept_by_scanning_for_what_makes_up_for_a_step():
    axes = dict(
        n_layers={"min": 1, "max": 600, "step": 1}, d_model={"min": 1, "max": 600, "step": 1},
        n_heads=4, n_kv_heads=4, head_dim=16, d_ff=64, vocab_size=257, n_tokens=10**6,
    )  # fmt: skip
    space = SearchSpace(axes, ("n_layers * d_model == 360",))
    start = Candidate(Architecture(18, 20, 4, 4, 16, 64, 257), 10**6)
    found = {(c.architecture.n_layers, c.architecture.d_model) for c in space.neighbours(start, 50)}
    # 18 +- 1, 2 layers: 20 divides 360, 19, 17 and 16 do not; 20 +- 1, 2 wide: 18 does.
    assert found == {(20, 18)}


def test_neighbours_of_neighbours_reach_every_member():
    axes = dict(
        n_layers=[1, 2, 3, 4], d_model=[32, 64, 96, 128], n_heads=[1, 2, 3, 4, 6], head_dim=32,
        n_kv_heads=[1, 2, 3], d_ff=[64, 128], vocab_size=257, n_tokens=[10**5, 10**6],
    )  # fmt: skip
    space = SearchSpace(axes, ("n_heads * head_dim == d_model", "n_params <= 200e3"))
    members = set(space.sample(10**6))
    seen = frontier = {next(iter(members))}
    while frontier:
        nearby = set(itertools.chain(*(space.neighbours(c, 1000) for c in frontier)))
        frontier = nearby - seen
        seen = seen | nearby
    assert seen == members
    assert len(members) > 50


def test_only_members_have_neighbours():
    space = SearchSpace(HUGE, CONSTRAINTS)
    outside = Candidate(Architecture(4, 256, 4, 4, 64, 512, 50432), 10**9)
    with pytest.raises(InvalidInputError, match=r"no member of the space: 0\.95e9"):
        space.neighbours(outside, 3)
    with pytest.raises(InvalidInputError, match="at least 1, got 0"):
        space.neighbours(space.sample(1)[0], 3, reach=0)
    only = SearchSpace({name: v[0] if isinstance(v, list) else 64 for name, v in HUGE.items()})
    assert only.neighbours(only.sample(1)[0], 3) == []


def test_fixed_fields_hold_and_must_be_on_their_axes():
    space = SearchSpace(HUGE, CONSTRAINTS).fix(n_layers=12, tied_embeddings=True)
    for candidate in space.sample(20):
        assert candidate.architecture.n_layers == 12
        assert candidate.architecture.tied_embeddings
    with pytest.raises(InvalidInputError, match=r"d_model = 1000 is not .* \[960, 1024\]"):
        space.fix(d_model=1000)
    with pytest.raises(InvalidInputError, match=r"cannot fix \['n_params'\]"):
        space.fix(n_params=10)
    with pytest.raises(InvalidInputError, match="true or false"):
        space.fix(tied_embeddings=1)


@pytest.mark.parametrize(
    ("constraints", "tensor_parallel", "named", "unnamed"),
    [
        (("d_ff >= 1024", "n_params <= 3e8", "head_dim == 64", "n_params_body >= 2e9"), 1,
         ("'n_params <= 3e8' and 'n_params_body >= 2e9'", "these 2 contradict"), "d_ff"),
        (("n_layers <= 8", "d_model >= 13000", "d_ff >= 1024"), 1,
         ("'d_model >= 13000'", "no member of these axes meets it"), "n_layers"),
        (("d_ff <= 1e5", "n_heads <= 7"), 8, ("'n_heads <= 7' and 'n_heads % 8 == 0'",), "d_ff"),
        (("n_layers <= 10", "d_model <= 640", "d_ff <= 640", "n_layers * d_model * d_ff >= 5e6"), 1,
         ("'n_layers <= 10' and 'd_model <= 640' and 'd_ff <= 640'", "these 4"), "n_heads"),
    ],
)  # fmt: skip
def test_the_constraints_that_contradict_each_other_are_named(
    constraints, tensor_parallel, named, unnamed
):
    space = SearchSpace(HUGE, constraints, tensor_parallel=tensor_parallel)
    with pytest.raises(EmptySpaceError) as error:
        space.sample(1)
    blamed = str(error.value).split("widen the axes")[0]
    assert all(words in blamed for words in named)
    assert unnamed not in blamed


def test_axes_that_leave_nothing_by_themselves_are_blamed_themselves():
    space = SearchSpace({**HUGE, "n_heads": [5, 7], "n_kv_heads": [2, 3]}, ("d_ff >= 1024",))
    with pytest.raises(EmptySpaceError, match="because of 'n_heads % n_kv_heads == 0': no member"):
        space.sample(1)
