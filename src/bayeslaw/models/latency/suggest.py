"""Which architectures to time next, so that latency at the targets is known better for the time.

Under each draw of constants and kernel the process is Gaussian, so the covariance of log latency
over targets and pool is known exactly; over draws it is the mean of those plus the covariance of
the draws' means, which is how a timing teaches the constants. A timing takes away what the
normal with that covariance says it takes (rank-one conditioning), whatever it turns out to be: so a
batch is chosen greedily before any of it is measured. The suggested timings share one session, and
what a session shares is not learnt away by many of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.latency.checks import check_served
from bayeslaw.models.latency.features import shape_features
from bayeslaw.models.latency.surrogate import LatencySurrogate
from bayeslaw.models.latency.thinning import thin_rows
from bayeslaw.runs import LatencyTable
from bayeslaw.runs.latency.columns import MEASURED
from bayeslaw.space import Architecture, Workload

N_THINNED = 256
"""Pool members that are looked at: those nearest to the targets, and the rest spread out."""

MAX_TARGETS = 512
N_REPEATS = 30
SET_UP_SECONDS = 5.0
_PART_DRAWS = 8


@dataclass(frozen=True)
class TimingSuggestion:
    """Hold one architecture worth timing.

    Attributes:
        place: Its place in the pool.
        cost_seconds: Predicted time that timing it takes [s].
        variance_before: Weighted mean variance of log latency at the targets, those before timed.
        variance_after: The same once this one is timed as well.
    """

    place: int
    cost_seconds: float
    variance_before: float
    variance_after: float


def suggest_timings(
    surrogate: LatencySurrogate,
    pool: Sequence[Architecture],
    workload: Workload,
    targets: Sequence[Architecture],
    n: int,
    *,
    weights: np.ndarray | None = None,
    set_up_seconds: float = SET_UP_SECONDS,
) -> list[TimingSuggestion]:
    """Suggest architectures to time, TTFT and TPOT of each, best first.

    Args:
        surrogate: Of the device and engine.
        pool: What could be timed, up to 10^5; `N_THINNED` of them are looked at.
        workload: What all serve.
        targets: Whose latency is to be known, at most `MAX_TARGETS`.
        n: Timings.
        weights: How much each target counts ``(target,)``, such as `border_weights`; alike by default.
        set_up_seconds: What a timing costs before its repeats [s]; where timings are counted rather
            than their time, give much.

    Raises:
        InvalidInputError: Fewer architectures than timings, too many targets, weights that are
            negative, all zero or of another length, or a negative time.
    """
    both = [surrogate.ask(list(targets), workload), surrogate.ask(list(pool), workload)]
    asked, offered = both
    split = [
        offered.where(np.arange(k * len(pool), (k + 1) * len(pool))) for k in range(2)
    ]  # TTFT of all, then TPOT of all
    tokens = workload.output_tokens - 1
    per_target = np.ones(len(targets)) if weights is None else np.asarray(weights, dtype=np.float64)
    if per_target.shape != (len(targets),):
        raise InvalidInputError(
            f"weights must have one for each of {len(targets)} targets, got shape {per_target.shape}"
        )
    return suggest_rows(
        surrogate,
        split,
        asked,
        n,
        times=(1, tokens),
        weights=np.tile(per_target, 2),
        set_up_seconds=set_up_seconds,
    )


def suggest_rows(
    surrogate: LatencySurrogate,
    pool: Sequence[LatencyTable],
    targets: LatencyTable,
    n: int,
    *,
    times: Sequence[int] = (1,),
    weights: np.ndarray | None = None,
    set_up_seconds: float = SET_UP_SECONDS,
) -> list[TimingSuggestion]:
    """Suggest rows of a question to time, best first.

    Args:
        surrogate: Of the device and engine.
        pool: Questions of one length, a table a figure; one timing answers row i of every table.
        targets: Questions whose answers are to be known, two figures of `MAX_TARGETS` at most.
        n: Timings.
        times: How often each table's figure is taken in a repeat, for the cost.
        weights: How much each target row counts ``(row,)``; alike by default.
        set_up_seconds: What a timing costs before its repeats [s].

    Returns:
        Each costs its set-up and `N_REPEATS` predicted repeats, and is the one that takes the most
        variance away for a second of that, given those before.

    Raises:
        InvalidInputError: As `suggest_timings`.
    """
    weigh = np.ones(len(targets)) if weights is None else np.asarray(weights, dtype=np.float64)
    _check(pool, targets, n, times, weigh)
    if not set_up_seconds >= 0:
        raise InvalidInputError(f"set_up_seconds must not be negative, got {set_up_seconds}")
    for table in (*pool, targets):
        check_served(table, surrogate.served)
    kept = thin_rows(shape_features(pool[0]), shape_features(targets), max(N_THINNED, n))
    few = [table.where(kept) for table in pool]
    median_ms = [surrogate.predict_rows(table, of="latency")["p50"] for table in few]
    repeat_ms = sum(t * ms for t, ms in zip(times, median_ms, strict=True))
    cost = set_up_seconds + N_REPEATS * np.asarray(repeat_ms) / 1e3
    covariance, noise = _joint(surrogate, targets, few)
    weight = torch.as_tensor(weigh / weigh.sum())
    picked, found = _greedy(covariance, noise, weight, torch.as_tensor(cost), len(kept), n)
    return [
        TimingSuggestion(int(kept[i]), float(cost[i]), before, after)
        for i, (before, after) in zip(picked, found, strict=True)
    ]


def border_weights(surrogate: LatencySurrogate, asked: LatencyTable, limit_ms: float) -> np.ndarray:
    """Return how undecided it is whether each row's latency is within a limit, ``(row,)``.

    ``P (1 - P)`` for P the probability that it is: a quarter on the border, nothing far from it.

    Raises:
        InvalidInputError: A limit that is not positive.
    """
    if not limit_ms > 0:
        raise InvalidInputError(f"limit_ms must be positive, got {limit_ms}")
    mean, sd = surrogate.mixture(asked, "latency")
    within = torch.special.ndtr((np.log(limit_ms / 1e3) - mean) / sd).mean(dim=0)
    return (within * (1 - within)).numpy()


def _greedy(
    covariance: Tensor, noise: Tensor, weight: Tensor, cost: Tensor, n_pool: int, n: int
) -> tuple[list[int], list[tuple[float, float]]]:
    """Pick pool members one after the other, each given those before.

    Args:
        covariance: Of targets, then of the pool's figures one table after the other ``(row, row)``.
        noise: Variance of a timing's own noise ``(pool row,)``.
        weight: Of each target, adding up to 1.
        cost: Of each pool member.
        n_pool: Members; a table holds one row of each.
        n: Picks.
    """
    n_targets, n_tables = len(weight), len(noise) // n_pool
    rows = n_targets + torch.arange(n_tables)[None] * n_pool + torch.arange(n_pool)[:, None]
    own = torch.diag_embed(noise.reshape(n_tables, n_pool).T)
    is_free = torch.ones(n_pool, dtype=torch.bool)
    picked, found = [], []
    for _ in range(n):
        blocks = covariance[rows[:, :, None], rows[:, None, :]] + own  # member, table, table
        reach = covariance[:n_targets][:, rows].permute(1, 2, 0)  # member, table, target
        taken = (reach * torch.linalg.solve(blocks, reach)).sum(1) @ weight
        i = int(torch.where(is_free, taken / cost, -torch.inf).argmax())
        before = float(covariance.diagonal()[:n_targets] @ weight)
        seen = covariance[:, rows[i]]
        covariance = covariance - seen @ torch.linalg.solve(blocks[i], seen.T)
        found.append((before, float(covariance.diagonal()[:n_targets] @ weight)))
        picked.append(i)
        is_free[i] = False
    return picked, found


@torch.no_grad()
def _joint(
    surrogate: LatencySurrogate, targets: LatencyTable, pool: Sequence[LatencyTable]
) -> tuple[Tensor, Tensor]:
    """Return the covariance of targets and pool, one session shared, and the timings' own noise."""
    process, known = surrogate.process, surrogate.process.conditioned
    asked = LatencyTable.concat([_question(table) for table in (targets, *pool)])
    means, _ = process.marginals(asked)
    inputs, values = process.read(asked), process.values()
    total = torch.cov(means.T)
    n_draws = len(means)
    for start in range(0, n_draws, _PART_DRAWS):
        part = slice(start, start + _PART_DRAWS)
        conditioned = replace(known, weights=known.weights[part], whitening=known.whitening[part])
        if known.giving_back is not None:
            conditioned = replace(conditioned, giving_back=known.giving_back[part])
        settings = replace(
            values.settings,
            **{f.name: getattr(values.settings, f.name)[part] for f in fields(values.settings)},
        )
        _, covariance = conditioned.joint(inputs.rows, settings)
        total = total + covariance.sum(dim=0) / n_draws
    in_pool = torch.arange(len(asked)) >= len(targets)
    shared = (2 * values.settings.session).exp().mean()
    total = total + shared * (in_pool[:, None] & in_pool[None])
    # What a heavy-tailed timing teaches is its mean precision, which a few wild nodes do not drown.
    precision = (1 / process.timing_variances(asked)).mean(dim=(0, 1))
    return total, 1 / precision[in_pool]


