import itertools
import subprocess
import sys

import numpy as np
import pytest

from bayeslaw.errors import EmptySpaceError, ExpressionError, InvalidInputError, UndecidedError
from bayeslaw.space import Architecture, Candidate, SearchSpace, Target, Workload

SMALL = dict(
    n_layers=[1, 2, 4], d_model={"min": 32, "max": 160, "step": 32}, n_heads=[2, 4, 6],
    n_kv_heads=[1, 2, 3, 4], head_dim=[16, 32], d_ff=[64, 192], vocab_size=257,
    tied_embeddings=[True, False], n_tokens=[100_000, 400_000],
)  # fmt: skip
CONSTRAINTS = (
    "60e3 <= n_params <= 160e3",
    "mlp_attention_ratio >= 0.5",
    "n_heads*head_dim == d_model",
)

# About 10^13 members, an equality among the constraints, one member in 2 * 10^7 feasible.
HUGE = dict(
    n_layers={"min": 4, "max": 103, "step": 1}, d_model={"min": 256, "max": 12800, "step": 64},
    n_heads={"min": 4, "max": 127, "step": 1}, n_kv_heads={"min": 1, "max": 64, "step": 1},
    head_dim=[64, 96, 128, 192, 256], d_ff={"min": 512, "max": 51200, "step": 128},
    vocab_size=[50432, 128256], tied_embeddings=[True, False],
    n_tokens=[10**9 * 2**i for i in range(8)],
)  # fmt: skip


def every_member(axes, keep):
    """Build the product, which the space itself never does."""
    names = list(axes)
    choices = [
        list(range(v["min"], v["max"] + 1, v["step"])) if isinstance(v, dict)
        else v if isinstance(v, list) else [v]
        for v in axes.values()
    ]  # fmt: skip
    found = set()
    for values in itertools.product(*choices):
        fields = dict(zip(names, values, strict=True))
        n_tokens = fields.pop("n_tokens")
        if fields["n_heads"] % fields["n_kv_heads"] == 0:
            candidate = Candidate(Architecture(**fields), n_tokens)
            if keep(candidate):
                found.add(candidate)
    return found


def feasible(candidate):
    a = candidate.architecture
    return (
        60e3 <= a.n_params <= 160e3
        and a.mlp_attention_ratio >= 0.5
        and a.n_heads * a.head_dim == a.d_model
    )


def test_count_and_sample_equal_the_product_built_by_hand():
    expected = every_member(SMALL, feasible)
    space = SearchSpace(SMALL, CONSTRAINTS)
    assert space.size == 3 * 5 * 3 * 4 * 2 * 2 * 2 * 2
    assert space.count().is_exact
    assert space.count().low == len(expected) > 10
    assert set(space.sample(10**6)) == expected


def test_sampling_is_uniform_over_feasible_members():
    space = SearchSpace(SMALL, CONSTRAINTS)
    members = sorted(space.sample(10**6), key=str)
    counts = dict.fromkeys(members, 0)
    n_samples = 1500
    for seed in range(n_samples):
        counts[space.sample(1, seed=seed)[0]] += 1
    expected = n_samples / len(members)
    chi2 = sum((c - expected) ** 2 / expected for c in counts.values())
    # 5 standard deviations of a chi-square: fails for bias, about once in 10^6 for luck.
    assert chi2 < len(members) + 5 * np.sqrt(2 * len(members))


def test_every_sample_is_distinct_feasible_and_the_same_for_the_same_seed():
    space = SearchSpace(SMALL, CONSTRAINTS)
    sample = space.sample(12, seed=3)
    assert len(set(sample)) == 12
    assert all(space.contains(c) and feasible(c) for c in sample)
    assert sample == space.sample(12, seed=3) != space.sample(12, seed=4)


def test_contradictions_are_proven_empty():
    space = SearchSpace(HUGE, ("n_params <= 1e9", "n_layers * d_model * d_ff >= 1.1e9"))
    assert space.is_empty()
    assert space.count().high == 0
    with pytest.raises(EmptySpaceError, match=r"d_ff >= 1\.1e9"):
        space.sample(1)


def test_a_contradiction_too_fine_to_prove_is_said_to_be_undecided():
    # n_params is n_params_body and a little more; bounds on boxes cannot see that.
    space = SearchSpace(HUGE, ("n_params <= 1e9", "n_params_body >= 1.0001e9"))
    with pytest.raises(UndecidedError, match="loosen one"):
        space.is_empty()


