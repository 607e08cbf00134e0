"""What the service is asked and what it answers; generated, do not edit.

`make client-types` writes this file from docs/openapi.json.
"""

from __future__ import annotations

# ruff: noqa

DESCRIBED_BY = "0e2d48301109a4bfacbcb93c34c92d096fb11b0188144cfb35dfeca9ad598090"
"""SHA-256 of the schemas that these types were made from."""

from bayeslaw.client.message import Message
from typing import Any, Literal
from pydantic import ConfigDict, Field


class Abandon(Message):
    """Nobody knows what became of it; nothing is learnt, and a late result is still accepted."""

    cost_gpu_hours: float = 0.0
    """Device-hours [h]."""

    reason: str
    """For people, kept with the run."""

    worker_id: str | None = None
    """Who says so; whoever it is, when left out."""


class Alive(Message):
    """The process answers."""

    alive: bool


class ArchitectureBody(Message):
    """One decoder-only transformer; see `bayeslaw.space.Architecture`."""

    d_ff: int
    """Width of the MLP."""

    d_model: int
    """Width of the residual stream."""

    gated_mlp: bool = True
    head_dim: int
    """Width of a head."""

    n_heads: int
    """Query heads a layer."""

    n_kv_heads: int
    """Key and value heads a layer; divides n_heads."""

    n_layers: int
    """Blocks."""

    post_norm: bool = False
    qk_norm: bool = False
    tied_embeddings: bool = False
    vocab_size: int
    """Rows of the embedding."""


class EventDocument(Message):
    """One thing that happened; events are only ever added."""

    at: str
    """RFC 3339, UTC."""

    kind: str
    payload: dict[str, Any]
    run_id: str | None
    seq: int
    """Rises; where to read on."""


class EventPage(Message):
    """Some events of a study, oldest first."""

    events: list[EventDocument]
    next_since: int
    """Where to read on: the `since` of the next call."""


class ExecutorSection(Message):
    """
    Where jobs run; any further words are options of that executor.

    Attributes:
        name: Name in `bayeslaw.executors.EXECUTORS`.
        slots: Jobs at once [count].
        threads: CPU threads a job, the same on every machine [count]; the executor's own rule
            when left out, which for ``local`` is cores over slots.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    name: str = "local"
    slots: int = 2
    threads: int | None = None


class Fail(Message):
    """Training failed: diverged, did not fit. The planner learns from it."""

    cost_gpu_hours: float = 0.0
    """Device-hours [h]."""

    reason: str
    """For people, kept with the run."""

    worker_id: str | None = None
    """Who says so; whoever it is, when left out."""


class Fault(Message):
    """One thing that is wrong with a request."""

    detail: str
    pointer: str
    """A JSON pointer into the body, or `query:`, `path:`, `header:`."""


class Heartbeat(Message):
    """A sign of life."""

    lease_s: float = 300.0
    """How long the lease lasts from now [s]."""

    progress: dict[str, Any] | None = None
    """Kept with the event, such as the step."""

    worker_id: str
    """The worker's own name, the same whenever it asks; 1 to 200 characters."""


class Lease(Message):
    """Who works on a run, and until when."""

    expires_at: str | None
    leased_at: str | None
    worker_id: str
    """The worker's own name, the same whenever it asks; 1 to 200 characters."""


class MeasurementDocument(Message):
    """A measurement as it is kept."""

    cost_gpu_hours: float
    measurement: dict[str, Any]
    measurement_id: str
    run_id: str | None


class MeasurementNames(Message):
    """The names of measurements, in the order they were given."""

    measurement_ids: list[str]


class MeasurementPage(Message):
    """Some measurements of a study, in the order they were added."""

    measurements: list[MeasurementDocument]
    next_page_token: str
    """Where the next page begins; empty when there is none yet."""


class MemberCount(Message):
    """How many members meet all constraints."""

    estimate: float
    high: float
    """Not ruled out."""

    low: float
    """Certainly members."""


class NewRun(Message):
    """A run to be done, or one that was done elsewhere."""

    architecture: ArchitectureBody | None = None
    columns: dict[str, float] | None = None
    """For a run whose shape is not known: columns of a run table, such as `n_params`."""

    cost_gpu_hours: float | None = None
    loss_nats: float | None = None
    loss_stderr: float | None = None
    n_tokens: int
    """Training tokens of the whole schedule."""

    purpose: str = "enqueued"
    """Of a planned run; a done one is `imported`."""

    record: dict[str, Any] | None = None
    """Any JSON object worth keeping."""

    run_id: str | None = None
    status: Literal["planned", "done"] = "planned"


class NewRuns(Message):
    """Runs that are added, all or none."""

    runs: list[NewRun]


