"""What the decode benchmark races: our engine with and without graphs, transformers' generate."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from bayeslaw.errors import UnavailableError
from bayeslaw.lab.inference import time_architecture
from bayeslaw.lab.machine import as_dtype
from bayeslaw.space import Architecture, Workload
from benchmarks.gpu.attention_table import synchronize
from benchmarks.peers.hf_llama import hf_llama

QUANTILES = {"p10": 0.10, "p25": 0.25, "p50": 0.50, "p75": 0.75, "p90": 0.90, "p99": 0.99}
MIN_GENERATIONS = 5

CONTESTANTS = ("ours", "transformers dynamic", "ours eager", "transformers static")
"""In the order in which they run: the headline's pair first."""

COMPILED = ("ours compiled", "transformers static compiled")
"""They compile for up to a minute a shape, so they come after all others."""


@dataclass(frozen=True, slots=True)
class DecodeShape:
    """Name one network by its size."""

    name: str
    architecture: Architecture


SHAPES = (
    DecodeShape("125M", Architecture(12, 768, 12, 12, 64, 2048, 50_304, tied_embeddings=True)),
    DecodeShape("350M", Architecture(24, 1024, 16, 16, 64, 2816, 50_304, tied_embeddings=True)),
    DecodeShape("760M", Architecture(24, 1536, 16, 16, 96, 4096, 50_304, tied_embeddings=True)),
    DecodeShape("1.2B", Architecture(16, 2048, 32, 8, 64, 8192, 128_256, tied_embeddings=True)),
    DecodeShape("3.2B", Architecture(28, 3072, 24, 8, 128, 8192, 128_256, tied_embeddings=True)),
    DecodeShape("8B", Architecture(32, 4096, 32, 8, 128, 14_336, 128_256)),
)
"""GPT-3's first three widths and depths, then LLaMA-3.2-1B, LLaMA-3.2-3B and LLaMA-3.1-8B."""

SMOKE_SHAPES = (DecodeShape("smoke", Architecture(2, 32, 4, 2, 8, 64, 256, tied_embeddings=True)),)


def decode_figures(
    name: str, architecture: Architecture, workload: Workload, device: torch.device, seconds: float
) -> dict[str, Any]:
    """Time one contestant's decode with random weights.

    Args:
        name: Of `CONTESTANTS` or `COMPILED`.
        architecture: To serve.
        workload: Batch and lengths.
        device: Where.
        seconds: For transformers' repeats, of which there are at least five [s].

    Returns:
        ``tpot_ms`` (median) and its percentiles, ``ttft_ms``, ``n_repeats``; for ours also
        ``tpot_of_generation_ms``, by the peer's definition; or ``out_of_memory``.

    Raises:
        UnavailableError: transformers is not installed, the device has no such attention, or the
            machine is too busy for a difference of two times.
    """
    who, _, how = name.partition(" ")
    if who == "ours":
        return _ours(architecture, workload, device, how)
    return _transformers(architecture, workload, device, how, seconds)


def _ours(
    architecture: Architecture, workload: Workload, device: torch.device, how: str
) -> dict[str, Any]:
    found = time_architecture(
        architecture,
        workload,
        device=device.type,
        graphs=False if how == "eager" else None,
        compiled=how == "compiled",
    )
    if not found.is_feasible:
        return {"out_of_memory": True}
    later_tokens = workload.output_tokens - 1
    return {
        "tpot_ms": found.tpot_ms,
        "percentiles": found.percentiles["tpot_ms"],
        "ttft_ms": found.ttft_ms,
        "n_repeats": found.n_repeats,
        "tpot_of_generation_ms": None
        if found.e2el_ms is None
        else (found.e2el_ms - found.ttft_ms) / later_tokens,
        "record": found.record,
    }


