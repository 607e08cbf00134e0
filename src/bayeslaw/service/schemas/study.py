"""Studies in requests and answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from bayeslaw.service.schemas.names import Body, Document, Instant, NextPageToken, instant
from bayeslaw.store import StoredStudy
from bayeslaw.study.config import StudyConfig

StudyCondition = Literal["active", "paused", "closed"]

EXAMPLE_CONFIG: dict[str, Any] = {
    "name": "tiny",
    "space": {
        "axes": {
            "n_layers": {"min": 2, "max": 8, "step": 1},
            "d_model": {"min": 64, "max": 256, "step": 32},
            "n_heads": [2, 4],
            "n_kv_heads": [1, 2, 4],
            "head_dim": 32,
            "d_ff": {"min": 128, "max": 1024, "step": 64},
            "vocab_size": 257,
            "n_tokens": [1_000_000, 2_000_000, 4_000_000],
        },
        "constraints": ["n_params <= 2e6"],
    },
    "target": {
        "n_params": 842_496,
        "n_tokens": 17_000_000,
        "baseline": {
            "n_layers": 4,
            "d_model": 128,
            "n_heads": 4,
            "n_kv_heads": 4,
            "head_dim": 32,
            "d_ff": 344,
            "vocab_size": 257,
        },
    },
    "plan": {"budget_gpu_hours": 10.0},
}
"""A study that is small and whole."""


class NewStudy(Body):
    """A study, as its YAML file would say it; its name is in the config."""

    config: Annotated[StudyConfig, Field(examples=[EXAMPLE_CONFIG])]


class StudyChange(Body):
    """What shall be different."""

    state: Annotated[
        StudyCondition,
        Field(
            description="`active`: runs are handed out; `paused`: not for now; `closed`: never "
            "again. Results are taken in all three."
        ),
    ]


class StudyEntry(Document):
    """A study in a list."""

    study_id: str
    state: StudyCondition
    created_at: Instant
    config: dict[str, Any]
    version: Annotated[int, Field(description="Rises with every change of its state; the ETag.")]


class PlanState(Document):
    """Where a study's plan stands."""

    n_ready: Annotated[int, Field(description="Runs that can be handed out at once.")]
    based_on_seq: Annotated[int | None, Field(description="The last event it knows of.")]
    is_current: Annotated[bool, Field(description="Whether it knows of every result.")]


class StudyDocument(StudyEntry):
    """A study and where it stands."""

    runs: Annotated[dict[str, int], Field(description="How many runs there are of each status.")]
    spent_gpu_hours: Annotated[float, Field(description="Device-hours it paid for [h].")]
    n_measurements: int
    plan: PlanState
    last_seq: Annotated[int, Field(description="Number of its last event.")]


class StudyPage(Document):
    """Some studies, oldest first."""

    studies: list[StudyEntry]
    next_page_token: NextPageToken


def study_entry(study: StoredStudy) -> dict[str, Any]:
    """Return a study in a list as JSON."""
    return {
        "study_id": study.study_id,
        "state": study.state,
        "created_at": instant(study.created_at),
        "config": study.config,
        "version": study.version,
    }
