"""What the routes share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends
from starlette.requests import Request

from bayeslaw.service.reads import Reads
from bayeslaw.service.settings import Settings
from bayeslaw.service.space_checks import SpaceChecks
from bayeslaw.service.watch import Watch
from bayeslaw.service.writer import Writer
from bayeslaw.store import SqlStore
from bayeslaw.study.state import StudyState

# States are small, but names of studies come from outside.
_KEPT_STATES = 1_000


@dataclass(frozen=True, slots=True)
class Parts:
    """Hold what one service is made of.

    Attributes:
        store: What it keeps studies in.
        clock: Returns the present time [s since 1970].
        settings: Its numbers.
        reads: Where questions are asked.
        writer: Where changes are made.
        watch: Where news is waited for.
        space_checks: Looks for members of spaces.
        planner_state: Says how the planner is: ``{"is_alive", "detail", ...}``.
    """

    store: SqlStore
    clock: Callable[[], float]
    settings: Settings
    reads: Reads
    writer: Writer
    watch: Watch
    space_checks: SpaceChecks
    planner_state: Callable[[], dict[str, Any]]
    _states: dict[str, StudyState] = field(default_factory=dict)

    def state(self, study_id: str) -> StudyState:
        """Return the state of a study, to be changed in the writer's thread.

        Raises:
            NotFoundError: No such study.
        """
        found = self._states.get(study_id)
        if found is None:
            found = StudyState(
                self.store, study_id, clock=self.clock, max_lost=self.settings.max_lost
            )
            if len(self._states) >= _KEPT_STATES:
                self._states.clear()
            self._states[study_id] = found
        return found


async def parts_of(request: Request) -> Parts:
    """Return the parts of the service that a request came to."""
    return request.scope["app"].state.parts


Here = Annotated[Parts, Depends(parts_of)]
