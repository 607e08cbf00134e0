"""From cells to figures: how many asks it took, and how many times fewer than a peer's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.replay.cells import GOAL, Cell

Key = tuple[str, int]
"""Pool and seed."""


def pooled(cells: Sequence[Cell], n_asks: int) -> dict[str, Any]:
    """Return a method's figures over its cells.

    ``evaluations_to_*`` is the geometric mean, a cell that does not get there counted with the asks it made:
    with ``censored`` above 0 it is a lower bound. ``regret_auc`` is the mean over ``n_asks`` of how
    far the share lies below 99 %; an unfinished cell's last regret is taken to stay.
    """
    return {
        "evaluations_to_95": _mean(_asks(cell, 0.95) for cell in cells),
        "evaluations_to_99": _mean(_asks(cell, GOAL) for cell in cells),
        "censored": sum(cell.evaluations_to(GOAL) is None for cell in cells),
        "censored_95": sum(cell.evaluations_to(0.95) is None for cell in cells),
        "regret_auc": float(np.mean([_regret(cell, n_asks) for cell in cells])),
        "cells": len(cells),
        "seconds_an_ask": float(np.median([s for cell in cells for s in cell.seconds])),
    }


def paired_ratio(
    ours: Mapping[Key, Cell], theirs: Mapping[Key, Cell], share: float
) -> dict[str, Any]:
    """Return ours over theirs in evaluations to a share, the geometric mean over cells both have.

    Cells where neither gets there say nothing and are left out. Elsewhere who does not get there
    counts with the asks made, so that ``peer_censored`` cells make the ratio too large and
    ``ours_censored`` cells make it too small.
    """
    ratios, ours_censored, peer_censored, neither = [], 0, 0, 0
    for key in sorted(ours.keys() & theirs.keys()):
        own, other = ours[key], theirs[key]
        reached = own.evaluations_to(share) is not None, other.evaluations_to(share) is not None
        if not any(reached):
            neither += 1
            continue
        ours_censored += not reached[0]
        peer_censored += not reached[1]
        ratios.append(_asks(own, share) / _asks(other, share))
    return {
        "ratio": _mean(ratios) if ratios else None,
        "cells": len(ratios),
        "ours_censored": ours_censored,
        "peer_censored": peer_censored,
        "neither": neither,
    }


def by_key(cells: Iterable[Cell]) -> dict[Key, Cell]:
    """Return cells by pool and seed."""
    return {(cell.pool, cell.seed): cell for cell in cells}


def _asks(cell: Cell, share: float) -> int:
    return cell.evaluations_to(share) or len(cell.rows)


def _regret(cell: Cell, n_asks: int) -> float:
    regret = np.maximum(0.0, GOAL - np.array(cell.shares[:n_asks]))
    return float((regret.sum() + regret[-1] * (n_asks - len(regret))) / n_asks)


def _mean(values: Iterable[float]) -> float:
    return float(np.exp(np.mean(np.log(list(values)))))
