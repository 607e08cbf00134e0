"""The design of suites: spread, uncorrelated, balanced, the same every time."""

import math
from collections import Counter

import numpy as np
import pytest
from tests.study.suite_world import SUITE, small_suite

from bayeslaw.errors import BayeslawError, InvalidInputError
from bayeslaw.shipped import shipped_file
from bayeslaw.space import Architecture, Candidate
from bayeslaw.study.suite import SuiteConfig, Trunk, design, plan_suite
from bayeslaw.study.suite.factors import BENT, FACTORS, TERMS, correlations, factor_values, scaled
from bayeslaw.study.suite.jobs import in_order, makespan_seconds, trained_tokens, training_job
from bayeslaw.study.suite.spread import choose_spread

SHIPPED = ("tiny-suite", "gpu-suite")


@pytest.fixture(scope="module", params=SHIPPED)
def shipped(request):
    config = SuiteConfig.read(shipped_file("search", request.param))
    return config, plan_suite(config)


def shapes_of(plan):
    return [trunk.architecture for trunk in plan.trunks if not trunk.is_repeat]


def test_a_design_is_a_function_of_its_file_and_seed():
    assert design(small_suite()) == design(small_suite())
    assert design(small_suite()) != design(small_suite(seed=1))


def test_every_trunk_is_a_member_of_its_size(shipped):
    config, plan = shipped
    asked = Counter({size.n_params_body: size.trunks for size in config.sizes})
    assert Counter(t.n_params_body_asked for t in plan.trunks if not t.is_repeat) == asked
    for trunk in plan.trunks:
        shape = trunk.architecture
        assert config.shapes.contains(Candidate(shape, 1)), config.shapes.violations(
            Candidate(shape, 1)
        )
        assert abs(shape.n_params_body / trunk.n_params_body_asked - 1) <= config.tolerance + 1e-9
        assert all(n % config.train.seq_len == 0 for n in trunk.tokens)
        size = next(s for s in config.sizes if s.n_params_body == trunk.n_params_body_asked)
        for n_tokens, budget in zip(trunk.tokens, config.tokens_per_param_of(size), strict=True):
            assert n_tokens == pytest.approx(budget * shape.n_params_body, abs=config.train.seq_len)
    assert len(set(shapes_of(plan))) == len(shapes_of(plan))


def test_size_factors_and_squares_are_uncorrelated(shipped):
    _, plan = shipped
    alike = correlations(shapes_of(plan))
    np.testing.assert_allclose(np.diag(alike), 1.0)
    worst = np.abs(alike - np.eye(len(TERMS))).max()
    assert worst < 0.25
    # Together, too: no effect's variance is inflated by more than a tenth.
    assert np.diag(np.linalg.inv(alike)).max() < 1.1


def test_factors_are_used_from_end_to_end_and_in_the_middle(shipped):
    _, plan = shipped
    values = factor_values(shapes_of(plan))
    points = scaled(values, values.min(axis=0), values.max(axis=0))
    for name in BENT:
        column = points[:, 1 + list(FACTORS).index(name)]
        thirds = np.histogram(column, bins=3, range=(-1, 1))[0]
        assert thirds.min() >= 0.15 * len(column), (name, thirds)
    groups = Counter(shape.gqa_group for shape in shapes_of(plan))
    assert set(groups) == {1, 2, 4, 8} and min(groups.values()) >= 3


def test_each_size_has_a_shape_in_llamas_proportions(shipped):
    config, plan = shipped
    for size in config.sizes:
        centre = min(
            (t for t in plan.trunks if t.n_params_body_asked == size.n_params_body),
            key=lambda trunk: trunk.name,
        ).architecture
        assert centre.n_heads * centre.head_dim == centre.d_model
        assert centre.gqa_group == 1
        assert 1.6 <= centre.mlp_attention_ratio <= 2.5


def test_repeats_share_a_shape_and_no_two_trunks_a_seed(shipped):
    config, plan = shipped
    trunks = {trunk.name: trunk for trunk in plan.trunks}
    assert len({trunk.seed for trunk in plan.trunks}) == len(plan.trunks)
    repeats = [trunk for trunk in plan.trunks if trunk.is_repeat]
    assert len(repeats) == config.repeat_seeds * sum(size.repeats for size in config.sizes)
    for trunk in repeats:
        first = trunks[trunk.name.rpartition("-")[0]]
        assert (first.architecture, first.tokens) == (trunk.architecture, trunk.tokens)


def test_the_tiny_suite_is_what_the_issue_asks_for():
    config = SuiteConfig.read(shipped_file("search", "tiny-suite"))
    plan = plan_suite(config)
    assert plan.n_points >= 150
    assert plan.wall_seconds is not None and plan.wall_seconds <= 55 * 60
    repeated = {trunk.name.rpartition("-")[0] for trunk in plan.trunks if trunk.is_repeat}
    assert len(repeated) >= 6 and config.repeat_seeds == 2
    assert len({trunk.n_params_body_asked for trunk in plan.trunks if trunk.is_repeat}) >= 5
    ratios = [shape.mlp_attention_ratio for shape in shapes_of(plan)]
    assert min(ratios) < 0.5 and max(ratios) > 7


