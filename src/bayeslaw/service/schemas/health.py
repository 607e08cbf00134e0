"""Whether the service is up."""

from __future__ import annotations

from typing import Any

from bayeslaw.service.schemas.beliefs import PlannerState
from bayeslaw.service.schemas.names import Document


class Alive(Document):
    """The process answers."""

    alive: bool


class Ready(Document):
    """Whether results and questions can be taken; the planner is told apart."""

    ready: bool
    store: dict[str, Any]
    planner: PlannerState