def _question(table: LatencyTable) -> LatencyTable:
    """Return a table without what was measured."""
    columns = {name: values for name, values in table.columns.items() if name not in MEASURED}
    return replace(table, columns=columns)


def _check(
    pool: Sequence[LatencyTable],
    targets: LatencyTable,
    n: int,
    times: Sequence[int],
    weights: np.ndarray,
) -> None:
    if not pool or len({len(table) for table in pool}) > 1 or len(times) != len(pool):
        raise InvalidInputError(
            f"the pool needs tables of one length and a count in times for each, got lengths "
            f"{[len(table) for table in pool]} and times {tuple(times)}"
        )
    if not 1 <= n <= len(pool[0]):
        raise InvalidInputError(f"n must be from 1 to the pool's {len(pool[0])}, got {n}")
    if len(targets) > 2 * MAX_TARGETS:
        raise InvalidInputError(
            f"{len(targets)} target rows are too many (at most {2 * MAX_TARGETS}); give those near "
            f"the decision"
        )
    if weights.shape != (len(targets),) or (weights < 0).any() or not weights.sum() > 0:
        raise InvalidInputError(
            f"weights must be one for each of {len(targets)} target rows, none negative and not "
            f"all 0, got shape {weights.shape}, lowest {weights.min()}, sum {weights.sum()}"
        )
