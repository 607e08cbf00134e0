"""The latency of a job's network: time to the first token, and to each one after."""

from __future__ import annotations

import os

import torch

from bayeslaw.errors import InvalidInputError
from bayeslaw.lab.attention import attention_backend
from bayeslaw.lab.inference.timing import Timing, time_in_turns
from bayeslaw.lab.machine import as_dtype, check_device, device_name, versions
from bayeslaw.lab.network import Network
from bayeslaw.runs import Job, Measurement
from bayeslaw.space import Workload

ENGINE = "bayeslaw"
# Decode steps slow down evenly as the context grows, so a few contexts give the mean step.
N_CONTEXTS = 8


@torch.inference_mode()
def measure(job: Job) -> Measurement:
    """Time the real network of a job's architecture, with random weights.

    TTFT is one prefill of all prompts and the choice of the first tokens. TPOT is the mean decode
    step over contexts spread from the prompt's end to the output's. Both are static-batch
    figures, without a queue, and eager (no CUDA graph).

    Args:
        job: Of kind ``measure``. The caller has set ``torch.set_num_threads(job.threads)``.

    Raises:
        InvalidInputError: Another engine, device or precision than the lab has.
        UnavailableError: The job's device or attention kernel is not here.
    """
    workload = job.workload
    if workload is None:
        raise InvalidInputError(f"job {job.run_id!r} is not a measure job: it has no workload")
    check_device(job.device)
    name = device_name(job.device, job.threads)
    _check_served_here(workload, name)
    dtype = as_dtype(workload.precision)
    attention = attention_backend(job.attention, job.device, dtype, job.architecture.head_dim)
    network = Network(job.architecture, attention, workload.context, job.seed)
    network = network.to(job.device, dtype).eval()
    if job.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    # Others' work on the machine slows a timing; a figure taken in a crowd should be seen as such.
    load_average = os.getloadavg()[0]
    ttft, tpot = _time(network, workload, job)
    return Measurement(
        architecture=job.architecture,
        workload=workload,
        device=name,
        engine_version=f"torch {torch.__version__}",
        ttft_ms=ttft.median_ms,
        tpot_ms=tpot.median_ms,
        ttft_iqr_ms=ttft.iqr_ms,
        tpot_iqr_ms=tpot.iqr_ms,
        n_repeats=min(ttft.n_repeats, tpot.n_repeats),
        memory_bytes=float(torch.cuda.max_memory_allocated()) if job.device == "cuda" else None,
        record={
            "attention": attention.name,
            "attention_version": attention.version,
            "threads": job.threads,
            "seed": job.seed,
            "ttft_repeats": ttft.n_repeats,
            "tpot_repeats": tpot.n_repeats,
            "tpot_contexts": _contexts(workload),
            "cuda_graph": False,
            "load_average": load_average,
            **versions(),
        },
    )


def _check_served_here(workload: Workload, device: str) -> None:
    if workload.engine != ENGINE:
        raise InvalidInputError(
            f"the lab times engine {ENGINE!r} only, the workload asks for {workload.engine!r}; "
            f"time it there and import the measurements"
        )
    if workload.device not in ("local", device):
        raise InvalidInputError(
            f"the workload asks for device {workload.device!r}, this is {device!r}; run the job "
            f"there, or set the workload's device to 'local'"
        )


def _time(network: Network, workload: Workload, job: Job) -> tuple[Timing, Timing]:
    """Time prefill and rounds of decode steps, one step at each context."""
    generator = torch.Generator().manual_seed(job.seed)
    vocab = job.architecture.vocab_size
    shape = (workload.batch_size, workload.prompt_tokens)
    prompt = torch.randint(vocab, shape, generator=generator).to(job.device)
    cache = network.new_cache(workload.batch_size, workload.context)
    # A step reads the whole cache, so all of it must hold ordinary numbers.
    cache.keys.normal_()
    cache.values.normal_()

    def prefill() -> torch.Tensor:
        cache.length = 0
        return network.prefill(prompt, cache).argmax(dim=-1)

    token = prefill()
    contexts = _contexts(workload)

    def decode_round() -> None:
        following = token
        for context in contexts:
            cache.length = context
            following = network.decode(following, cache).argmax(dim=-1)

    ttft, rounds = time_in_turns([prefill, decode_round], job.device)
    n = len(contexts)
    return ttft, Timing(rounds.median_ms / n, rounds.iqr_ms / n, rounds.n_repeats)


def _contexts(workload: Workload) -> list[int]:
    """Return tokens in the cache before each timed step, evenly from first step to last."""
    first, last = workload.prompt_tokens, workload.context - 1
    spread = torch.linspace(first, last, N_CONTEXTS, dtype=torch.float64).round().long()
    return sorted(set(spread.tolist()))