class OperationDocument(Message):
    """Something that was asked for."""

    created_at: str
    """RFC 3339, UTC."""

    error: dict[str, Any] | None
    finished_at: str | None
    kind: Literal["suggest", "recommend", "plan", "fit"]
    operation_id: str
    request: dict[str, Any]
    result: dict[str, Any] | None
    status: Literal["pending", "done", "failed"]
    study_id: str


class OperationPage(Message):
    """Some operations of a study, oldest first."""

    next_page_token: str
    """Where the next page begins; empty when there is none yet."""

    operations: list[OperationDocument]


class PlanSection(Message):
    """
    How much is run, and how the next runs are chosen.

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

    acquisition: str = "target_lookahead"
    budget_gpu_hours: float
    fixed: dict[str, int] | None = None
    goal: Literal["choice", "front", "error"] = "choice"
    initial_runs: int = 8
    laws: list[str] = ["conditional_multiplicative"]
    max_gpu_hours: float | None = None
    measured: int = 16
    pool: int = 512
    rounds: int = 3
    runs_per_round: int = 2


class PlanState(Message):
    """Where a study's plan stands."""

    based_on_seq: int | None
    """The last event it knows of."""

    is_current: bool
    """Whether it knows of every result."""

    n_ready: int
    """Runs that can be handed out at once."""


class PlannedItem(Message):
    """A run that is worth doing; the planner may say more of it than is listed here."""

    model_config = ConfigDict(
        extra="allow",
    )
    architecture: dict[str, Any] | None
    cost_gpu_hours: float | None = None
    n_tokens: int
    rank: int


class PlannerState(Message):
    """How the planner is."""

    model_config = ConfigDict(
        extra="allow",
    )
    detail: str = ""
    is_alive: bool


class Point(Message):
    """A loss on the way."""

    loss_nats: float
    """Loss [nats per token]."""

    loss_stderr: float | None = None
    n_tokens: int
    """Tokens seen so far."""

    step: int | None = None


class Posterior(Message):
    """Coefficients of every law, with intervals and weights."""

    model_config = ConfigDict(
        extra="allow",
    )
    based_on_seq: int
    """The last event it knows of."""

    is_current: bool
    """Whether it knows of every result."""

    laws: list[dict[str, Any]] = []
    made_at: str
    """RFC 3339, UTC."""


class Problem(Message):
    """RFC 9457 problem details."""

    code: str
    """What happened, for programs."""

    detail: str
    """What happened, for people."""

    errors: list[Fault] = Field([], validate_default=True)
    instance: str
    """The path that was asked for."""

    status: int
    title: str
    """Of the status."""

    todo: str
    """What the caller can do about it."""

    type: str
    """A name for the code."""


class Ready(Message):
    """Whether results and questions can be taken; the planner is told apart."""

    planner: PlannerState
    ready: bool
    store: dict[str, Any]


class Recommendation(Message):
    """An architecture for the target, or a front of them, with intervals."""

    model_config = ConfigDict(
        extra="allow",
    )


class RecommendationAsked(Message):
    """It is not there yet; the operation tells when it is."""

    operation: OperationDocument


class Report(Message):
    """Losses on the way; they are no result, and renew no lease."""

    points: list[Point]
    worker_id: str
    """The worker's own name, the same whenever it asks; 1 to 200 characters."""


class Requeue(Message):
    """It shall be handed out again, and no lease counts as lost."""

    reason: str
    """For people, kept with the run."""

    worker_id: str | None = None
    """The worker that gives its own run back."""


class RotationAsked(Message):
    """A new secret for a token."""

    grace_s: float = 3600.0
    """How long the old secret works too [s]."""


class RunDocument(Message):
    """One training run."""

    architecture: ArchitectureBody | None
    columns: dict[str, float]
    cost_gpu_hours: float | None
    """What it cost; predicted until it has ended [h]."""

    is_late: bool
    """Whether the result came from a worker that had lost its lease."""

    lease: Lease | None
    loss_nats: float | None
    loss_stderr: float | None
    n_lost: int
    """Leases that ran out without a result."""

    n_tokens: int
    purpose: str
    reason: str
    """Why it failed, was abandoned or stopped."""

    record: dict[str, Any]
    run_id: str
    status: Literal["planned", "leased", "running", "done", "failed", "abandoned", "stopped"]
    study_id: str
    superseded: str
    """Why its loss is not believed; empty if it is."""

    version: int
    """Rises with every change; the ETag."""


class RunNames(Message):
    """The names of runs that were added, in the order they were given."""

    run_ids: list[str]


class RunPage(Message):
    """Some runs of a study, in the order they were added."""

    next_page_token: str
    """Where the next page begins; empty when there is none yet."""

    runs: list[RunDocument]


