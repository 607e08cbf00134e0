import os
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.latency.memory import fit_memory
from bayeslaw.models.latency.memory_cases import MemoryCases, counted_bytes, memory_terms
from bayeslaw.models.latency.memory_likelihood import PRIORS, MemoryLikelihood, log_need, read_logs
from bayeslaw.runs import LatencyTable
from bayeslaw.runs.latency.readers import read_xlstm_inference
from bayeslaw.space import Architecture, Device, Workload

DATA = Path(os.environ.get("BAYESLAW_DATA", Path(__file__).parents[3] / "shared" / "data"))
CARD = Device("card", {"bfloat16": 1e14}, 1e12, 24e9)
DEVICES = {"card": CARD}
ERROR = 0.03
TRUE_SHARES = np.array([1.3, 1.0, 4.0, 0.5, 0.0])
FIXED = 6e9


def random_case(rng):
    heads = int(rng.choice([8, 16, 32]))
    return (
        Architecture(
            int(rng.choice([12, 24, 36])), 64 * heads, heads, int(rng.choice([2, 8])), 64, 256 * heads, 32000
        ),
        Workload(
            batch_size=int(2 ** rng.integers(0, 8)),
            prompt_tokens=int(2 ** rng.integers(7, 13)),
            output_tokens=128,
            precision="bfloat16",
            device="card",
        ),
    )  # fmt: skip


def question(cases, figure="tpot_ms"):
    architectures, workloads = zip(*cases, strict=True)
    return LatencyTable.ask(architectures, workloads, figure)


def need_bytes(asked, rng):
    need = FIXED + memory_terms(asked) @ TRUE_SHARES
    return need * np.exp(ERROR * rng.standard_normal(len(asked)))


def measured(asked, need, **changes):
    failed = need > CARD.memory_bytes
    columns = {
        **asked.columns,
        "latency_ms": np.where(failed, np.nan, 1e9),
        "out_of_memory": failed.astype(float),
        "n_repeats": np.where(failed, 0.0, 1.0),
        "memory_bytes": np.where(failed, np.nan, need),
    }
    return LatencyTable.from_columns({**columns, **changes}, asked.labels)


@pytest.fixture(scope="module")
def world():
    """Sixty cases that ended, and two hundred others with the truth about them."""
    rng = np.random.default_rng(5)
    learnt, new = (question([random_case(rng) for _ in range(n)]) for n in (60, 200))
    return measured(learnt, need_bytes(learnt, rng)), new, need_bytes(new, rng)


@pytest.fixture(scope="module")
def model(world):
    return fit_memory(world[0], DEVICES)


def test_what_is_counted_is_what_an_architecture_counts():
    rng = np.random.default_rng(0)
    cases = [random_case(rng) for _ in range(5)]
    for (a, w), counted in zip(cases, counted_bytes(question(cases)), strict=True):
        later = a.serving_bytes(w.batch_size, w.context, 2) - a.serving_bytes(
            w.batch_size, w.prompt_tokens, 2
        )
        written = w.batch_size * w.output_tokens * a.kv_bytes_per_token(2)
        at_prompt = a.serving_bytes(w.batch_size, w.prompt_tokens, 2)
        assert later > written  # serving_bytes counts activations of the output too
        assert counted == pytest.approx(at_prompt + written, rel=1e-9)


def test_it_finds_what_was_there_and_tells_what_fits(world, model):
    _, new, need = world
    shares = model.shares(0.99)
    for name, truth in zip(
        ("weights", "cache", "activations", "logits"), TRUE_SHARES, strict=False
    ):
        assert shares[name][0] < truth < shares[name][2], name
    assert shares["fixed"][0] < FIXED < shares["fixed"][2]
    assert shares["fixed"][2] / shares["fixed"][0] < 2
    failed = (need > CARD.memory_bytes).astype(float)
    chance = model.p_out_of_memory(new, CARD.memory_bytes)
    brier = np.mean((chance - failed) ** 2)
    plain = np.mean(((counted_bytes(new) > CARD.memory_bytes) - failed) ** 2)
    assert brier < 0.03 and plain > 2 * brier
    bands = model.quantiles(new)
    held = np.mean((bands["p05"] <= need) & (need <= bands["p95"]))
    assert held > 0.8
    assert np.median(bands["p95"] / bands["p05"]) < 1.5


def test_a_larger_card_fails_less(world, model):
    small, large = (model.p_out_of_memory(world[1], size) for size in (16e9, 80e9))
    assert (large <= small).all() and large.sum() < 0.7 * small.sum()


def test_failures_alone_teach_what_counting_does_not_know(world):
    table, new, need = world
    no_memory = LatencyTable.from_columns({**table.columns, "memory_bytes": np.nan}, table.labels)
    found = fit_memory(no_memory, DEVICES)
    failed = (need > CARD.memory_bytes).astype(float)
    brier = np.mean((found.p_out_of_memory(new, CARD.memory_bytes) - failed) ** 2)
    assert brier < np.mean(((counted_bytes(new) > CARD.memory_bytes) - failed) ** 2)


