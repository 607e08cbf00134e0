import importlib
import json
import time
from dataclasses import replace

import pytest
import torch

from bayeslaw.errors import InvalidInputError, UnavailableError
from bayeslaw.lab import local_device, measure
from bayeslaw.lab.inference import Round, time_architecture, time_in_turns, timing
from bayeslaw.lab.inference.contexts import position_weights, timed_contexts
from bayeslaw.runs import Job, Measurement
from bayeslaw.space import Workload


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Thirty repeats as always, but no second of them."""
    monkeypatch.setitem(timing.ENOUGH_SECONDS, "cpu", 0.02)
    monkeypatch.setitem(timing.WARM_UP_SECONDS, "cpu", 0.3)
    monkeypatch.setattr(timing, "BLOCK_SECONDS", 0.01)


@pytest.fixture
def measure_job(tiny):
    workload = Workload(batch_size=2, prompt_tokens=32, output_tokens=16)
    return Job(run_id="m1", kind="measure", architecture=tiny, workload=workload)


def test_a_measurement_has_both_latencies_and_how_it_came_about(measure_job):
    measured = measure(measure_job)
    assert 0 < measured.tpot_ms and 0 < measured.ttft_ms
    assert measured.ttft_iqr_ms >= 0 and measured.tpot_iqr_ms >= 0
    assert measured.n_repeats >= 30
    assert measured.engine_version == f"torch {torch.__version__}"
    assert measured.record["attention"] == "sdpa_flash"
    # 16 tokens: one from the prefill, then 15 steps with 32 to 46 tokens in the cache.
    assert (measured.record["tpot_contexts"][0], measured.record["tpot_contexts"][-1]) == (32, 46)
    assert Measurement.from_dict(json.loads(json.dumps(measured.to_dict()))) == measured


def test_percentiles_are_in_order_and_around_the_median(measure_job):
    measured = measure(measure_job)
    for figure in ("ttft_ms", "tpot_ms"):
        found = measured.percentiles[figure]
        assert list(found) == ["p10", "p25", "p50", "p75", "p90", "p99"]
        assert list(found.values()) == sorted(found.values())
        assert found["p50"] == getattr(measured, figure)
        iqr = getattr(measured, figure.replace("_ms", "_iqr_ms"))
        assert found["p75"] - found["p25"] == pytest.approx(iqr)


def test_a_true_generation_takes_about_its_parts(measure_job):
    ratios = []
    for measured in (measure(measure_job) for _ in range(3)):
        assert measured.e2el_ms is not None
        ratios.append(measured.record["e2el_over_parts"])
        assert ratios[-1] == pytest.approx(measured.e2el_ms / measured.e2e_ms)
    # The middle of three: a generation is some milliseconds, a stranger's burst is longer.
    assert 0.2 < sorted(ratios)[1] < 5


def test_the_mean_step_is_the_mean_over_positions():
    workload = Workload(prompt_tokens=100, output_tokens=402)
    contexts = timed_contexts(workload)
    assert contexts == [100, 200, 300, 400, 500]
    weights = position_weights(workload, contexts)
    steps = [3 + 0.01 * context for context in range(100, 501)]
    timed = [3 + 0.01 * context for context in contexts]
    assert weights @ timed == pytest.approx(sum(steps) / len(steps))
    assert timed_contexts(Workload(prompt_tokens=5, output_tokens=1)) == [5]


def test_rounds_are_repeated_and_every_action_timed_for_itself():
    calls = []

    def wait(name, seconds):
        def action():
            calls.append(name)
            time.sleep(seconds)

        return action

    short, long = time_in_turns(
        [Round([wait("a", 0.0)]), Round([wait("b", 0.001), wait("c", 0.004)])], "cpu", 12
    )
    assert short.samples_ms.shape[1] == 1 and len(short.samples_ms) >= 12
    assert long.samples_ms.shape[1] == 2 and len(long.samples_ms) >= 12
    assert (long.samples_ms[:, 1] >= 4).all() and (long.samples_ms[:, 0] >= 1).all()
    assert calls.count("b") == calls.count("c") == len(long.samples_ms) + long.warm_up_repeats
    assert "".join(calls).replace("bc", "").strip("a") == ""  # a round is never torn apart


def test_warm_up_says_when_it_did_not_settle():
    durations = iter(0.001 * 1.2**n for n in range(1000))  # ever slower
    (found,) = time_in_turns([Round([lambda: time.sleep(min(next(durations), 0.1))])], "cpu", 1)
    assert not found.settled
    (steady,) = time_in_turns([Round([lambda: time.sleep(0.002)])], "cpu", 1)
    assert steady.warm_up_repeats >= 6


def test_what_does_not_fit_is_a_measurement_too(tiny):
    absurd = Workload(batch_size=10**6, prompt_tokens=10**5, output_tokens=10)
    before = torch.get_num_threads()
    found = time_architecture(tiny, absurd, threads=2)
    assert torch.get_num_threads() == before
    assert found.out_of_memory and not found.is_feasible and found.n_repeats == 0
    assert "GB are needed" in found.record["out_of_memory"]
    assert found.session and found.to_dict()["tpot_ms"] is None
    json.dumps(found.to_dict(), allow_nan=False)


def test_an_allocation_that_fails_is_out_of_memory_and_other_errors_are_not(tiny, monkeypatch):
    module = importlib.import_module(time_architecture.__module__)  # its name is the function's
    served = Workload(prompt_tokens=4, output_tokens=2)
    # A cache beyond any address space, asked for behind the check's back.
    huge = Workload(batch_size=2**40, prompt_tokens=2**10, output_tokens=1)
    monkeypatch.setattr(module, "check_fits", lambda *arguments: None)
    monkeypatch.setattr(module, "Engine", lambda n, *rest: n.new_cache(huge.batch_size))
    assert time_architecture(tiny, served).out_of_memory

    def broken(*arguments):
        raise RuntimeError("shapes cannot be multiplied")

    monkeypatch.setattr(module, "Engine", broken)
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        time_architecture(tiny, served)


def test_a_network_that_stays_in_the_cache_is_flagged(tiny):
    found = time_architecture(tiny, Workload(prompt_tokens=4, output_tokens=2))
    large = replace(tiny, vocab_size=10**6)
    other = time_architecture(large, Workload(prompt_tokens=4, output_tokens=2), min_repeats=2)
    if found.record["l2_bytes"] is None:
        pytest.skip("this machine does not say how large its caches are")
    assert found.record["fits_l2"]
    assert other.record["fits_l2"] == (other.record["held_bytes"] < other.record["l2_bytes"])
    assert other.record["held_bytes"] >= 4 * large.n_params


def test_more_layers_and_longer_prompts_take_longer(measure_job):
    # Sixteen times the work each, so that a busy machine's noise does not turn the order.
    deep = replace(measure_job, architecture=replace(measure_job.architecture, n_layers=32))
    long = replace(measure_job, workload=replace(measure_job.workload, prompt_tokens=512))
    base, deep, long = measure(measure_job), measure(deep), measure(long)
    assert deep.tpot_ms > base.tpot_ms
    assert deep.ttft_ms > base.ttft_ms
    assert long.ttft_ms > base.ttft_ms


def test_one_output_token_and_half_precision_are_timed_too(measure_job):
    workload = Workload(prompt_tokens=8, output_tokens=1, precision="bfloat16")
    measured = measure(replace(measure_job, workload=workload))
    assert measured.record["tpot_contexts"] == [8]
    assert measured.e2e_ms == measured.ttft_ms


@pytest.mark.parametrize(
    ("workload", "complaint"),
    [
        (Workload(engine="vllm"), "engine 'bayeslaw' only"),
        (Workload(device="h100-sxm"), "asks for device 'h100-sxm'"),
        (Workload(precision="float8"), "got precision 'float8'"),
    ],
)
def test_a_workload_of_another_place_is_refused(measure_job, workload, complaint):
    with pytest.raises(InvalidInputError, match=complaint):
        measure(replace(measure_job, workload=workload))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_said_so(measure_job):
    with pytest.raises(UnavailableError, match="sees no GPU"):
        measure(replace(measure_job, device="cuda"))


def test_the_local_device_has_ceilings_above_what_networks_reach(measure_job):
    before = torch.get_num_threads()
    device = local_device(threads=1)
    assert torch.get_num_threads() == before
    assert measure(measure_job).device == device.name
    assert 1e9 < device.peak("float32") < 1e14
    assert 1e8 < device.memory_bandwidth < 1e13
    assert device.memory_bytes > 1e8


@pytest.mark.gpu
def test_a_gpu_measurement_reports_memory(measure_job):
    workload = replace(measure_job.workload, precision="bfloat16")
    measured = measure(replace(measure_job, device="cuda", workload=workload))
    assert measured.memory_bytes > 0
    assert measured.record["cuda_graph"]
    assert "sm_clock_mhz" in measured.record["gpu_before"]
    assert 0.5 < measured.record["e2el_over_parts"] < 2


@pytest.mark.gpu
def test_a_gpu_that_is_full_is_out_of_memory_and_free_again(tiny):
    total = torch.cuda.get_device_properties(0).total_memory
    wide = replace(tiny, head_dim=64)
    row = 2 * 2 * wide.n_layers * wide.n_kv_heads * wide.head_dim
    # Weights and cache just pass the check at the door; activations then find no room.
    batch = int(0.995 * total / row / 4096)
    found = time_architecture(wide, Workload(batch, 4095, 1, "bfloat16"), device="cuda")
    assert found.out_of_memory
    assert torch.cuda.memory_reserved() < 0.1 * total
    assert time_architecture(wide, Workload(1, 16, 4, "bfloat16"), device="cuda").is_feasible
