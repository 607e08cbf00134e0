from dataclasses import replace

import pytest
import torch

from bayeslaw.errors import InvalidInputError, UnavailableError
from bayeslaw.lab import local_device, measure
from bayeslaw.runs import Job, Measurement
from bayeslaw.space import Workload


@pytest.fixture
def measure_job(tiny):
    workload = Workload(batch_size=2, prompt_tokens=32, output_tokens=16)
    return Job(run_id="m1", kind="measure", architecture=tiny, workload=workload)


def test_a_measurement_has_both_latencies_and_how_it_came_about(measure_job):
    measured = measure(measure_job)
    assert 0 < measured.tpot_ms and 0 < measured.ttft_ms
    assert measured.ttft_iqr_ms >= 0 and measured.tpot_iqr_ms >= 0
    assert measured.n_repeats >= 5
    assert measured.engine_version == f"torch {torch.__version__}"
    assert measured.record["attention"] == "sdpa_flash"
    assert (measured.record["tpot_contexts"][0], measured.record["tpot_contexts"][-1]) == (32, 47)
    assert Measurement.from_dict(measured.to_dict()) == measured


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