def test_any_prefix_is_a_balanced_suite(shipped):
    _, plan = shipped
    whole = Counter(trunk.n_params_body_asked for trunk in plan.trunks)
    for n_trunks in range(1, len(plan.trunks) + 1):
        part = Counter(trunk.n_params_body_asked for trunk in plan.trunks[:n_trunks])
        for size, n in whole.items():
            assert abs(part[size] - n * n_trunks / len(plan.trunks)) <= 2.0


def test_no_long_trunk_is_left_running_alone(shipped):
    _, plan = shipped
    assert plan.wall_seconds <= 1.03 * plan.core_seconds / plan.slots


def test_a_trunk_that_takes_half_the_time_starts_first():
    shape = Architecture(1, 16, 1, 1, 16, 32, 256)
    trunks = [Trunk(f"short-{i}", 1, shape, (64,), i) for i in range(10)]
    trunks.append(Trunk("long", 2, shape, (64,), 10))
    seconds = {trunk.name: 1.0 for trunk in trunks} | {"long": 10.0}
    assert in_order(trunks, seconds, 2)[0].name == "long"
    assert makespan_seconds([seconds[t.name] for t in in_order(trunks, seconds, 2)], 2) == 10.0
    assert in_order(trunks, None, 2)[0].name != "long"


def test_spreading_beats_chance():
    rng = np.random.default_rng(0)
    pools = [rng.uniform(-1, 1, (300, 1 + len(FACTORS))) for _ in range(3)]
    for size, pool in enumerate(pools):
        pool[:, 0] = size - 1
    chosen = choose_spread(pools, [7, 6, 5], 1, seed=0)
    assert [rows[0] for rows in chosen] == [0, 0, 0]
    assert [len(set(rows)) for rows in chosen] == [7, 6, 5]

    def worst(picked):
        points = np.concatenate([pool[rows] for pool, rows in zip(pools, picked, strict=True)])
        correlation = np.corrcoef(points.T)
        return np.abs(correlation - np.eye(len(correlation))).max()

    by_chance = [worst([rng.permutation(300)[:n] for n in (7, 6, 5)]) for _ in range(50)]
    assert worst(chosen) < min(by_chance)


def test_predicted_time_counts_the_decays_of_branches():
    config = small_suite()
    trunk = design(config)[0]
    job = training_job(config, trunk)
    half = job.hyperparameters.decay_fraction
    assert trained_tokens(job) == job.n_tokens + round(half * sum(job.branches))
    assert job.branches == trunk.tokens[:-1]
    assert plan_suite(small_suite(cost=None)).wall_seconds is None


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"sizes": []}, "sizes"),
        ({"unheard": 1}, "unheard: Extra inputs"),
        ({"space": {"axes": {**SUITE["space"]["axes"], "n_tokens": [9]}}}, "n_tokens has no place"),
        ({"train": {"constraints": ["n_params <= 9"]}}, "train.constraints has no place"),
        ({"tokens_per_param": [10, 5]}, "must grow"),
        ({"sizes": [{"n_params_body": 15_000, "trunks": 1, "repeats": 2}]}, "at most trunks"),
        ({"sizes": [{"n_params_body": 15_000, "trunks": 1}] * 2}, "sizes must differ"),
        ({"cost": {"flops_per_second": 0}}, "cost.flops_per_second"),
    ],
)
def test_a_suite_that_makes_no_sense_says_where(change, match):
    with pytest.raises(BayeslawError, match=match):
        small_suite(**change)


def test_a_design_that_cannot_be_made_says_why():
    many = [{"n_params_body": 15_000, "trunks": 4000}]
    with pytest.raises(InvalidInputError, match="asks for 4000; widen tolerance"):
        design(small_suite(sizes=many))
    axes = {**SUITE["space"]["axes"], "n_kv_heads": 1, "n_heads": [2, 4]}
    with pytest.raises(InvalidInputError, match="no LLaMA-like shape"):
        design(small_suite(space={"axes": axes}))
    unheard = small_suite(train={"recipe": "unheard"})
    with pytest.raises(InvalidInputError, match=r"unheard.*known are"):
        plan_suite(unheard)


def test_numbers_of_a_factor_that_never_varies_have_no_correlation():
    shape = Architecture(2, 32, 2, 2, 16, 64, 256)
    other = Architecture(2, 64, 4, 4, 16, 128, 256)
    alike = correlations([shape, other])
    group = 1 + list(FACTORS).index("gqa_group")
    assert alike[group].tolist() == [0.0] * len(TERMS)
    assert math.isfinite(alike.sum())
