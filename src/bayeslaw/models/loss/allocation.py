"""How to spend a training budget: size, data and shape, with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss.allocation_notes import (
    cost_notes,
    decision_notes,
    published_notes,
    range_notes,
)
from bayeslaw.models.loss.cards import PublishedFit
from bayeslaw.models.loss.interval import Interval
from bayeslaw.models.loss.isoflop import (
    SHAPE_RANGES,
    Losses,
    Optimum,
    columns_at,
    find_optimum,
    neighbourhood,
)
from bayeslaw.models.loss.laws import LossLaw
from bayeslaw.models.loss.posterior import Posterior
from bayeslaw.models.notes import Note

_DRAWS_WITH_SHAPE = 300
_CURVE_FACTOR, _CURVE_POINTS = 16.0, 9


@dataclass(frozen=True)
class IsoflopPoint:
    """Hold one size on the line of equal compute, at the median shape.

    Attributes:
        n_params: Weights, as the law counts them [count].
        n_tokens: Training tokens [count].
        loss_nats: Loss [nats per token].
        excess: Log of the loss over each draw's own best: what the wrong size costs. Errors that
            all sizes share cancel here.
    """

    n_params: float
    n_tokens: float
    loss_nats: Interval
    excess: Interval


@dataclass(frozen=True)
class Allocation:
    """Hold the best use of a training budget; made by `allocate`.

    Attributes:
        budget_flops: ``6 N D`` [FLOP], N as ``n_column`` counts it.
        level: Share of belief in every interval.
        law_name: Row of `LAWS`.
        n_column: How N is counted.
        n_params: Best size [count].
        n_tokens: Best data [count].
        tokens_per_param: Their ratio.
        shape: Best value of each shape input of the law that was free.
        fixed: Inputs that were given.
        loss_nats: Loss at the optimum [nats per token], the law's form allowed to be wrong where
            the belief says by how much.
        curve: Loss along the line of equal compute, small sizes first.
        draws: Each draw's own optimum: ``n_params``, ``n_tokens``, ``loss_nats`` and each shape
            input, ``(draw,)``.
        notes: Coded warnings.
    """

    budget_flops: float
    level: float
    law_name: str
    n_column: str
    n_params: Interval
    n_tokens: Interval
    tokens_per_param: Interval
    shape: Mapping[str, Interval]
    fixed: Mapping[str, float]
    loss_nats: Interval
    curve: tuple[IsoflopPoint, ...]
    draws: Mapping[str, np.ndarray] = field(repr=False)
    notes: tuple[Note, ...] = ()


def allocate(
    belief: Posterior | PublishedFit,
    budget_flops: float,
    *,
    fixed: Mapping[str, float] | None = None,
    level: float = 0.9,
    n_draws: int = 1000,
    seed: int = 0,
) -> Allocation:
    """Find the size, data and shape with the lowest loss at a budget, draw by draw.

    Each posterior draw is one curve of loss along ``6 N D = budget`` and has one optimum; the
    intervals are those of the optima. So what is uncertain about the whole curve (its height)
    widens the loss and leaves the size alone.

    Args:
        belief: A posterior, or a row of `published_fits`.
        budget_flops: Of training, ``6 N D`` with N as the law counts it [FLOP].
        fixed: Inputs of the law that are given (``unique_tokens``, ``weight_bits``), and shape
            inputs that are not free.
        level: Share of belief in the intervals.
        n_draws: Draws at most; fewer for laws with shape.
        seed: Of a published fit's draws.

    Raises:
        InvalidInputError: A budget or level that makes no sense, an input that nobody fixed, or a
            published fit without all its coefficients.
        UndecidedError: The loss has no lowest point along the line.

    >>> from bayeslaw.models.loss.cards import published_fits
    >>> best = allocate(published_fits()["hoffmann_2022_unrounded"], 5.76e23)
    >>> f"{best.n_params.median:.3g} {best.n_tokens.median:.3g} {best.loss_nats.median:.4f}"
    '4.04e+10 2.38e+12 1.9184'
    """
    if not (np.isfinite(budget_flops) and budget_flops > 0):
        raise InvalidInputError(
            f"budget_flops must be positive and finite, such as 1e21, got {budget_flops}"
        )
    if not 0 < level < 1:
        raise InvalidInputError(f"level must lie between 0 and 1, got {level}")
    fixed = dict(fixed or {})
    law = belief.law
    has_shape = any(name in SHAPE_RANGES and name not in fixed for name in law.inputs)
    most = min(n_draws, _DRAWS_WITH_SHAPE) if has_shape else n_draws
    losses, notes = _losses(belief, most, seed)
    best = find_optimum(law, losses, budget_flops, fixed)
    n_tokens = budget_flops / (6 * best.n_params)
    n_params = Interval.of(best.n_params, level)
    shape = {name: Interval.of(values, level) for name, values in best.shape.items()}
    notes = [
        *notes,
        *range_notes(belief, budget_flops, n_params, Interval.of(n_tokens, level), shape),
        *decision_notes(n_params, shape, best),
        *cost_notes(law),
    ]
    return Allocation(
        budget_flops=float(budget_flops),
        level=level,
        law_name=law.name,
        n_column=law.n_column,
        n_params=n_params,
        n_tokens=Interval.of(n_tokens, level),
        tokens_per_param=Interval.of(n_tokens / best.n_params, level),
        shape=shape,
        fixed=fixed,
        loss_nats=Interval.of(best.loss_nats, level),
        curve=_curve(law, losses, budget_flops, fixed, best, level),
        draws={
            "n_params": best.n_params,
            "n_tokens": n_tokens,
            "loss_nats": best.loss_nats,
            **best.shape,
        },
        notes=tuple(notes),
    )


def _losses(belief: Posterior | PublishedFit, n_draws: int, seed: int) -> tuple[Losses, list[Note]]:
    """Return the belief as curves, and what has to be said of it."""
    if isinstance(belief, Posterior):
        posterior = belief.thin(min(n_draws, len(belief)))
        return posterior.losses, list(belief.notes)
    theta = {name: values[:, None] for name, values in belief.draws(n_draws, seed).items()}

    def losses(columns: Mapping[str, np.ndarray]) -> np.ndarray:
        values = np.asarray(belief.law(theta, columns), float)
        return np.broadcast_to(values, (n_draws, len(columns[belief.n_column])))

    return losses, published_notes(belief)


def _curve(
    law: LossLaw,
    losses: Losses,
    budget_flops: float,
    fixed: Mapping[str, float],
    best: Optimum,
    level: float,
) -> tuple[IsoflopPoint, ...]:
    sizes = np.median(best.n_params) * neighbourhood(_CURVE_FACTOR, _CURVE_POINTS)
    held = {**fixed, **{name: float(np.median(values)) for name, values in best.shape.items()}}
    drawn = losses(columns_at(law, (), budget_flops, held, [np.log(sizes)]))
    excess = np.log(drawn / best.loss_nats[:, None])
    return tuple(
        IsoflopPoint(
            n_params=float(size),
            n_tokens=float(budget_flops / (6 * size)),
            loss_nats=Interval.of(drawn[:, i], level),
            excess=Interval.of(excess[:, i], level),
        )
        for i, size in enumerate(sizes)
    )
