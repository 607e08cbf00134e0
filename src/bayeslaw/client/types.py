"""What the service is asked and what it answers; generated, do not edit.

`make client-types` writes this file from docs/openapi.json.
"""

from __future__ import annotations

# ruff: noqa

DESCRIBED_BY = "8e5fb2a5707dbfa2e141a9226837b4d2bb4ebfd1ba2b2913ca8c800e134b2150"
"""SHA-256 of the schemas that these types were made from."""

from bayeslaw.client.message import Message
from typing import Any, Literal
from pydantic import ConfigDict, Field, RootModel


class Abandon(Message):
    """Nobody knows what became of it; nothing is learnt, and a late result is still accepted."""

    worker_id: str | None = None
    """Who says so; whoever it is, when left out."""

    reason: str
    """For people, kept with the run."""

    cost_gpu_hours: float = 0.0
    """Device-hours [h]."""


class Alive(Message):
    """The process answers."""

    alive: bool


class ArchitectureBody(Message):
    """One decoder-only transformer; see `bayeslaw.space.Architecture`."""

    n_layers: int
    """Blocks."""

    d_model: int
    """Width of the residual stream."""

    n_heads: int
    """Query heads a layer."""

    n_kv_heads: int
    """Key and value heads a layer; divides n_heads."""

    head_dim: int
    """Width of a head."""

    d_ff: int
    """Width of the MLP."""

    vocab_size: int
    """Rows of the embedding."""

    tied_embeddings: bool = False
    gated_mlp: bool = True
    qk_norm: bool = False
    post_norm: bool = False


class EventDocument(Message):
    """One thing that happened; events are only ever added."""

    seq: int
    """Rises; where to read on."""

    kind: str
    at: str
    """RFC 3339, UTC."""

    run_id: str | None
    payload: dict[str, Any]


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

    worker_id: str | None = None
    """Who says so; whoever it is, when left out."""

    reason: str
    """For people, kept with the run."""

    cost_gpu_hours: float = 0.0
    """Device-hours [h]."""


class Fault(Message):
    """One thing that is wrong with a request."""

    pointer: str
    """A JSON pointer into the body, or `query:`, `path:`, `header:`."""

    detail: str


class Heartbeat(Message):
    """A sign of life."""

    worker_id: str
    """The worker's own name, the same whenever it asks; 1 to 200 characters."""

    lease_s: float = 300.0
    """How long the lease lasts from now [s]."""

    progress: dict[str, Any] | None = None
    """Kept with the event, such as the step."""


class Interval(Message):
    """Where a figure lies, 5 % below and 5 % above left out; null where that is not finite."""

    model_config = ConfigDict(
        extra="allow",
    )
    p05: float | None
    p50: float | None
    p95: float | None


class LawPosterior(Message):
    """One law as it was fitted."""

    model_config = ConfigDict(
        extra="allow",
    )
    law: str
    method: str = ""
    """`nuts` or `laplace`."""

    weight: float | None = None
    """Its share in predictions."""

    coefficients: dict[str, Interval] = Field({}, validate_default=True)
    diagnostics: dict[str, Any] = {}


class Lease(Message):
    """Who works on a run, and until when."""

    worker_id: str
    """The worker's own name, the same whenever it asks; 1 to 200 characters."""

    leased_at: str | None
    expires_at: str | None


class MeasurementDocument(Message):
    """A measurement as it is kept."""

    measurement_id: str
    run_id: str | None
    measurement: dict[str, Any]
    cost_gpu_hours: float


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

    low: float
    """Certainly members."""

    high: float
    """Not ruled out."""

    estimate: float


class NewRun(Message):
    """A run to be done, or one that was done elsewhere."""

    run_id: str | None = None
    status: Literal["planned", "done"] = "planned"
    n_tokens: int
    """Training tokens of the whole schedule."""

    architecture: ArchitectureBody | None = None
    columns: dict[str, float] | None = None
    """For a run whose shape is not known: columns of a run table, such as `n_params`."""

    purpose: str = "enqueued"
    """Of a planned run; a done one is `imported`."""

    loss_nats: float | None = None
    loss_stderr: float | None = None
    cost_gpu_hours: float | None = None
    record: dict[str, Any] | None = None
    """Any JSON object worth keeping."""


class NewRuns(Message):
    """Runs that are added, all or none."""

    runs: list[NewRun]


class OperationDocument(Message):
    """Something that was asked for."""

    operation_id: str
    kind: Literal["suggest", "recommend", "plan", "fit"]
    study_id: str
    status: Literal["pending", "done", "failed"]
    request: dict[str, Any]
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    created_at: str
    """RFC 3339, UTC."""

    finished_at: str | None


