"""What a file may say of Slurm, and the flags of sbatch that follow."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from bayeslaw.executors.options import ExecutorOptions

# What the executor itself says to sbatch; said twice, one of the two would be lost in silence.
_OURS = (
    "--array", "--job-name", "--output", "--error", "--chdir", "--requeue", "--no-requeue",
    "--signal", "--parsable", "--wrap", "--nodes", "--ntasks", "--cpus-per-task", "--export",
    "--time", "--partition", "--account", "--qos", "--constraint", "--mem", "--gres", "--exclusive",
)  # fmt: skip


class SlurmOptions(ExecutorOptions):
    """What a file may say of Slurm, in sbatch's own words where it has them.

    Attributes:
        partition: Where jobs queue; the cluster's default when left out.
        account: Whom they are charged to.
        qos: Their quality of service.
        constraint: Features that their node must have, such as ``h100``.
        time: Limit of one start of a job: minutes, ``HH:MM:SS`` or ``D-HH:MM:SS``; the
            partition's when left out. A job that saves itself before it goes on in a next start.
        signal_seconds: How long before the limit a lab is told to save itself, by SIGUSR2; Slurm
            may be a minute early [s].
        memory: Of a job's node, such as ``32G``; the cluster's default when left out.
        gpus: GPUs a job, on one node [count]; when left out 1 where jobs run on cuda, else 0.
        gpu_type: Kind of GPU, as the cluster names it.
        exclusive_timing: Whether timings get a node to themselves.
        setup: Lines of shell before the lab, such as ``module load cuda``.
        flags: Further flags of sbatch, each ``--flag=value``.
        squeue_seconds: How often Slurm is asked how all jobs are doing, in one question [s].
        max_requeues: How often a job may be started again before it has failed [count].
    """

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    time: Annotated[str, Field(pattern=r"^(\d+-)?\d+(:\d+){0,2}$")] | None = None
    signal_seconds: Annotated[int, Field(ge=1, le=65535)] = 120
    memory: Annotated[str, Field(pattern=r"^\d+[KMGT]?$")] | None = None
    gpus: Annotated[int, Field(ge=0)] | None = None
    gpu_type: str | None = None
    exclusive_timing: bool = True
    setup: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    squeue_seconds: Annotated[float, Field(gt=0)] = 10.0
    max_requeues: Annotated[int, Field(ge=0)] = 100

    @field_validator("time", "memory", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        return str(value) if isinstance(value, int) else value  # YAML reads 240 as a number

    @field_validator("flags")
    @classmethod
    def _are_not_ours(cls, flags: tuple[str, ...]) -> tuple[str, ...]:
        for flag in flags:
            name = flag.partition("=")[0]
            if not flag.startswith("--") or " " in name:
                raise ValueError(f"flags are written --flag=value, got {flag!r}")
            if name in _OURS:
                raise ValueError(f"{name} is this executor's to say; it has an option for it")
        return flags

    def sbatch_flags(
        self, *, threads: int, device: Literal["cpu", "cuda"], is_timing: bool
    ) -> list[str]:
        """Return what sbatch is told of every job.

        >>> SlurmOptions(time="4:00:00").sbatch_flags(threads=8, device="cuda", is_timing=False)[3:]
        ['--requeue', '--signal=B:USR2@120', '--time=4:00:00', '--gres=gpu:1']
        """
        given = {
            "partition": self.partition,
            "account": self.account,
            "qos": self.qos,
            "constraint": self.constraint,
            "time": self.time,
            "mem": self.memory,
        }
        gpus = self.gpus if self.gpus is not None else int(device == "cuda")
        kind = f"gpu:{self.gpu_type}" if self.gpu_type else "gpu"
        return [
            "--nodes=1",
            "--ntasks=1",
            f"--cpus-per-task={threads}",
            "--requeue",
            f"--signal=B:USR2@{self.signal_seconds}",
            *(f"--{name}={value}" for name, value in given.items() if value is not None),
            *([f"--gres={kind}:{gpus}"] if gpus else []),
            *(["--exclusive"] if is_timing and self.exclusive_timing else []),
            *self.flags,
        ]
