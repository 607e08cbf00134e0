"""Time given networks in this process. Loads torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from bayeslaw.errors import InvalidInputError
from bayeslaw.lab import measure
from bayeslaw.runs import Job, Measurement
from bayeslaw.space import Workload, from_huggingface


def time_configs(
    paths: Sequence[Path],
    batch_size: int,
    prompt_tokens: int,
    output_tokens: int,
    precision: str,
    device: str,
    attention: str,
    threads: int,
) -> list[Measurement]:
    """Time the networks of several ``config.json`` files, with random weights."""
    if threads < 1:
        raise InvalidInputError(f"threads must be at least 1, got {threads}")
    torch.set_num_threads(threads)
    workload = Workload(
        batch_size=batch_size,
        prompt_tokens=prompt_tokens,
        output_tokens=output_tokens,
        precision=precision,
    )
    jobs = [
        Job(
            run_id=path.stem,
            kind="measure",
            architecture=from_huggingface(path),
            workload=workload,
            device=device,
            attention=attention,
            threads=threads,
        )
        for path in paths
    ]
    return [measure(job) for job in jobs]