class OperationPage(Message):
    """Some operations of a study, oldest first."""

    operations: list[OperationDocument]
    next_page_token: str
    """Where the next page begins; empty when there is none yet."""


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

    initial_runs: int = 8
    rounds: int = 3
    runs_per_round: int = 2
    measured: int = 16
    pool: int = 512
    budget_gpu_hours: float
    max_gpu_hours: float | None = None
    fixed: dict[str, int] | None = None
    acquisition: str = "target_lookahead"
    goal: Literal["choice", "front", "error"] = "choice"
    laws: list[str] = ["conditional_multiplicative"]


class PlanState(Message):
    """Where a study's plan stands."""

    n_ready: int
    """Runs that can be handed out at once."""

    based_on_seq: int | None
    """The last event it knows of."""

    is_current: bool
    """Whether it knows of every result."""


class PlannedItem(Message):
    """A run that is worth doing; figures are null while nothing is known of them."""

    model_config = ConfigDict(
        extra="allow",
    )
    rank: int
    """Lower is handed out first."""

    architecture: ArchitectureBody
    n_tokens: int
    loss_nats: Interval | None = None
    """Predicted [nats per token]."""

    ttft_ms: Interval | None = None
    """Time to the first token [ms]."""

    tpot_ms: Interval | None = None
    """Time per later token [ms]."""

    cost_gpu_hours: Interval | None = None
    """Device-hours [h]."""

    value: float | None = None
    """What it would teach, by its method."""

    value_per_hour: float | None = None
    why: str = ""
    """Why it was chosen, for people."""

    record: dict[str, Any] = {}


class PlannerState(Message):
    """How the planner is."""

    model_config = ConfigDict(
        extra="allow",
    )
    is_alive: bool
    detail: str = ""


class Point(Message):
    """A loss on the way."""

    n_tokens: int
    """Tokens seen so far."""

    loss_nats: float
    """Loss [nats per token]."""

    step: int | None = None
    loss_stderr: float | None = None


class Posterior(Message):
    """Coefficients of every law, with intervals and weights."""

    model_config = ConfigDict(
        extra="allow",
    )
    based_on_seq: int
    """The last event it knows of."""

    made_at: str
    """RFC 3339, UTC."""

    is_current: bool
    """Whether it knows of every result."""

    laws: list[LawPosterior] = Field([], validate_default=True)


class Problem(Message):
    """RFC 9457 problem details."""

    type: str
    """A name for the code."""

    title: str
    """Of the status."""

    status: int
    detail: str
    """What happened, for people."""

    code: str
    """What happened, for programs."""

    todo: str
    """What the caller can do about it."""

    instance: str
    """The path that was asked for."""

    errors: list[Fault] = Field([], validate_default=True)


class Ready(Message):
    """Whether results and questions can be taken; the planner is told apart."""

    ready: bool
    store: dict[str, Any]
    planner: PlannerState


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

    worker_id: str
    """The worker's own name, the same whenever it asks; 1 to 200 characters."""

    points: list[Point]


class Requeue(Message):
    """It shall be handed out again, and no lease counts as lost."""

    worker_id: str | None = None
    """The worker that gives its own run back."""

    reason: str
    """For people, kept with the run."""


class RotationAsked(Message):
    """A new secret for a token."""

    grace_s: float = 3600.0
    """How long the old secret works too [s]."""


class RunDocument(Message):
    """One training run."""

    run_id: str
    study_id: str
    status: Literal["planned", "leased", "running", "done", "failed", "abandoned", "stopped"]
    purpose: str
    n_tokens: int
    architecture: ArchitectureBody | None
    loss_nats: float | None
    loss_stderr: float | None
    cost_gpu_hours: float | None
    """What it cost; predicted until it has ended [h]."""

    reason: str
    """Why it failed, was abandoned or stopped."""

    superseded: str
    """Why its loss is not believed; empty if it is."""

    columns: dict[str, float]
    record: dict[str, Any]
    lease: Lease | None
    n_lost: int
    """Leases that ran out without a result."""

    is_late: bool
    """Whether the result came from a worker that had lost its lease."""

    version: int
    """Rises with every change; the ETag."""


class RunNames(Message):
    """The names of runs that were added, in the order they were given."""

    run_ids: list[str]


class RunPage(Message):
    """Some runs of a study, in the order they were added."""

    runs: list[RunDocument]
    next_page_token: str
    """Where the next page begins; empty when there is none yet."""


class ShouldStop(Message):
    """Whether to go on."""

    run: RunDocument
    should_stop: bool
    reason: str
    """Why to stop; empty otherwise."""


