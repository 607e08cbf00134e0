"""Which shapes may be the best: the smallest set that holds the best one with a given probability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayeslaw.space import Candidate

LEVEL = 0.9
FACTORS = ("aspect_ratio", "mlp_attention_ratio", "gqa_group", "n_layers", "d_model")
"""What a shape is summarised by."""


@dataclass(frozen=True)
class FactorRange:
    """Hold what a set of shapes has in one factor.

    Attributes:
        low: Least in the set.
        mode: Where most of the probability to be the best lies.
        high: Greatest in the set.
    """

    low: float
    mode: float
    high: float


@dataclass(frozen=True)
class CredibleSet:
    """Hold the smallest set of candidates that holds the best one with probability ``level``.

    Attributes:
        level: Asked for.
        probability: That it does hold the best one; below ``level`` where in some draws no
            candidate keeps the limits.
        members: Candidates, the likeliest first.
        p_best: Of each.
        factors: Range and mode of each of `FACTORS` in the set.
    """

    level: float
    probability: float
    members: tuple[Candidate, ...]
    p_best: tuple[float, ...]
    factors: Mapping[str, FactorRange]

    def to_dict(self) -> dict[str, Any]:
        """Return its size, factors and ten likeliest members as JSON-ready values."""
        return {
            "level": self.level,
            "probability": self.probability,
            "n_members": len(self.members),
            "likeliest": [
                {"architecture": c.architecture.to_dict(), "n_tokens": c.n_tokens, "p_best": p}
                for c, p in list(zip(self.members, self.p_best, strict=True))[:10]
            ],
            "factors": {
                name: {"low": found.low, "mode": found.mode, "high": found.high}
                for name, found in self.factors.items()
            },
        }


def credible_set(
    candidates: Sequence[Candidate], p_best: np.ndarray, level: float = LEVEL
) -> CredibleSet:
    """Take candidates by falling probability to be the best until they hold ``level`` of it.

    Args:
        candidates: All that may be chosen.
        p_best: Theirs ``(candidate,)``.
        level: Of the set.

    >>> from bayeslaw.space import Architecture
    >>> shapes = [Architecture(2, 64 * i, 4, 4, 16, 128, 256) for i in (1, 2, 3)]
    >>> found = credible_set([Candidate(a, 10**6) for a in shapes], np.array([0.3, 0.65, 0.05]))
    >>> [member.architecture.d_model for member in found.members], round(found.probability, 2)
    ([128, 64], 0.95)
    >>> found.factors["aspect_ratio"]
    FactorRange(low=32.0, mode=64.0, high=64.0)
    """
    order = np.argsort(-p_best, kind="stable")
    sums = np.cumsum(p_best[order])
    # Sums of a thousand shares reach .9 but for rounding.
    n_kept = int(np.searchsorted(sums, min(level, float(sums[-1])) - 1e-9)) + 1
    kept = order[:n_kept]
    kept = kept[(p_best[kept] > 0) | (kept == order[0])]
    members = [candidates[i] for i in kept]
    weights = p_best[kept]
    factors = {}
    for name in FACTORS:
        values = np.array([float(getattr(member.architecture, name)) for member in members])
        factors[name] = FactorRange(
            float(values.min()), _mode(values, weights), float(values.max())
        )
    return CredibleSet(
        level, float(weights.sum()), tuple(members), tuple(weights.tolist()), factors
    )


def _mode(values: np.ndarray, weights: np.ndarray) -> float:
    """Return the value at which a smoothed log density of the weights is highest."""
    logs, total = np.log(values), weights.sum()
    if np.ptp(logs) == 0 or total == 0:
        return float(values[0])
    shares = weights / total
    spread = np.sqrt(shares @ (logs - shares @ logs) ** 2)
    width = max(0.9 * spread * (1 / (shares**2).sum()) ** -0.2, 1e-6)  # Silverman's rule
    density = np.exp(-0.5 * ((logs[:, None] - logs) / width) ** 2) @ shares
    return float(values[int(np.argmax(density))])