class ShouldStop(Message):
    """Whether to go on."""

    reason: str
    """Why to stop; empty otherwise."""

    run: RunDocument
    should_stop: bool


class SpaceProblem(Message):
    """One thing that is wrong."""

    detail: str
    part: str
    """`config`, `space`, `training` or `target`."""


class SpaceSection(Message):
    """
    Architectures and token budgets that are considered at any scale.

    Attributes:
        axes: A value, choices or a range for each axis of `SearchSpace`.
        constraints: What every member must meet.
        tensor_parallel: What heads, KV heads and ``d_ff`` must divide by [count].
    """

    axes: dict[str, Any]
    constraints: list[str] = []
    tensor_parallel: int = 1


class Stop(Message):
    """Somebody decided that it shall not go on."""

    cost_gpu_hours: float = 0.0
    """Device-hours [h]."""

    reason: str
    """For people, kept with the run."""


class StudyChange(Message):
    """What shall be different."""

    state: Literal["active", "paused", "closed"]
    """`active`: runs are handed out; `paused`: not for now; `closed`: never again. Results are taken in all three."""


class StudyDocument(Message):
    """A study and where it stands."""

    config: dict[str, Any]
    created_at: str
    """RFC 3339, UTC."""

    last_seq: int
    """Number of its last event."""

    n_measurements: int
    plan: PlanState
    runs: dict[str, int]
    """How many runs there are of each status."""

    spent_gpu_hours: float
    """Device-hours it paid for [h]."""

    state: Literal["active", "paused", "closed"]
    study_id: str
    version: int
    """Rises with every change of its state; the ETag."""


class StudyEntry(Message):
    """A study in a list."""

    config: dict[str, Any]
    created_at: str
    """RFC 3339, UTC."""

    state: Literal["active", "paused", "closed"]
    study_id: str
    version: int
    """Rises with every change of its state; the ETag."""


class StudyPage(Message):
    """Some studies, oldest first."""

    next_page_token: str
    """Where the next page begins; empty when there is none yet."""

    studies: list[StudyEntry]


class Suggest(Message):
    """Who asks for how much work."""

    count: int = 1
    """Runs wanted."""

    device: str = ""
    """What it runs on."""

    lease_s: float = 300.0
    """How long the lease lasts from now [s]."""

    max_gpu_hours: float | None = None
    """Longest run that is taken [h]."""

    wait_s: float = 0.0
    """How long the answer may take when there is none [s]."""

    worker_id: str
    """The worker's own name, the same whenever it asks; 1 to 200 characters."""


class Supersede(Message):
    """Its loss must not be believed any more."""

    reason: str
    """For people, kept with the run."""


class TargetSection(Message):
    """See `bayeslaw.space.Target`."""

    baseline: dict[str, Any]
    limits: list[str] = []
    n_params: int
    n_tokens: int
    objectives: list[str] = ["-loss_nats", "-tpot_ms"]
    tolerance: float = 0.05


class TokenAsked(Message):
    """A token to make."""

    expires_in_s: float | None = None
    name: str
    """Whose it is; shown in lists and messages."""

    scopes: list[Literal["read", "plan", "report", "admin"]]


class TokenDocument(Message):
    """A token, without its secret."""

    created_at: str
    """RFC 3339, UTC."""

    expires_at: str | None
    name: str
    previous_until: str | None
    """Until when the secret before the last rotation works too."""

    revoked_at: str | None
    scopes: list[Literal["read", "plan", "report", "admin"]]
    token_id: str


class TokenMade(Message):
    """A token with its new secret, which is never told again."""

    created_at: str
    """RFC 3339, UTC."""

    expires_at: str | None
    name: str
    previous_until: str | None
    """Until when the secret before the last rotation works too."""

    revoked_at: str | None
    scopes: list[Literal["read", "plan", "report", "admin"]]
    secret: str | None
    """Null when this answer is repeated by its Idempotency-Key."""

    token_id: str


class TokenPage(Message):
    """Some tokens, oldest first."""

    next_page_token: str
    """Where the next page begins; empty when there is none yet."""

    tokens: list[TokenDocument]


