"""Joint draws of everything an objective or a limit may mention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bayeslaw.models.loss.noise import STUDENT_T_DOF
from bayeslaw.runs import candidate_columns
from bayeslaw.search.beliefs import Beliefs
from bayeslaw.search.figures import (
    certain_figures,
    check_names,
    check_predicted,
    latency_figures,
    loss_figures,
)
from bayeslaw.search.own_errors import dealt, error_beyond
from bayeslaw.space import Candidate

BASELINE = "baseline."


@dataclass(frozen=True)
class Outcomes:
    """Hold draws by quantity.

    Attributes:
        candidates: One a column.
        values: Quantity to ``(draw, candidate)``, or ``(1, candidate)`` where it is certain;
            ``baseline.<quantity>`` to ``(draw, 1)``.
        new_values: Losses and latencies of a new run or timing, with their noise.
        n_draws: Rows.
        beyond: Log of what the form's error beyond the costliest run multiplies a loss by, by
            ``loss_nats`` and ``baseline.loss_nats``; empty where the law's error is not known
            apart.
        apart: The same draws, were that error each architecture's own instead of mostly shared;
            None where it was not asked for or is not known apart.
    """

    candidates: tuple[Candidate, ...]
    values: Mapping[str, np.ndarray]
    new_values: Mapping[str, np.ndarray]
    n_draws: int
    beyond: Mapping[str, np.ndarray]
    apart: Outcomes | None = None

    def quantiles(self, name: str, level: float = 0.9) -> dict[str, np.ndarray] | None:
        """Return p05, p50 and p95 of a new run or timing, None where nothing is believed."""
        if name not in self.new_values:
            return None
        tails = ((1 - level) / 2, 0.5, (1 + level) / 2)
        found = np.quantile(self.new_values[name], tails, axis=0)
        return {f"p{round(100 * t):02d}": row for t, row in zip(tails, found, strict=True)}

    def of(self, columns: Sequence[int]) -> Outcomes:
        """Return some candidates' outcomes, the baseline's with them."""
        kept = list(columns)

        def cut(store: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
            return {k: v if k.startswith(BASELINE) else v[:, kept] for k, v in store.items()}

        return replace(
            self,
            candidates=tuple(self.candidates[i] for i in kept),
            values=cut(self.values),
            new_values=cut(self.new_values),
            beyond=cut(self.beyond),
            apart=None,
        )


def draw_outcomes(
    beliefs: Beliefs,
    candidates: Sequence[Candidate],
    *,
    baseline: Candidate | None = None,
    needed: frozenset[str] = frozenset(),
    n_draws: int = 256,
    seed: int = 0,
    apart: bool = False,
) -> Outcomes:
    """Draw all that is believed about candidates, the baseline jointly with them.

    Args:
        beliefs: Of loss, latency and cost.
        candidates: One a column.
        baseline: What ``baseline.`` names.
        needed: Names that must be there.
        n_draws: Rows; row i is one loss member with one latency curve (they are independent).
        seed: The same seed, the same draws.
        apart: Whether `Outcomes.apart` and `Outcomes.beyond` are wanted, too.

    Raises:
        ExpressionError: A needed name is unknown.
        InvalidInputError: A needed name has no belief or no baseline behind it.
    """
    check_names(needed)
    everyone = [*candidates, *([baseline] if baseline is not None else [])]
    n = len(candidates)
    columns = candidate_columns(everyone)
    values = certain_figures(everyone, columns, beliefs, needed)
    new_values: dict[str, np.ndarray] = {}
    seeds = np.random.SeedSequence(seed).generate_state(6).tolist()
    own = beyond = None
    if beliefs.loss is not None:
        members = beliefs.loss.members(n_draws, seeds[0])
        means = beliefs.loss.losses(columns)
        sigma = beliefs.loss.noise_scale(columns)[members]
        losses = means[members]
        scatter = np.random.default_rng(seeds[1]).standard_t(STUDENT_T_DOF, losses.shape)
        noise = np.exp(sigma * scatter)
        values |= loss_figures(losses, beliefs)
        new_values |= loss_figures(losses * noise, beliefs, new_run=True, seed=seeds[4])
        if apart and (error := error_beyond(beliefs.loss, columns, means)) is not None:
            beyond = error[members]
            lengths = [len(rows) for rows in beliefs.loss.rows]
            strayed = dealt(error, columns, lengths, seeds[5]) - error
            lone = losses * np.exp(strayed[members])
            own = (
                loss_figures(lone, beliefs),
                loss_figures(lone * noise, beliefs, new_run=True, seed=seeds[4]),
            )
    if beliefs.latency is not None and beliefs.workload is not None:
        drawn = beliefs.latency.draw_with_timings(
            [candidate.architecture for candidate in everyone], beliefs.workload, n_draws, seeds[2]
        )
        for store, both in zip((values, new_values), drawn, strict=True):
            store |= latency_figures(both["ttft_ms"], both["tpot_ms"], beliefs.workload)
    if beliefs.cost is not None:
        values["cost_gpu_hours"] = beliefs.cost.draw(everyone, n_draws, seeds[3])
        new_values["cost_gpu_hours"] = values["cost_gpu_hours"]
    found = Outcomes(
        candidates=tuple(candidates),
        values=_split(values, n),
        new_values=_split(new_values, n),
        n_draws=n_draws,
        beyond={} if beyond is None else _split({"loss_nats": beyond}, n),
    )
    check_predicted(needed, found.values, baseline is not None)
    if own is None:
        return found
    lone_values, lone_new = ({**s, **o} for s, o in zip((values, new_values), own, strict=True))
    alone = replace(found, values=_split(lone_values, n), new_values=_split(lone_new, n), beyond={})
    return replace(found, apart=alone)


def _split(store: Mapping[str, np.ndarray], n: int) -> dict[str, np.ndarray]:
    """Name the baseline's column, the last beyond n, apart from the candidates'."""
    found = {name: column[:, :n] for name, column in store.items()}
    lasts = {f"{BASELINE}{name}": column[:, n:] for name, column in store.items()}
    return found | {name: column for name, column in lasts.items() if column.shape[1]}
