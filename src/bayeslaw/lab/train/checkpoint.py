"""What a killed run needs to go on as if nothing had happened."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from bayeslaw.errors import LabError
from bayeslaw.runs import Job

CHECKPOINT = "checkpoint.pt"


@dataclass(slots=True)
class Progress:
    """Say how far a run is.

    Attributes:
        step: Optimizer steps taken [count].
        seconds: Wall time so far, over all restarts [s].
        n_restarts: Times the run was taken up again [count].
        curve: Evaluations so far.
    """

    step: int = 0
    seconds: float = 0.0
    n_restarts: int = 0
    curve: list[dict[str, float]] = field(default_factory=list)


def job_fingerprint(job: Job, corpus_fingerprint: str) -> str:
    """Return a hash of all that decides a run's losses."""
    text = json.dumps([asdict(job), corpus_fingerprint], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def save_checkpoint(
    folder: Path,
    fingerprint: str,
    network: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
) -> None:
    """Write weights, optimizer state and progress, whole or not at all."""
    partial = folder / f"{CHECKPOINT}.partial"
    with partial.open("wb") as file:
        torch.save(
            {
                "fingerprint": fingerprint,
                "network": network.state_dict(),
                "optimizer": optimizer.state_dict(),
                "progress": asdict(progress),
            },
            file,
        )
        file.flush()
        os.fsync(file.fileno())
    partial.replace(folder / CHECKPOINT)


def load_checkpoint(
    folder: Path,
    fingerprint: str,
    network: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
) -> Progress:
    """Restore network and optimizer in place; return a fresh `Progress` where nothing was saved.

    Raises:
        LabError: The checkpoint is of another job, or cannot be read.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return Progress()
    device = next(network.parameters()).device
    try:
        saved: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:
        raise LabError(
            f"{path} cannot be read ({error}); delete it to start the run again"
        ) from error
    if saved["fingerprint"] != fingerprint:
        raise LabError(
            f"{path} is of another job or corpus; give the job a folder of its own, or delete the "
            f"checkpoint to start again"
        )
    network.load_state_dict(saved["network"])
    optimizer.load_state_dict(saved["optimizer"])
    progress = Progress(**saved["progress"])
    progress.n_restarts += 1
    return progress
