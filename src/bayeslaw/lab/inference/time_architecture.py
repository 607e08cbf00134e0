"""The latency of one architecture: time to the first token, and to each one after."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np
import torch

from bayeslaw.lab.attention import AttentionBackend
from bayeslaw.lab.inference.contexts import position_weights, timed_contexts
from bayeslaw.lab.inference.engine import Engine
from bayeslaw.lab.inference.gpu_state import gpu_state
from bayeslaw.lab.inference.memory import (
    check_fits,
    give_back_memory,
    is_out_of_memory,
    largest_cache_bytes,
)
from bayeslaw.lab.inference.options import TimingOptions, engine_version
from bayeslaw.lab.inference.timing import MIN_REPEATS, Repeats, Round, Timing, time_in_turns
from bayeslaw.lab.machine import as_dtype, versions
from bayeslaw.lab.network import Network
from bayeslaw.runs import Measurement
from bayeslaw.space import Architecture, Workload

# A true generation is a check, and holds a graph for each position.
MAX_GENERATED = 1024
GENERATIONS, GENERATION_SECONDS = 3, 1.0


def time_architecture(
    architecture: Architecture,
    workload: Workload,
    *,
    device: str = "cpu",
    attention: str = "sdpa_flash",
    threads: int = 1,
    seed: int = 0,
    graphs: bool | None = None,
    compiled: bool = False,
    min_repeats: int = MIN_REPEATS,
) -> Measurement:
    """Time the real network of an architecture, with random weights.

    TTFT is one eager prefill of all prompts and the choice of the first tokens. TPOT is the mean
    over output positions of a decode step, interpolated between the contexts that are timed. Both
    are static-batch figures, without a queue. A true generation afterwards checks their sum. What
    does not fit is a measurement too, infeasible.

    Args:
        architecture: What to time.
        workload: Batch, prompt, output and precision.
        device: ``cpu`` or ``cuda``.
        attention: A kernel of the lab's registry.
        threads: CPU threads; the caller's own setting is put back [count].
        seed: Of weights and prompt.
        graphs: Whether decode steps are CUDA graphs; None: on CUDA yes, on a CPU no.
        compiled: Whether blocks are compiled by ``torch.compile``.
        min_repeats: Of prefill and of decode [count].

    Raises:
        InvalidInputError: Another engine, device or precision than the lab has.
        UnavailableError: The device or attention kernel is not here.
    """
    options = TimingOptions(device, attention, threads, seed, graphs, compiled, min_repeats)
    backend = options.backend_for(architecture, workload)
    record = {
        "attention": backend.name,
        "attention_version": backend.version,
        "threads": threads,
        "seed": seed,
        "cuda_graph": options.uses_graphs,
        "compiled": compiled,
        # Others' work slows a timing; a figure taken in a crowd should be seen as such.
        "load_average": os.getloadavg()[0],
        **versions(),
    }
    if device == "cuda":
        record["gpu_before"] = gpu_state()
    threads_before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        check_fits(architecture, workload, device)
        return _time(architecture, workload, options, backend, record)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        record["out_of_memory"] = f"{type(error).__name__}: {error}".splitlines()[0]
    finally:
        torch.set_num_threads(threads_before)
        give_back_memory()
    # Once more: only here has the error, and with it the half-built network, been let go.
    give_back_memory()
    return Measurement.infeasible(
        architecture, workload, options.device_name, engine_version(),
        record=record, session=_session(),
    )  # fmt: skip


def _time(
    architecture: Architecture,
    workload: Workload,
    options: TimingOptions,
    backend: AttentionBackend,
    record: dict[str, Any],
) -> Measurement:
    on_gpu = options.device == "cuda"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    network = _random_network(architecture, workload, options, backend)
    engine = Engine(network, workload, options.graphs, options.compiled, options.seed)
    engine.prefill()
    contexts = timed_contexts(workload)
    steps = [engine.step_at(context) for context in contexts]
    prefills, decodes = time_in_turns(
        [Round([engine.prefill]), Round(steps, queued=True)], options.device, options.min_repeats
    )
    ttft = Timing.of(prefills.samples_ms[:, 0])
    tpot = Timing.of(decodes.samples_ms @ position_weights(workload, contexts))
    memory = float(torch.cuda.max_memory_allocated()) if on_gpu else None
    if on_gpu:
        record["gpu_after"] = gpu_state()
    e2el_ms = _time_generation(engine, options.device, record)
    cache_bytes = largest_cache_bytes(options.device)
    record |= {
        "ttft_repeats": ttft.n_repeats,
        "tpot_repeats": tpot.n_repeats,
        "ttft_warm_up": _warm_up(prefills),
        "tpot_warm_up": _warm_up(decodes),
        "tpot_contexts": contexts,
        "tpot_by_context_ms": {
            str(context): float(median)
            for context, median in zip(contexts, np.median(decodes.samples_ms, axis=0), strict=True)
        },
        "held_bytes": engine.held_bytes,
        # Weights that stay in the device's cache between steps say little of larger networks.
        "fits_l2": None if cache_bytes is None else engine.held_bytes < cache_bytes,
        "l2_bytes": cache_bytes,
    }
    measured = Measurement(
        architecture=architecture,
        workload=workload,
        device=options.device_name,
        engine_version=engine_version(),
        ttft_ms=ttft.median_ms,
        tpot_ms=tpot.median_ms,
        ttft_iqr_ms=ttft.iqr_ms,
        tpot_iqr_ms=tpot.iqr_ms,
        n_repeats=min(ttft.n_repeats, tpot.n_repeats),
        memory_bytes=memory,
        record=record,
        percentiles={"ttft_ms": dict(ttft.percentiles_ms), "tpot_ms": dict(tpot.percentiles_ms)},
        e2el_ms=e2el_ms,
        session=_session(),
    )
    if e2el_ms is not None:
        record["e2el_over_parts"] = e2el_ms / measured.e2e_ms
    return measured


def _random_network(
    architecture: Architecture,
    workload: Workload,
    options: TimingOptions,
    backend: AttentionBackend,
) -> Network:
    """Build it where and as it will run: a detour over float32 could need twice the memory."""
    dtype, before = as_dtype(workload.precision), torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(options.device):
            network = Network(architecture, backend, workload.context, options.seed)
    finally:
        torch.set_default_dtype(before)
    return network.to(dtype).eval()


def _time_generation(engine: Engine, device: str, record: dict[str, Any]) -> float | None:
    """Return the median wall time of true generations [ms]; None, and why, where none was run."""
    if engine.workload.output_tokens > MAX_GENERATED:
        record["e2el_left_out"] = f"more than {MAX_GENERATED} output tokens"
        return None
    try:
        if engine.graphs:
            engine.generate()  # captures
        samples: list[float] = []
        while len(samples) < GENERATIONS and sum(samples) < 1e3 * GENERATION_SECONDS:
            _wait(device)
            started = time.perf_counter()
            engine.generate()
            _wait(device)
            samples.append((time.perf_counter() - started) * 1e3)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        record["e2el_left_out"] = "no memory for a graph of each position"
        return None
    record["e2el_repeats"] = len(samples)
    return Timing.of(samples).median_ms


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def _warm_up(found: Repeats) -> dict[str, Any]:
    return {"repeats": found.warm_up_repeats, "settled": found.settled}


@cache
def _session() -> str:
    """Name this process: its timings share whatever was special about it."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}-{os.getpid()}"