class SpaceProblem(Message):
    """One thing that is wrong."""

    part: str
    """`config`, `space`, `training` or `target`."""

    detail: str


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

    reason: str
    """For people, kept with the run."""

    cost_gpu_hours: float = 0.0
    """Device-hours [h]."""


class StudyChange(Message):
    """What shall be different."""

    state: Literal["active", "paused", "closed"]
    """`active`: runs are handed out; `paused`: not for now; `closed`: never again. Results are taken in all three."""


class StudyDocument(Message):
    """A study and where it stands."""

    study_id: str
    state: Literal["active", "paused", "closed"]
    created_at: str
    """RFC 3339, UTC."""

    config: dict[str, Any]
    version: int
    """Rises with every change of its state; the ETag."""

    runs: dict[str, int]
    """How many runs there are of each status."""

    spent_gpu_hours: float
    """Device-hours it paid for [h]."""

    n_measurements: int
    plan: PlanState
    last_seq: int
    """Number of its last event."""


class StudyEntry(Message):
    """A study in a list."""

    study_id: str
    state: Literal["active", "paused", "closed"]
    created_at: str
    """RFC 3339, UTC."""

    config: dict[str, Any]
    version: int
    """Rises with every change of its state; the ETag."""


class StudyPage(Message):
    """Some studies, oldest first."""

    studies: list[StudyEntry]
    next_page_token: str
    """Where the next page begins; empty when there is none yet."""


class Suggest(Message):
    """Who asks for how much work."""

    worker_id: str
    """The worker's own name, the same whenever it asks; 1 to 200 characters."""

    count: int = 1
    """Runs wanted."""

    max_gpu_hours: float | None = None
    """Longest run that is taken [h]."""

    device: str = ""
    """What it runs on."""

    lease_s: float = 300.0
    """How long the lease lasts from now [s]."""

    wait_s: float = 0.0
    """How long the answer may take when there is none [s]."""


class Supersede(Message):
    """Its loss must not be believed any more."""

    reason: str
    """For people, kept with the run."""


class TargetSection(Message):
    """See `bayeslaw.space.Target`."""

    n_params: int
    n_tokens: int
    baseline: dict[str, Any]
    tolerance: float = 0.05
    objectives: list[str] = ["-loss_nats", "-tpot_ms"]
    limits: list[str] = []


class TokenAsked(Message):
    """A token to make."""

    name: str
    """Whose it is; shown in lists and messages."""

    scopes: list[Literal["read", "plan", "report", "admin"]]
    expires_in_s: float | None = None


class TokenDocument(Message):
    """A token, without its secret."""

    token_id: str
    name: str
    scopes: list[Literal["read", "plan", "report", "admin"]]
    created_at: str
    """RFC 3339, UTC."""

    expires_at: str | None
    revoked_at: str | None
    previous_until: str | None
    """Until when the secret before the last rotation works too."""


class TokenMade(Message):
    """A token with its new secret, which is never told again."""

    token_id: str
    name: str
    scopes: list[Literal["read", "plan", "report", "admin"]]
    created_at: str
    """RFC 3339, UTC."""

    expires_at: str | None
    revoked_at: str | None
    previous_until: str | None
    """Until when the secret before the last rotation works too."""

    secret: str | None
    """Null when this answer is repeated by its Idempotency-Key."""


class TokenPage(Message):
    """Some tokens, oldest first."""

    tokens: list[TokenDocument]
    next_page_token: str
    """Where the next page begins; empty when there is none yet."""


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

    corpus: str = "python-sources"
    corpus_bytes: int = 40000000
    constraints: list[str] = []
    recipe: str = "tiny"
    seq_len: int = 128
    device: Literal["cpu", "cuda"] = "cpu"
    precision: Literal["float32", "bfloat16"] = "float32"
    attention: str = "sdpa_flash"
    command: list[str] = []


class WhyNone(Message):
    """Why there is no run."""

    code: str
    """For programs, such as `budget-spent`."""

    detail: str
    """For people."""

    todo: str = ""
    """What can be done about it."""

    passes: bool = False
    """Whether asking again later may help; else nothing will come."""


class WorkloadBody(Message):
    """What was served; see `bayeslaw.space.Workload`."""

    batch_size: int = 1
    prompt_tokens: int = 128
    output_tokens: int = 128
    precision: str = "float32"
    engine: str = "bayeslaw"
    device: str = "local"


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
    planner: PlannerState
    notes: list[Any] = []


