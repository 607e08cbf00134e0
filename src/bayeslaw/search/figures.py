"""What an objective or a limit may name: figures, their units, and what each needs to be known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bayeslaw.errors import ExpressionError, InvalidInputError
from bayeslaw.models.costs import kinetics_cost, lifetime_cost
from bayeslaw.runs import COLUMNS, SHAPE_COLUMNS
from bayeslaw.search.beliefs import Beliefs
from bayeslaw.space import Candidate, Workload


@dataclass(frozen=True, slots=True)
class Figure:
    """Say what one figure is.

    Attributes:
        unit: Of its values.
        meaning: In a few words.
        missing: Why it cannot be predicted where it cannot, and what to give.
    """

    unit: str
    meaning: str
    missing: str


_NO_LAW = "no loss law is fitted yet; fit one and give Beliefs(loss=...)"
_NO_LINK = (
    "nothing links the loss to a task's error; fit_error_link(losses, errors) gives Beliefs(link=)"
)
_NO_LATENCY = (
    "no latency was measured yet; time some architectures and give Beliefs(latency=, workload=)"
)
_NO_WORKLOAD = "no workload was given; give Beliefs(workload=Workload(...))"
_NO_COST = "no cost model was given; fit_cost(runs, device=...) gives Beliefs(cost=)"
_NO_DEMAND = "nobody said what it will serve; give Beliefs(demand=Demand(...), prices=)"

FIGURES: Mapping[str, Figure] = {
    "loss_nats": Figure("nats per token", "final loss", _NO_LAW),
    "loss": Figure("nats per token", "final loss, for short", _NO_LAW),
    "error": Figure("share", "of a task's answers that are wrong, through the link", _NO_LINK),
    "accuracy": Figure("share", "one minus the error", _NO_LINK),
    "ttft_ms": Figure("ms", "time to the first token", _NO_LATENCY),
    "tpot_ms": Figure("ms", "time per output token", _NO_LATENCY),
    "e2e_ms": Figure("ms", "time of a whole request", _NO_LATENCY),
    "throughput_tokens_per_s": Figure(
        "tokens per second", "the workload's batch over the time per output token", _NO_LATENCY
    ),
    "memory_gb": Figure("1e9 byte", "memory that serving the workload takes", _NO_WORKLOAD),
    "cost_gpu_hours": Figure("GPU-hour", "of training", _NO_COST),
    "lifetime_cost": Figure(
        "FLOP, or the currency of the prices", "of training and serving the demand", _NO_DEMAND
    ),
    "test_time_eflops": Figure(
        "FLOP equivalents", "of one of the workload's requests, memory traffic too", _NO_WORKLOAD
    ),
    **{
        name: Figure(COLUMNS[name].unit, COLUMNS[name].meaning, "it is no architecture's")
        for name in ("n_tokens", *SHAPE_COLUMNS)
    },
}
"""Figure by name; ``baseline.`` in front of a name means the baseline's."""


def check_names(names: frozenset[str]) -> None:
    """Refuse names that no belief could ever give.

    Raises:
        ExpressionError: A name is unknown.
    """
    bare = {name.removeprefix("baseline.") for name in names}
    if unknown := sorted(bare - set(FIGURES)):
        raise ExpressionError(
            f"unknown name(s) {unknown} in an objective or limit; known are {sorted(FIGURES)}, "
            f"each also as baseline.<name>"
        )


def check_predicted(
    needed: frozenset[str], values: Mapping[str, np.ndarray], has_baseline: bool
) -> None:
    """Refuse figures that these beliefs do not give.

    Raises:
        InvalidInputError: A needed figure has no belief or no baseline behind it.
    """
    for name in sorted(needed - set(values)):
        bare = name.removeprefix("baseline.")
        if bare in values and not has_baseline:
            raise InvalidInputError(f"{name!r} needs a baseline, none was given")
        raise InvalidInputError(f"{name!r} cannot be predicted: {FIGURES[bare].missing}")


def loss_figures(
    losses: np.ndarray, beliefs: Beliefs, *, new_run: bool = False, seed: int = 0
) -> dict[str, np.ndarray]:
    """Return what follows from losses, each ``(draw, candidate)``.

    Args:
        losses: [nats per token], ``(draw, candidate)``; of new runs where ``new_run``.
        beliefs: With the link, if there is one.
        new_run: Whether errors carry the noise of one measurement.
        seed: Of that noise.
    """
    found = {"loss_nats": losses, "loss": losses}
    if beliefs.link is not None:
        found["error"] = beliefs.link.draws(losses, new_run=new_run, seed=seed)
        found["accuracy"] = 1.0 - found["error"]
    return found


def latency_figures(
    ttft_ms: np.ndarray, tpot_ms: np.ndarray, workload: Workload
) -> dict[str, np.ndarray]:
    """Return what follows from both latencies [ms], each ``(draw, candidate)``.

    >>> served = Workload(batch_size=4, prompt_tokens=8, output_tokens=11)
    >>> found = latency_figures(np.array([[20.0]]), np.array([[5.0]]), served)
    >>> found["e2e_ms"].item(), found["throughput_tokens_per_s"].item()
    (70.0, 800.0)
    """
    return {
        "ttft_ms": ttft_ms,
        "tpot_ms": tpot_ms,
        "e2e_ms": ttft_ms + (workload.output_tokens - 1) * tpot_ms,
        "throughput_tokens_per_s": 1e3 * workload.batch_size / tpot_ms,
    }


def certain_figures(
    candidates: list[Candidate],
    columns: Mapping[str, np.ndarray],
    beliefs: Beliefs,
    needed: frozenset[str],
) -> dict[str, np.ndarray]:
    """Return what follows from shape and workload alone, each ``(1, candidate)``.

    Args:
        candidates: One a column.
        columns: Theirs, each ``(candidate,)``.
        beliefs: With workload, demand and prices.
        needed: What was asked for; the cost of a request is only worked out where it was.
    """
    found = {name: column[None] for name, column in columns.items()}
    if beliefs.demand is not None:
        cost = lifetime_cost(
            columns["n_params"], columns["n_tokens"], beliefs.demand, beliefs.prices
        )
        found["lifetime_cost"] = cost[None]
    workload = beliefs.workload
    if workload is None:
        return found
    memory = [float(workload.memory_bytes(c.architecture)) for c in candidates]
    found["memory_gb"] = np.array(memory)[None] / 1e9
    if needed & {"test_time_eflops", "baseline.test_time_eflops"}:
        costs = [
            kinetics_cost(c.architecture, workload.prompt_tokens, workload.output_tokens).eflops
            for c in candidates
        ]
        found["test_time_eflops"] = np.array(costs, dtype=float).reshape(1, -1)
    return found