def test_a_network_that_was_measured_is_better_known_than_a_new_one():
    rng = np.random.default_rng(2)
    loads = [random_case(rng)[1] for _ in range(12)]
    networks = [random_case(rng)[0] for _ in range(6)]
    own = {network: np.exp(0.2 * rng.standard_normal()) for network in networks}
    cases = [(a, w) for a in networks[:5] for w in loads]
    asked = question(cases)
    need = need_bytes(asked, rng) * np.array([own[a] for a, _ in cases])
    found = fit_memory(measured(asked, need), DEVICES)
    light = Workload(4, 300, 64, "bfloat16", device="card")
    for known, is_narrow in ((networks[0], True), (networks[5], False)):
        bands = found.quantiles(question([(known, light)]))
        assert (bands["p95"][0] / bands["p05"][0] < 1.35) == is_narrow


def test_a_case_failed_if_its_steps_did_though_its_prompt_fitted():
    case = random_case(np.random.default_rng(3))
    prompt, steps = (question([case], figure) for figure in ("ttft_ms", "tpot_ms"))
    both = LatencyTable.concat([
        measured(prompt, np.array([20e9])), measured(steps, np.array([30e9])),
    ])  # fmt: skip
    cases = MemoryCases.of_table(both, DEVICES)
    assert cases.has_failed.tolist() == [True]
    assert np.isnan(cases.memory_bytes).all()
    fitted = MemoryCases.of_table(
        LatencyTable.concat(
            [measured(prompt, np.array([20e9])), measured(steps, np.array([22e9]))]
        ),
        DEVICES,
    )
    assert fitted.memory_bytes.tolist() == [22e9]


def test_offsets_are_integrated_out_as_on_a_fine_grid():
    rng = np.random.default_rng(4)
    (network, _), loads = random_case(rng), [random_case(rng)[1] for _ in range(14)]
    asked = question([(network, load) for load in loads])
    cases = MemoryCases.of_table(measured(asked, need_bytes(asked, rng)), DEVICES)
    assert cases.has_failed.any() and np.isfinite(cases.memory_bytes).any()
    logs = read_logs(torch.zeros(1, len(PRIORS), dtype=torch.float64))
    sds = dict(zip(PRIORS, logs[0].exp().tolist(), strict=True))
    value, mean, sd = MemoryLikelihood.of_cases(cases).at(logs)
    u = np.linspace(-8, 8, 200_001) * sds["network_sd"]
    need = log_need(logs, torch.as_tensor(np.log(np.maximum(cases.terms, 1e-9))))[0].numpy()
    grid = stats.norm.logpdf(u, 0, sds["network_sd"])
    room = np.log(sds["usable"] * CARD.memory_bytes)
    for i, memory in enumerate(cases.memory_bytes):
        if np.isfinite(memory):
            grid += stats.norm.logpdf(np.log(memory), need[i] + u, sds["case_sd"])
        else:
            grid += stats.norm.logcdf((need[i] + u - room) / sds["case_sd"])
    n = int(np.isfinite(cases.memory_bytes).sum())
    step = u[1] - u[0]
    exact = np.log(np.exp(grid - grid.max()).sum() * step) + grid.max() + n / 2 * np.log(2 * np.pi)
    used = np.nanmax(cases.memory_bytes) / CARD.memory_bytes
    exact += stats.norm.logcdf((np.log(sds["usable"]) - np.log(used)) / 0.005)
    assert float(value[0]) == pytest.approx(exact, abs=1e-3)
    weights = np.exp(grid - grid.max())
    centre = (weights * u).sum() / weights.sum()
    assert float(mean[0, 0]) == pytest.approx(centre, abs=1e-4)
    spread = np.sqrt((weights * (u - centre) ** 2).sum() / weights.sum())
    assert float(sd[0, 0]) == pytest.approx(spread, rel=0.01)


def test_the_door(world, model):
    table, new, _ = world
    with pytest.raises(InvalidInputError, match="this table asks"):
        fit_memory(new, DEVICES)
    with pytest.raises(InvalidInputError, match="of unknown size"):
        fit_memory(table)
    fitted = table.where(table["out_of_memory"] == 0)
    silent = LatencyTable.from_columns({**fitted.columns, "memory_bytes": np.nan}, fitted.labels)
    with pytest.raises(InvalidInputError, match="no row has memory_bytes"):
        fit_memory(silent, DEVICES)
    other = LatencyTable.from_columns(table.columns, {**table.labels, "engine": "vllm"})
    with pytest.raises(InvalidInputError, match="mixes engine"):
        fit_memory(LatencyTable.concat([table, other]), DEVICES)
    with pytest.raises(InvalidInputError, match="measured with engine='bayeslaw'"):
        model.p_out_of_memory(other, 1e9)
    with pytest.raises(InvalidInputError, match="capacity_bytes must be positive"):
        model.p_out_of_memory(new, 0.0)


@pytest.mark.parametrize(("is_recurrent", "left_out"), [(0, "llama2_1.4b"), (1, "xlstm_400m")])
def test_what_ran_out_on_an_h100_is_foreseen_for_a_size_not_seen(is_recurrent, left_out):
    path = DATA / "xlstm_scaling" / "inference_h100.csv"
    if not path.exists():
        pytest.skip(f"{path.name} is not in {DATA} (set BAYESLAW_DATA)")
    table = read_xlstm_inference(path)
    table = table.where(table["is_recurrent"] == is_recurrent)
    is_out = np.array(table.labels["model"]) == left_out
    found = fit_memory(table.where(~is_out))
    asked = table.where(is_out).select(figure="tpot_ms")
    failed = asked["out_of_memory"]
    brier = np.mean((found.p_out_of_memory(asked, 80e9) - failed) ** 2)
    assert brier < 0.025
    assert brier < 0.2 * np.mean(((counted_bytes(asked) > 80e9) - failed) ** 2)