def test_a_space_of_1e13_members_answers_without_being_built():
    # In a process of its own, since the limit is on that process's memory. Time is printed, not
    # asserted: benchmarks measure time. The issue asks for < 2 s; alone it takes about 1 s.
    script = f"""
from bayeslaw.space import SearchSpace
space = SearchSpace({HUGE!r}, ("0.95e9 <= n_params <= 1.05e9", "0.5 <= mlp_attention_ratio",
    "mlp_attention_ratio <= 5", "n_heads * head_dim == d_model"), tensor_parallel=4)
assert space.size > 1e12
assert not space.is_empty()
sample = space.sample(4096)
assert len(set(sample)) == 4096
assert all(space.contains(c) for c in sample)
# VmHWM and not ru_maxrss, which a child inherits from the (large) process that started it.
print(next(int(x.split()[1]) for x in open("/proc/self/status") if x.startswith("VmHWM")) // 1024)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 500  # MB


def test_memory_and_tensor_parallel_limits_hold_for_every_sample():
    work = Workload(batch_size=64, prompt_tokens=2048, output_tokens=512, precision="bfloat16")
    space = SearchSpace(HUGE, ("memory_gb <= 40",), workload=work, tensor_parallel=8)
    for candidate in space.sample(200):
        shape = candidate.architecture
        assert work.memory_bytes(shape) <= 40e9
        assert shape.n_heads % 8 == shape.n_kv_heads % 8 == shape.d_ff % 8 == 0


def test_violations_say_what_is_wrong():
    space = SearchSpace(SMALL, CONSTRAINTS)
    inside = space.sample(1)[0]
    assert space.violations(inside) == []
    outside = Candidate(Architecture(3, 64, 2, 2, 32, 64, 257), 100_000)
    assert "n_layers = 3 is not on its axis" in space.violations(outside)
    too_small = Candidate(Architecture(1, 32, 2, 2, 16, 64, 257), 100_000)
    assert space.violations(too_small) == ["60e3 <= n_params <= 160e3 does not hold"]


@pytest.mark.parametrize(
    ("axes", "constraints", "error", "match"),
    [
        ({**SMALL, "depth": [1]}, (), InvalidInputError, "depth"),
        ({k: v for k, v in SMALL.items() if k != "d_ff"}, (), InvalidInputError, "d_ff"),
        ({**SMALL, "d_ff": {"min": 3}}, (), InvalidInputError, "min, max and step"),
        ({**SMALL, "d_ff": {"min": 9, "max": 3, "step": 1}}, (), InvalidInputError, "above max"),
        ({**SMALL, "d_ff": []}, (), InvalidInputError, "no values"),
        ({**SMALL, "d_ff": [0.5]}, (), InvalidInputError, "whole numbers"),
        ({**SMALL, "tied_embeddings": [1]}, (), InvalidInputError, "true or false"),
        (SMALL, ("n_param <= 3",), ExpressionError, "n_param'"),
        (SMALL, ("memory_gb <= 3",), ExpressionError, "workload"),
        (SMALL, ("n_params",), InvalidInputError, "must compare"),
    ],
)
def test_a_space_that_makes_no_sense_is_refused_at_the_door(axes, constraints, error, match):
    with pytest.raises(error, match=match):
        SearchSpace(axes, constraints)


def test_target_candidates_are_within_tolerance_and_see_its_tokens():
    baseline = Architecture(2, 128, 4, 4, 32, 192, 257)
    target = Target(baseline.n_params, 10**6, baseline, tolerance=0.2)
    found = target.candidates(SearchSpace(SMALL)).sample(50)
    assert found
    for candidate in found:
        assert abs(candidate.architecture.n_params / baseline.n_params - 1) <= 0.2
        assert candidate.n_tokens == 10**6


def test_a_baseline_of_another_size_is_an_unfair_comparison():
    baseline = Architecture(2, 128, 4, 4, 32, 192, 257)
    with pytest.raises(InvalidInputError, match="unfair"):
        Target(10 * baseline.n_params, 10**6, baseline)
    with pytest.raises(InvalidInputError, match="whose baseline"):
        Target(baseline.n_params, 10**6, baseline, limits=("0.9 * baseline >= tpot_ms",))
