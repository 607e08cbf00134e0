"""Joint draws of everything an objective or a limit may mention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bayeslaw.errors import ExpressionError, InvalidInputError
from bayeslaw.models.loss.noise import STUDENT_T_DOF
from bayeslaw.runs import SHAPE_COLUMNS, candidate_columns
from bayeslaw.search.beliefs import Beliefs
from bayeslaw.space import Candidate

LOSS = ("loss_nats", "loss")
LATENCY = ("ttft_ms", "tpot_ms", "e2e_ms")
KNOWN = frozenset({*LOSS, *LATENCY, "memory_gb", "cost_gpu_hours", "n_tokens", *SHAPE_COLUMNS})
"""Quantities an objective or limit may name; ``baseline.`` in front means the baseline's."""


@dataclass(frozen=True)
class Outcomes:
    """Hold draws by quantity.

    Attributes:
        candidates: One a column.
        values: Quantity to ``(draw, candidate)``, or ``(1, candidate)`` where it is certain;
            ``baseline.<quantity>`` to ``(draw, 1)``.
        new_values: Losses and latencies of a new run or timing, with their noise.
        n_draws: Rows.
    """

    candidates: tuple[Candidate, ...]
    values: Mapping[str, np.ndarray]
    new_values: Mapping[str, np.ndarray]
    n_draws: int

    def quantiles(self, name: str, level: float = 0.9) -> dict[str, np.ndarray] | None:
        """Return p05, p50 and p95 of a new run or timing, None where nothing is believed."""
        if name not in self.new_values:
            return None
        tails = ((1 - level) / 2, 0.5, (1 + level) / 2)
        found = np.quantile(self.new_values[name], tails, axis=0)
        return {f"p{round(100 * t):02d}": row for t, row in zip(tails, found, strict=True)}


def draw_outcomes(
    beliefs: Beliefs,
    candidates: Sequence[Candidate],
    *,
    baseline: Candidate | None = None,
    needed: frozenset[str] = frozenset(),
    n_draws: int = 256,
    seed: int = 0,
) -> Outcomes:
    """Draw all that is believed about candidates, the baseline jointly with them.

    Args:
        beliefs: Of loss, latency and cost.
        candidates: One a column.
        baseline: What ``baseline.`` names.
        needed: Names that must be there.
        n_draws: Rows; row i is one loss member with one latency curve (they are independent).
        seed: The same seed, the same draws.

    Raises:
        ExpressionError: A needed name is unknown.
        InvalidInputError: A needed name has no belief or no baseline behind it.
    """
    check_names(needed)
    everyone = [*candidates, *([baseline] if baseline is not None else [])]
    n = len(candidates)
    columns = candidate_columns(everyone)
    values: dict[str, np.ndarray] = {name: column[None] for name, column in columns.items()}
    new_values: dict[str, np.ndarray] = {}
    seeds = np.random.SeedSequence(seed).generate_state(5).tolist()
    if beliefs.loss is not None:
        members = beliefs.loss.members(n_draws, seeds[0])
        losses = beliefs.loss.losses(columns)[members]
        sigma = beliefs.loss.noise_scale(columns)[members]
        scatter = np.random.default_rng(seeds[1]).standard_t(STUDENT_T_DOF, losses.shape)
        for name in LOSS:
            values[name] = losses
            new_values[name] = losses * np.exp(sigma * scatter)
    if beliefs.latency is not None and beliefs.workload is not None:
        architectures = [candidate.architecture for candidate in everyone]
        steps = beliefs.workload.output_tokens - 1
        curves, timings = beliefs.latency.draw_with_timings(
            architectures, beliefs.workload, n_draws, seeds[2]
        )
        for target, drawn in ((values, curves), (new_values, timings)):
            target |= drawn
            target["e2e_ms"] = drawn["ttft_ms"] + steps * drawn["tpot_ms"]
    if beliefs.workload is not None:
        workload = beliefs.workload
        memory = np.array([float(workload.memory_bytes(c.architecture)) for c in everyone])
        values["memory_gb"] = memory[None] / 1e9
    if beliefs.cost is not None:
        values["cost_gpu_hours"] = beliefs.cost.draw(everyone, n_draws, seeds[3])
        new_values["cost_gpu_hours"] = values["cost_gpu_hours"]
    if baseline is not None:
        values |= {f"baseline.{name}": column[:, n:] for name, column in values.items()}
        new_values |= {f"baseline.{name}": column[:, n:] for name, column in new_values.items()}
    for store in (values, new_values):
        store.update({k: v[:, :n] for k, v in store.items() if not k.startswith("baseline.")})
    _check_present(needed, values, baseline)
    return Outcomes(tuple(candidates), values, new_values, n_draws)


def check_names(names: frozenset[str]) -> None:
    """Refuse names that no belief could ever give."""
    bare = {name.removeprefix("baseline.") for name in names}
    if unknown := sorted(bare - KNOWN):
        raise ExpressionError(
            f"unknown name(s) {unknown} in an objective or limit; known are {sorted(KNOWN)}, each "
            f"also as baseline.<name>"
        )


def _check_present(
    needed: frozenset[str], values: Mapping[str, np.ndarray], baseline: Candidate | None
) -> None:
    for name in sorted(needed - set(values)):
        bare = name.removeprefix("baseline.")
        if name != bare and baseline is None:
            raise InvalidInputError(f"{name!r} needs a baseline, none was given")
        reason = {
            "loss_nats": "no loss law is fitted yet",
            "loss": "no loss law is fitted yet",
            "memory_gb": "no workload was given",
            "cost_gpu_hours": "no cost model was given",
        }.get(bare, "no latency was measured yet")
        raise InvalidInputError(f"{name!r} cannot be predicted: {reason}")