class TrainSection(Message):
    """
    How runs are made, and which members may be run to learn from.

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

    attention: str = "sdpa_flash"
    command: list[str] = []
    constraints: list[str] = []
    corpus: str = "python-sources"
    corpus_bytes: int = 40000000
    device: Literal["cpu", "cuda"] = "cpu"
    precision: Literal["float32", "bfloat16"] = "float32"
    recipe: str = "tiny"
    seq_len: int = 128


class WhyNone(Message):
    """Why there is no run."""

    code: str
    detail: str


class WorkloadBody(Message):
    """What was served; see `bayeslaw.space.Workload`."""

    batch_size: int = 1
    device: str = "local"
    engine: str = "bayeslaw"
    output_tokens: int = 128
    precision: str = "float32"
    prompt_tokens: int = 128


class Asked(Message):
    """Nothing is planned yet; the operation tells when there is."""

    operation: OperationDocument


class ChangedRun(Message):
    """The run as it now stands."""

    run: RunDocument


class Diagnostics(Message):
    """What to know before one believes the rest."""

    model_config = ConfigDict(
        extra="allow",
    )
    notes: list[Any] = []
    planner: PlannerState


class MeasurementBody(Message):
    """One timing; see `bayeslaw.runs.Measurement`."""

    architecture: ArchitectureBody
    device: str
    e2el_ms: float | None = None
    engine_version: str
    memory_bytes: float | None = None
    n_repeats: int = 1
    out_of_memory: bool = False
    """It does not fit: then no timings, and n_repeats 0."""

    percentiles: dict[str, dict[str, float]] | None = None
    record: dict[str, Any] | None = None
    """Any JSON object worth keeping."""

    session: str = ""
    tpot_iqr_ms: float | None = None
    tpot_ms: float | None = None
    """Time per later token, median [ms]."""

    ttft_iqr_ms: float | None = None
    ttft_ms: float | None = None
    """Time to the first token, median [ms]."""

    workload: WorkloadBody | None = None


class NewMeasurement(Message):
    """A measurement and what it cost."""

    cost_gpu_hours: float = 0.0
    """Device-hours [h]."""

    measurement: MeasurementBody
    measurement_id: str | None = None
    run_id: str | None = None
    """The run whose network was timed, if any."""


class NewMeasurements(Message):
    """Measurements that are added, all or none; adding one again changes nothing."""

    measurements: list[NewMeasurement]


class PlanDocument(Message):
    """The plan as it was made; what was handed out since is not taken out of it."""

    based_on_seq: int | None
    """The last event it knows of."""

    exhausted: WhyNone | None
    is_current: bool
    """Whether it knows of every result."""

    items: list[PlannedItem]
    made_at: str | None
    measure: list[dict[str, Any]]
    """Architectures worth timing."""

    n_ready: int
    """Items that are still to be handed out."""

    notes: list[Any]
    pending: int
    """Planned runs that nobody has begun."""


class RunAndOutcome(Message):
    """What became of a result."""

    is_late: bool
    outcome: Literal["accepted", "duplicate", "kept_as_evidence"]
    """`accepted`: it is the run's; `duplicate`: it was there already; `kept_as_evidence`: another stands, this one is kept as an event."""

    run: RunDocument


class SpaceAnswer(Message):
    """Whether a study could be made of it."""

    examples: list[ArchitectureBody]
    is_valid: bool
    n_members: MemberCount | None
    problems: list[SpaceProblem]


class SpaceBody(Message):
    """A space alone; see `bayeslaw.space.SearchSpace`."""

    axes: dict[str, Any]
    """For each axis a value, choices, or `{min, max, step}`."""

    constraints: list[str] | None = None
    tensor_parallel: int = 1
    workload: WorkloadBody | None = None


class SpaceQuestion(Message):
    """A whole study's config, or a space alone: one of the two."""

    config: dict[str, Any] | None = None
    space: SpaceBody | None = None


class StudyConfig(Message):
    """One study: space, workload, target, and how to get there."""

    executor: ExecutorSection = Field({"name": "local", "slots": 2}, validate_default=True)
    name: str
    plan: PlanSection
    seed: int = 0
    space: SpaceSection
    target: TargetSection
    train: TrainSection = Field(
        {
            "attention": "sdpa_flash",
            "command": [],
            "constraints": [],
            "corpus": "python-sources",
            "corpus_bytes": 40000000,
            "device": "cpu",
            "precision": "float32",
            "recipe": "tiny",
            "seq_len": 128,
        },
        validate_default=True,
    )
    workload: dict[str, Any] | None = None


class Suggested(Message):
    """Runs that are this worker's now; none, with the reason, when there will be none."""

    reason: WhyNone | None = None
    runs: list[RunDocument]


class Complete(Message):
    """A result: the loss of a schedule that ran to its end."""

    bits_per_byte: float | None = None
    cost_gpu_hours: float
    """Device-hours [h]."""

    curve: list[dict[str, float]] | None = None
    """Evaluations on the way."""

    loss_nats: float
    """Loss [nats per token]."""

    loss_stderr: float | None = None
    measurement: MeasurementBody | None = None
    """A timing of its network, kept beside it."""

    record: dict[str, Any] | None = None
    """Any JSON object worth keeping."""

    worker_id: str | None = None
    """Who says so; whoever it is, when left out."""


class NewStudy(Message):
    """A study, as its YAML file would say it; its name is in the config."""

    config: StudyConfig
