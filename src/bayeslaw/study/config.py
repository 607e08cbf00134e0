"""What a study is about, as its YAML file says it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from bayeslaw.errors import InvalidInputError
from bayeslaw.executors import (
    EXECUTORS,
    LAB_COMMAND,
    Circumstances,
    Executor,
    find_executor,
    read_options,
)
from bayeslaw.space import Architecture, SearchSpace, Target, Workload


class Section(BaseModel):
    """A part of a file; a word that is not known is an error, so a typo is never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


AnySection = TypeVar("AnySection", bound=Section)


def read_yaml(path: Path) -> Any:
    """Return what a YAML file holds, or say why it cannot be read."""
    try:
        return yaml.safe_load(path.read_text())
    except OSError as error:
        raise InvalidInputError(f"cannot open {path}: {error}") from error
    except yaml.YAMLError as error:
        raise InvalidInputError(f"{path.name} is not YAML: {error}") from error


def validated(kind: type[AnySection], content: Any, complaint: str) -> AnySection:
    """Check parsed content, or raise the complaint with every place that is wrong."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        lines = [
            f"  {'.'.join(str(part) for part in issue['loc'])}: {issue['msg']}"
            for issue in error.errors()
        ]
        raise InvalidInputError(f"{complaint}:\n" + "\n".join(lines)) from error


class SpaceSection(Section):
    """Architectures and token budgets that are considered at any scale.

    Attributes:
        axes: A value, choices or a range for each axis of `SearchSpace`.
        constraints: What every member must meet.
        tensor_parallel: What heads, KV heads and ``d_ff`` must divide by [count].
    """

    axes: dict[str, Any]
    constraints: tuple[str, ...] = ()
    tensor_parallel: int = 1


class TrainSection(Section):
    """How runs are made, and which members may be run to learn from.

    Attributes:
        corpus: A source that `bayeslaw.lab.corpus.build_corpus` knows: ``python-sources``,
            ``debian-docs``, files of text. A suite also takes the folder of a corpus that is
            built.
        corpus_bytes: How much text is taken at most [byte].
        constraints: What keeps a run cheap, such as ``train_flops <= 1e12``.
        recipe: Name in `bayeslaw.models.recipes.RECIPES`.
        seq_len: Tokens of a training sequence [count].
        device: ``cpu`` or ``cuda``.
        precision: float32 or bfloat16.
        attention: Name in the lab's attention registry.
        command: Another lab's command line, run in the job's folder; ours when empty.
    """

    corpus: str = "python-sources"
    corpus_bytes: Annotated[int, Field(gt=0)] = 40_000_000
    constraints: tuple[str, ...] = ()
    recipe: str = "tiny"
    seq_len: Annotated[int, Field(gt=0)] = 128
    device: Literal["cpu", "cuda"] = "cpu"
    precision: Literal["float32", "bfloat16"] = "float32"
    attention: str = "sdpa_flash"
    command: tuple[str, ...] = ()


class TargetSection(Section):
    """See `bayeslaw.space.Target`."""

    n_params: Annotated[int, Field(gt=0)]
    n_tokens: Annotated[int, Field(gt=0)]
    baseline: dict[str, Any]
    tolerance: float = 0.05
    objectives: tuple[str, ...] = ("-loss_nats", "-tpot_ms")
    limits: tuple[str, ...] = ()


class PlanSection(Section):
    """How much is run, and how the next runs are chosen.

    Attributes:
        initial_runs: Runs of the space-filling first set [count].
        rounds: Rounds of model, plan and train after it [count].
        runs_per_round: Runs chosen at once [count].
        measured: Architectures timed, at the target and at the runs' scale [count].
        pool: Candidates drawn from the space for each decision [count].
        budget_gpu_hours: Device-hours that all runs together may take [h].
        max_gpu_hours: Device-hours that any one run may take [h]; None for no limit.
        fixed: Axes that every run keeps at one value, such as ``{n_layers: 12}``.
        acquisition: Name in `bayeslaw.search.ACQUISITIONS`.
        goal: What runs are for: the ``choice`` at the target, its whole ``front``, or small
            ``error`` of its predicted losses.
        laws: Names in `bayeslaw.models.loss.LAWS`.
    """

    initial_runs: Annotated[int, Field(ge=1)] = 8
    rounds: Annotated[int, Field(ge=0)] = 3
    runs_per_round: Annotated[int, Field(ge=1)] = 2
    measured: Annotated[int, Field(ge=4)] = 16
    pool: Annotated[int, Field(ge=8)] = 512
    budget_gpu_hours: Annotated[float, Field(gt=0)]
    max_gpu_hours: Annotated[float, Field(gt=0)] | None = None
    fixed: dict[str, int] = Field(default_factory=dict)
    acquisition: str = "target_lookahead"
    goal: Literal["choice", "front", "error"] = "choice"
    laws: tuple[str, ...] = ("conditional_multiplicative",)


class ExecutorSection(Section):
    """Where jobs run; any further words are options of that executor.

    Attributes:
        name: Name in `bayeslaw.executors.EXECUTORS`.
        slots: Jobs at once [count].
        threads: CPU threads a job, the same on every machine [count]; the executor's own rule
            when left out, which for ``local`` is cores over slots.
    """

    model_config = ConfigDict(extra="allow")

    name: str = "local"
    slots: Annotated[int, Field(ge=1)] = 2
    threads: Annotated[int | None, Field(ge=1)] = None

    @model_validator(mode="after")
    def _check_options(self) -> ExecutorSection:
        read_options(self.name, self.model_extra or {})
        return self

    @model_serializer(mode="wrap")
    def _without_defaults(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # A study that was begun before a section had this word is still the same study.
        content = serialize(self)
        return {key: value for key, value in content.items() if value is not None}

    @classmethod
    def read(cls, name_or_path: str) -> ExecutorSection:
        """Return an executor's section by name, with its defaults, or from a YAML file of its own.

        Raises:
            InvalidInputError: There is no such executor and no such file, or the file is wrong.
        """
        if name_or_path in EXECUTORS:
            return cls(name=name_or_path)
        path = Path(name_or_path)
        if path.suffix not in (".yaml", ".yml"):
            raise InvalidInputError(
                f"executor must be one of {list(EXECUTORS)} or a YAML file, got {name_or_path!r}"
            )
        return validated(cls, read_yaml(path), f"{path.name} is not an executor's section")

    @property
    def threads_a_job(self) -> int:
        """CPU threads each job is given [count]."""
        return self.threads or find_executor(self.name).threads(self.slots)

    def open(
        self,
        *,
        command: Sequence[str] = (),
        device: Literal["cpu", "cuda"] = "cpu",
        is_timing: bool = False,
        grace_seconds: float = 10.0,
    ) -> Executor:
        """Open the executor.

        Args:
            command: Another lab's command line; ours when empty.
            device: What jobs run on.
            is_timing: Whether jobs are timings: then they run one at a time, undisturbed.
            grace_seconds: How long a cancelled job may take to end by itself [s].
        """
        given = Circumstances(
            slots=1 if is_timing else self.slots,
            command=tuple(command) or LAB_COMMAND,
            threads=self.threads_a_job,
            device=device,
            is_timing=is_timing,
            grace_seconds=grace_seconds,
        )
        return find_executor(self.name).open(given, read_options(self.name, self.model_extra or {}))


class StudyConfig(Section):
    """One study: space, workload, target, and how to get there."""

    name: str
    space: SpaceSection
    target: TargetSection
    train: TrainSection = TrainSection()
    plan: PlanSection
    workload: dict[str, Any] = Field(default_factory=dict)
    executor: ExecutorSection = ExecutorSection()
    seed: int = 0

    @classmethod
    def read(cls, path: Path) -> StudyConfig:
        """Read a YAML file, or say what is wrong with it and where."""
        return cls.from_dict(read_yaml(path), source=path.name)

    @classmethod
    def from_dict(cls, content: Any, *, source: str = "study") -> StudyConfig:
        """Check a parsed file, every noun in it included."""
        config = validated(cls, content, f"{source} is not a study")
        _ = config.training_space, config.target_space
        return config

    def to_dict(self) -> dict[str, Any]:
        """Return the content as JSON-ready values."""
        return self.model_dump(mode="json")

    @property
    def serving(self) -> Workload:
        """What the network must serve."""
        return Workload.from_dict(self.workload)

    @property
    def full_space(self) -> SearchSpace:
        """All members, at any scale."""
        return SearchSpace(
            axes=self.space.axes,
            constraints=self.space.constraints,
            workload=self.serving,
            tensor_parallel=self.space.tensor_parallel,
        )

    @property
    def training_space(self) -> SearchSpace:
        """Members that may be run to learn from."""
        return self.full_space.where(*self.train.constraints).fix(**self.plan.fixed)

    @property
    def decision(self) -> Target:
        """The target, with its baseline as an architecture."""
        baseline = {"vocab_size": self.space.axes.get("vocab_size"), **self.target.baseline}
        return Target(
            n_params=self.target.n_params,
            n_tokens=self.target.n_tokens,
            baseline=Architecture.from_dict(baseline),
            tolerance=self.target.tolerance,
            objectives=self.target.objectives,
            limits=self.target.limits,
        )

    @property
    def target_space(self) -> SearchSpace:
        """Members that would answer the target."""
        return self.decision.candidates(self.full_space)
