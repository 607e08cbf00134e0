"""The runs that a worker was handed, or why none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

from bayeslaw.client.types import Asked, RunDocument, Suggested, WhyNone


@dataclass(frozen=True, slots=True)
class LeasedRuns(Sequence[RunDocument]):
    """Hold the runs that are a worker's now.

    Attributes:
        runs: Those it held before first.
        reason: Why there is none, whether that ``passes`` by itself, and what to do about it; None
            when there are some.

    >>> nothing = LeasedRuns(reason=WhyNone(code="study-paused", detail="somebody paused it"))
    >>> len(nothing), nothing.reason.code
    (0, 'study-paused')
    """

    runs: tuple[RunDocument, ...] = ()
    reason: WhyNone | None = None

    @classmethod
    def of_answer(cls, status: int, content: bytes) -> LeasedRuns:
        """Read an answer: 200 with runs or a reason, or 202 while the planner is at it."""
        if status == 200:
            told = Suggested.read(content)
            return cls(tuple(told.runs), told.reason)
        name = Asked.read(content).operation.operation_id
        detail = f"operation {name!r} works out what is next"
        return cls(reason=WhyNone(code="planning", detail=detail, todo="ask again", passes=True))

    def __len__(self) -> int:
        return len(self.runs)

    @overload
    def __getitem__(self, index: int) -> RunDocument: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[RunDocument]: ...
    def __getitem__(self, index: int | slice) -> RunDocument | Sequence[RunDocument]:
        return self.runs[index]