def _transformers(
    architecture: Architecture, workload: Workload, device: torch.device, how: str, seconds: float
) -> dict[str, Any]:
    """Time ``generate`` of n tokens and of one: TPOT = (t(n) - t(1)) / (n - 1), by the wall clock."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as many as ours has, where it runs on a CPU
    try:
        generate = generation(architecture, workload, device, how)
        for n_tokens in (1, workload.output_tokens, workload.output_tokens):
            generate(n_tokens)  # warm up: allocator, autotuning, compiler
        first = _samples_ms(lambda: generate(1), device, seconds / 4)
        whole = _samples_ms(lambda: generate(workload.output_tokens), device, seconds)
    except torch.OutOfMemoryError:
        return {"out_of_memory": True}
    finally:
        torch.set_num_threads(n_threads)
    ttft_ms = statistics.median(first)
    steps = sorted((ms - ttft_ms) / (workload.output_tokens - 1) for ms in whole)
    tpot_ms = statistics.median(steps)
    if tpot_ms <= 0:
        raise UnavailableError(
            f"{workload.output_tokens} tokens took no longer than one ({ttft_ms:.1f} ms): something "
            f"else was running; measure this cell again on a quiet machine"
        )
    return {
        "tpot_ms": tpot_ms,
        "percentiles": {key: _quantile(steps, share) for key, share in QUANTILES.items()},
        "ttft_ms": ttft_ms,
        "n_repeats": len(steps),
    }


def generation(
    architecture: Architecture, workload: Workload, device: torch.device, how: str
) -> Callable[[int], torch.Tensor]:
    """Build transformers' Llama and return a function from a number of tokens to those tokens.

    Args:
        architecture: A LLaMA shape.
        workload: Gives batch, prompt length, precision.
        device: Where.
        how: ``dynamic``, ``static`` or ``static compiled``: the cache, and whether ``generate``
            compiles the step, as it does of its own accord for a static cache on CUDA.

    Raises:
        UnavailableError: transformers is not installed.
    """
    dtype = as_dtype(workload.precision)
    torch.manual_seed(0)
    with torch.device(device), _default_dtype(dtype):
        llama: Any = hf_llama(architecture, workload.context).llama
    return generation_of(llama.to(device, dtype), workload, how)


def generation_of(llama: Any, workload: Workload, how: str) -> Callable[[int], torch.Tensor]:
    """Do the same for a network that is there: greedy, no end of text, exactly n tokens."""
    llama.eval().requires_grad_(False)
    llama.config.use_cache = True
    # An end-of-text token would cost a logits processor a step and could end a sequence early.
    llama.generation_config.eos_token_id = None
    llama.generation_config.pad_token_id = 0
    prompt = torch.randint(
        llama.config.vocab_size, (workload.batch_size, workload.prompt_tokens),
        generator=torch.Generator().manual_seed(0),
    ).to(llama.device)  # fmt: skip
    mask = torch.ones_like(prompt)
    cache, _, compiled = how.partition(" ")
    # A dynamic cache is the default and goes unnamed, as a user would call it.
    chosen = {} if cache == "dynamic" else {"cache_implementation": cache}

    def generate(n_tokens: int) -> torch.Tensor:
        tokens = llama.generate(
            prompt,
            attention_mask=mask,
            min_new_tokens=n_tokens,
            max_new_tokens=n_tokens,
            do_sample=False,
            use_cache=True,
            disable_compile=not compiled,
            **chosen,
        )
        return tokens[:, workload.prompt_tokens :]

    return generate


def read_bandwidth(device: torch.device, n_bytes: int, seconds: float = 0.5) -> float:
    """Return the best rate of a sum over so many bytes: reads alone, streaming [byte/s]."""
    values = torch.ones(n_bytes // 4, device=device)
    values.sum()
    best, started = float("inf"), time.perf_counter()
    while time.perf_counter() - started < seconds:
        best = min(best, _seconds_of(values.sum, device))
    return n_bytes / best


def _samples_ms(action: Callable[[], object], device: torch.device, seconds: float) -> list[float]:
    samples: list[float] = []
    while len(samples) < MIN_GENERATIONS or sum(samples) < seconds * 1e3:
        samples.append(_seconds_of(action, device) * 1e3)
    return samples


def _seconds_of(action: Callable[[], object], device: torch.device) -> float:
    synchronize(device)
    start = time.perf_counter()
    action()
    synchronize(device)
    return time.perf_counter() - start


def _quantile(ordered: list[float], share: float) -> float:
    """Interpolate between the two nearest of sorted values."""
    position = share * (len(ordered) - 1)
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (position - low) * (ordered[high] - ordered[low])


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
