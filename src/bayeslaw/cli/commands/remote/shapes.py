"""Runs of a service as rows of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bayeslaw.space import Architecture

if TYPE_CHECKING:
    from bayeslaw.client.types import RunDocument

RUN_HEADERS = ["run", "status", "worker", "shape", "tokens", "loss [nats/token]", "cost [h]"]


def run_row(run: RunDocument) -> list[Any]:
    """Return a run's cells under `RUN_HEADERS`; the first four are text."""
    return [
        run.run_id,
        "superseded" if run.superseded else run.status,
        "-" if run.lease is None else run.lease.worker_id,
        shape(None if run.architecture is None else run.architecture.model_dump()),
        run.n_tokens,
        run.loss_nats,
        run.cost_gpu_hours,
    ]


def shape(architecture: dict[str, Any] | None) -> str:
    """Return an architecture in one line, or a dash."""
    return "-" if architecture is None else str(Architecture.from_dict(architecture))
