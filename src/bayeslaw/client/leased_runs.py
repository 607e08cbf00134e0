"""The runs that a worker was handed, or why none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

from bayeslaw.client.types import RunDocument, WhyNone


@dataclass(frozen=True, slots=True)
class LeasedRuns(Sequence[RunDocument]):
    """Hold the runs that are a worker's now.

    Attributes:
        runs: Those it held before first.
        reason: Why there is none, with a code and for people; None when there are some.

    >>> nothing = LeasedRuns(reason=WhyNone(code="study-paused", detail="somebody paused it"))
    >>> len(nothing), nothing.reason.code
    (0, 'study-paused')
    """

    runs: tuple[RunDocument, ...] = ()
    reason: WhyNone | None = None

    def __len__(self) -> int:
        return len(self.runs)

    @overload
    def __getitem__(self, index: int) -> RunDocument: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[RunDocument]: ...
    def __getitem__(self, index: int | slice) -> RunDocument | Sequence[RunDocument]:
        return self.runs[index]
