"""One training run and the states it may pass through."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from bayeslaw.errors import InvalidInputError, StateError
from bayeslaw.runs.job import JobResult
from bayeslaw.space import Architecture

RunStatus = Literal["planned", "leased", "running", "done", "failed", "abandoned", "stopped"]

# From each state, the states that may follow. Nothing follows an end state, but an abandoned run may
# be taken up again, and its result may come late.
NEXT: dict[str, tuple[str, ...]] = {
    "planned": ("leased", "running", "stopped", "done", "failed", "abandoned"),
    "leased": ("running", "planned", "stopped", "done", "failed", "abandoned"),
    "running": ("planned", "stopped", "done", "failed", "abandoned"),
    "done": (),
    "failed": (),
    "abandoned": ("planned", "done", "failed"),
    "stopped": (),
}


@dataclass(frozen=True, slots=True)
class Run:
    """Record one training run; every change returns a new `Run`.

    Attributes:
        run_id: Unique within a study.
        n_tokens: Training tokens of the whole schedule [count].
        architecture: The network; None for an imported run of unknown shape.
        status: planned, leased, running, done, failed (training failed, which teaches what not to
            train), abandoned (nobody knows what became of it) or stopped (somebody decided so).
        purpose: Why it was run: ``initial``, ``suggested``, ``check`` or ``imported``.
        loss_nats: Final loss [nats per token]; done runs only.
        loss_stderr: Its standard error [nats per token].
        cost_gpu_hours: Device-hours it took (or, before it is done, is predicted to take).
        reason: Why it failed, was abandoned or was stopped.
        superseded: Why its loss must no longer be believed; empty while it stands.
        columns: Inputs of an imported run without a shape, such as ``n_params``.
        record: What the lab and the planner wrote down.

    >>> from bayeslaw.space import Architecture
    >>> run = Run("r1", n_tokens=1000)
    >>> done = run.advance("running").complete(loss_nats=2.5, cost_gpu_hours=0.1)
    >>> done.superseded_for("the evaluation set leaked").is_evidence
    False
    """

    run_id: str
    n_tokens: int
    architecture: Architecture | None = None
    status: RunStatus = "planned"
    purpose: str = "suggested"
    loss_nats: float | None = None
    loss_stderr: float | None = None
    cost_gpu_hours: float | None = None
    reason: str = ""
    superseded: str = ""
    columns: dict[str, float] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)

    @property
    def is_ended(self) -> bool:
        """Whether nobody works on it, or will; a late result may still come for an abandoned one."""
        return self.status not in ("planned", "leased", "running")

    @property
    def is_evidence(self) -> bool:
        """Whether a law may learn from it: done and not superseded."""
        return self.status == "done" and not self.superseded

    def advance(self, status: RunStatus, *, reason: str = "") -> Run:
        """Move to another state that carries no result.

        Raises:
            StateError: The run has ended, or the state does not follow.
            InvalidInputError: A failed, abandoned or stopped run gives no reason.
        """
        if status == "done":
            raise InvalidInputError("a run is done with a loss; call complete()")
        if status in ("failed", "abandoned", "stopped") and not reason:
            raise InvalidInputError(
                f"a {status} run needs a reason, run {self.run_id!r} gives none"
            )
        return self._move(status, reason=reason)

    def complete(
        self,
        *,
        loss_nats: float,
        cost_gpu_hours: float,
        loss_stderr: float | None = None,
        record: dict[str, Any] | None = None,
    ) -> Run:
        """End it with its final loss."""
        if not loss_nats > 0:
            raise InvalidInputError(
                f"run {self.run_id!r}: loss_nats must be positive nats per token, got {loss_nats}"
            )
        return self._move(
            "done",
            reason="",
            loss_nats=loss_nats,
            loss_stderr=loss_stderr,
            cost_gpu_hours=cost_gpu_hours,
            record={**self.record, **(record or {})},
        )

    def conclude(self, result: JobResult) -> Run:
        """End it with what the lab answered."""
        hours = result.seconds / 3600
        if result.status == "failed":
            return self._move(
                "failed",
                reason=result.reason,
                cost_gpu_hours=hours,
                record={**self.record, **result.record},
            )
        if result.loss_nats is None:
            raise InvalidInputError(f"run {self.run_id!r}: the lab's result carries no loss")
        details = {**result.record, "curve": result.curve, "bits_per_byte": result.bits_per_byte}
        return self.complete(
            loss_nats=result.loss_nats,
            loss_stderr=result.loss_stderr,
            cost_gpu_hours=hours,
            record={**details, "seconds": result.seconds},
        )

    def superseded_for(self, reason: str) -> Run:
        """Retract a done run's loss, with a reason; the loss itself stays on record."""
        if self.status != "done":
            raise StateError(
                f"only a done run can be superseded, run {self.run_id!r} is {self.status}"
            )
        if not reason:
            raise InvalidInputError(f"superseding run {self.run_id!r} needs a reason")
        return replace(self, superseded=reason)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values."""
        values = {name: getattr(self, name) for name in self.__slots__}
        if self.architecture is not None:
            values["architecture"] = self.architecture.to_dict()
        return {**values, "columns": dict(self.columns), "record": dict(self.record)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Run:
        """Read what `to_dict` wrote.

        Raises:
            InvalidInputError: An unknown field, or a required one missing.

        >>> run = Run("r1", n_tokens=1000, columns={"n_params": 1e6})
        >>> Run.from_dict(run.to_dict()) == run
        True
        """
        known = set(cls.__slots__)
        if unknown := sorted(set(values) - known):
            raise InvalidInputError(f"unknown run field(s) {unknown}; known are {sorted(known)}")
        if missing := [name for name in ("run_id", "n_tokens") if name not in values]:
            raise InvalidInputError(f"a run needs {missing}, got only {sorted(values)}")
        if (status := values.get("status", "planned")) not in NEXT:
            raise InvalidInputError(
                f"run {values['run_id']!r}: status must be one of {list(NEXT)}, got {status!r}"
            )
        architecture = values.get("architecture")
        return cls(
            **{
                **values,
                "architecture": None
                if architecture is None
                else Architecture.from_dict(architecture),
            }
        )

    def _move(self, status: RunStatus, **changes: Any) -> Run:
        if status not in NEXT[self.status]:
            allowed = ", ".join(NEXT[self.status]) or "nothing; it can only be superseded"
            raise StateError(
                f"run {self.run_id!r} is {self.status} and cannot become {status}; "
                f"allowed: {allowed}"
            )
        return replace(self, status=status, **changes)