class MeasurementBody(Message):
    """One timing; see `bayeslaw.runs.Measurement`."""

    architecture: ArchitectureBody
    workload: WorkloadBody | None = None
    device: str
    engine_version: str
    ttft_ms: float | None = None
    """Time to the first token, median [ms]."""

    tpot_ms: float | None = None
    """Time per later token, median [ms]."""

    ttft_iqr_ms: float | None = None
    tpot_iqr_ms: float | None = None
    n_repeats: int = 1
    memory_bytes: float | None = None
    e2el_ms: float | None = None
    out_of_memory: bool = False
    """It does not fit: then no timings, and n_repeats 0."""

    percentiles: dict[str, dict[str, float]] | None = None
    session: str = ""
    record: dict[str, Any] | None = None
    """Any JSON object worth keeping."""


class NewMeasurement(Message):
    """A measurement and what it cost."""

    measurement_id: str | None = None
    run_id: str | None = None
    """The run whose network was timed, if any."""

    measurement: MeasurementBody
    cost_gpu_hours: float = 0.0
    """Device-hours [h]."""


class NewMeasurements(Message):
    """Measurements that are added, all or none; adding one again changes nothing."""

    measurements: list[NewMeasurement]


class PlanDocument(Message):
    """The plan as it was made; what was handed out since is not taken out of it."""

    based_on_seq: int | None
    """The last event it knows of."""

    made_at: str | None
    is_current: bool
    """Whether it knows of every result."""

    items: list[PlannedItem]
    measure: list[ArchitectureBody]
    """Architectures worth timing."""

    notes: list[Any]
    exhausted: WhyNone | None
    """Why there will be nothing, unless something changes."""

    waiting: WhyNone | None
    """Why there is nothing at present."""

    pending: int
    """Planned runs that nobody has begun."""

    n_ready: int
    """Items that are still to be handed out."""


class RunAndOutcome(Message):
    """What became of a result."""

    run: RunDocument
    outcome: Literal["accepted", "duplicate", "kept_as_evidence"]
    """`accepted`: it is the run's; `duplicate`: it was there already; `kept_as_evidence`: another stands, this one is kept as an event."""

    is_late: bool


class SpaceAnswer(Message):
    """Whether a study could be made of it."""

    is_valid: bool
    problems: list[SpaceProblem]
    n_members: MemberCount | None
    examples: list[ArchitectureBody]


class SpaceBody(Message):
    """A space alone; see `bayeslaw.space.SearchSpace`."""

    axes: dict[str, Any]
    """For each axis a value, choices, or `{min, max, step}`."""

    constraints: list[str] | None = None
    tensor_parallel: int = 1
    workload: WorkloadBody | None = None


class SpaceQuestion1(Message):
    """A whole study's config, or a space alone: one of the two."""

    config: dict[str, Any] | None
    space: SpaceBody | None = None


class SpaceQuestion2(Message):
    """A whole study's config, or a space alone: one of the two."""

    config: dict[str, Any] | None = None
    space: SpaceBody | None


class SpaceQuestion(RootModel[SpaceQuestion1 | SpaceQuestion2]):
    root: SpaceQuestion1 | SpaceQuestion2
    """A whole study's config, or a space alone: one of the two."""


class StudyConfig(Message):
    """One study: space, workload, target, and how to get there."""

    name: str
    space: SpaceSection
    target: TargetSection
    train: TrainSection = Field(
        {
            "corpus": "python-sources",
            "corpus_bytes": 40000000,
            "constraints": [],
            "recipe": "tiny",
            "seq_len": 128,
            "device": "cpu",
            "precision": "float32",
            "attention": "sdpa_flash",
            "command": [],
        },
        validate_default=True,
    )
    plan: PlanSection
    workload: dict[str, Any] | None = None
    executor: ExecutorSection = Field({"name": "local", "slots": 2}, validate_default=True)
    seed: int = 0


class Suggested(Message):
    """Runs that are this worker's now; none, with the reason, when there will be none."""

    runs: list[RunDocument]
    reason: WhyNone | None = None


class Complete(Message):
    """A result: the loss of a schedule that ran to its end."""

    worker_id: str | None = None
    """Who says so; whoever it is, when left out."""

    loss_nats: float
    """Loss [nats per token]."""

    loss_stderr: float | None = None
    cost_gpu_hours: float
    """Device-hours [h]."""

    bits_per_byte: float | None = None
    curve: list[dict[str, float]] | None = None
    """Evaluations on the way."""

    record: dict[str, Any] | None = None
    """Any JSON object worth keeping."""

    measurement: MeasurementBody | None = None
    """A timing of its network, kept beside it."""


class NewStudy(Message):
    """A study, as its YAML file would say it; its name is in the config."""

    config: StudyConfig
