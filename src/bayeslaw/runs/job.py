"""What a lab is asked to do and what it answers: job.json in, result.json out.

The schema is versioned and plain JSON, so any program that speaks it is a lab. This module
needs the standard library only.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from bayeslaw.errors import InvalidInputError
from bayeslaw.runs.hyperparameters import Hyperparameters
from bayeslaw.runs.measurement import Measurement
from bayeslaw.space import Architecture, Workload

SCHEMA = 2
# What a lab exits with, without a result, when it was told to stop: "start me again".
REQUEUE_EXIT_CODE = 85
# In a lab's environment: which start of its job this is, 1 for the first.
ATTEMPT_VARIABLE = "BAYESLAW_ATTEMPT"

JobKind = Literal["train", "measure"]


@dataclass(frozen=True, slots=True)
class Job:
    """Ask a lab to train or to time one architecture.

    Attributes:
        run_id: The run (or measurement) this job is for.
        kind: ``train`` or ``measure``.
        architecture: The network.
        n_tokens: Training tokens of the whole schedule [count]; ``train`` only.
        branches: Smaller token counts that shall be finished too: at each, the constant phase is
            left, the rate decays, the loss is taken, and the trunk goes on from where it was left.
            A branch ends with the weights that a run of that many tokens would have.
        hyperparameters: How to train; ``train`` only.
        corpus: Folder that `bayeslaw.lab.corpus` built; ``train`` only.
        workload: What to time; ``measure`` only.
        device: ``cpu`` or ``cuda``.
        precision: Of training arithmetic: float32 or bfloat16.
        attention: A name in the lab's attention registry; never replaced in silence.
        threads: CPU threads the job may use [count].
        seed: Of weights and data order.
        micro_batch_tokens: Tokens that a process reads at once; the step's gradients are summed
            over such parts [count]. The whole batch when left out.
        recompute_activations: Whether the backward pass computes blocks again to save memory.
        compile: Whether ``torch.compile`` is used.
        schema: Version of this format.
    """

    run_id: str
    kind: JobKind
    architecture: Architecture
    n_tokens: int | None = None
    branches: tuple[int, ...] = ()
    hyperparameters: Hyperparameters | None = None
    corpus: str | None = None
    workload: Workload | None = None
    device: str = "cpu"
    precision: str = "float32"
    attention: str = "sdpa_flash"
    threads: int = 1
    seed: int = 0
    micro_batch_tokens: int | None = None
    recompute_activations: bool = False
    compile: bool = False
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        needed = {
            "train": ("n_tokens", "hyperparameters", "corpus"),
            "measure": ("workload",),
        }
        if self.kind not in needed:
            raise InvalidInputError(f"job kind must be 'train' or 'measure', got {self.kind!r}")
        if missing := [name for name in needed[self.kind] if getattr(self, name) is None]:
            raise InvalidInputError(
                f"a {self.kind} job needs {missing}, job {self.run_id!r} lacks them"
            )
        _check_branches(self)

    def write(self, path: Path) -> None:
        """Write job.json."""
        path.write_text(json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def read(cls, path: Path) -> Job:
        """Read job.json, or say what is wrong with it."""
        values = _load(path, cls)
        values["architecture"] = Architecture.from_dict(values["architecture"])
        if values.get("hyperparameters") is not None:
            values["hyperparameters"] = Hyperparameters(**values["hyperparameters"])
        if values.get("workload") is not None:
            values["workload"] = Workload.from_dict(values["workload"])
        values["branches"] = tuple(values.get("branches", ()))
        return cls(**values)


@dataclass(frozen=True, slots=True)
class JobResult:
    """Answer a job.

    Attributes:
        run_id: Of the job.
        kind: Of the job.
        status: ``done``, or ``failed`` with a reason.
        reason: Why it failed, for a person.
        finished: Whether the whole schedule ran; a loss that is not finished enters no law.
        loss_nats: Final loss on the fixed evaluation set [nats per token].
        loss_stderr: Its standard error over evaluation sequences [nats per token].
        bits_per_byte: The same loss per byte of text [bits].
        curve: Evaluations on the way: ``{"step", "tokens", "loss_nats", "loss_stderr",
            "bits_per_byte"}``.
        branches: The job's branches, each finished: ``{"n_tokens", "loss_nats", "loss_stderr",
            "bits_per_byte", "seconds"}``; ``seconds`` is what a run of that length alone takes.
        seconds: Wall time of the job [s].
        measurement: What was timed; ``measure`` only.
        record: Everything else worth keeping: versions, attention backend, seeds, rates, hashes.
        schema: Version of this format.
    """

    run_id: str
    kind: JobKind
    status: Literal["done", "failed"]
    reason: str = ""
    finished: bool = False
    loss_nats: float | None = None
    loss_stderr: float | None = None
    bits_per_byte: float | None = None
    curve: list[dict[str, float]] = field(default_factory=list)
    branches: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    measurement: Measurement | None = None
    record: dict[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        if self.status == "failed" and not self.reason:
            raise InvalidInputError(
                f"a failed result needs a reason, run {self.run_id!r} gives none"
            )
        if (
            self.status == "done"
            and self.kind == "train"
            and (self.loss_nats is None or not self.finished)
        ):
            raise InvalidInputError(
                f"run {self.run_id!r} is called done but has loss_nats={self.loss_nats} and "
                f"finished={self.finished}; a training run is done when its schedule ended"
            )
        if self.status == "done" and self.kind == "measure" and self.measurement is None:
            raise InvalidInputError(f"measurement {self.run_id!r} is called done but timed nothing")

    def write(self, path: Path) -> None:
        """Write result.json whole or not at all."""
        partial = path.with_suffix(".partial")
        values = asdict(self)
        if self.measurement is not None:
            values["measurement"] = self.measurement.to_dict()
        partial.write_text(json.dumps(values, indent=2, allow_nan=False) + "\n")
        partial.replace(path)

    @classmethod
    def read(cls, path: Path) -> JobResult:
        """Read result.json, or say what is wrong with it."""
        values = _load(path, cls)
        if values.get("measurement") is not None:
            values["measurement"] = Measurement.from_dict(values["measurement"])
        return cls(**values)


def _check_branches(job: Job) -> None:
    if not job.branches or job.n_tokens is None or job.hyperparameters is None:
        return
    if job.hyperparameters.schedule != "wsd":
        raise InvalidInputError(
            f"job {job.run_id!r} has branches and schedule {job.hyperparameters.schedule!r}; only "
            f"'wsd' has a constant phase to branch from"
        )
    if list(job.branches) != sorted(set(job.branches)) or not (
        0 < job.branches[0] and job.branches[-1] < job.n_tokens
    ):
        raise InvalidInputError(
            f"branches are growing token counts below n_tokens={job.n_tokens}, got {job.branches}"
        )


def _load(path: Path, kind: type) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise InvalidInputError(
            f"{path} is not a readable {kind.__name__} file: {error}"
        ) from error
    if values.get("schema") != SCHEMA:
        raise InvalidInputError(
            f"{path} has schema {values.get('schema')!r}, this bayeslaw reads schema {SCHEMA}"
        )
    if unknown := set(values) - {entry.name for entry in fields(kind)}:
        raise InvalidInputError(f"{path} has unknown field(s) {sorted(unknown)}")
    return values
