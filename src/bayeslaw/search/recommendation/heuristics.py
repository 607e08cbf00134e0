"""What one would build without a law, set beside what was chosen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bayeslaw.search.recommendation.forecast import Forecast
from bayeslaw.space import Candidate

WINDOWS: Mapping[str, tuple[float, float]] = {
    "aspect_ratio": (64.0, 128.0),
    "mlp_attention_ratio": (3.0, 5.0),
}
"""Where most published dense models lie: width over depth, MLP over attention weights."""

_LABELS = {
    ("aspect_ratio", "mlp_attention_ratio"): "usual shape",
    ("aspect_ratio",): "usual width over depth",
    ("mlp_attention_ratio",): "usual MLP over attention",
}


@dataclass(frozen=True)
class Heuristic:
    """Set one rule of thumb beside the choice.

    Attributes:
        name: The rule.
        forecast: Of the candidate that it picks.
        p_chosen_beats: Probability that the chosen candidate has the higher utility.
        p_chosen_lower_loss: Probability that its new run has the lower loss.
    """

    name: str
    forecast: Forecast
    p_chosen_beats: float
    p_chosen_lower_loss: float

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-ready values."""
        return {
            "name": self.name,
            "forecast": self.forecast.to_dict(),
            "p_chosen_beats": self.p_chosen_beats,
            "p_chosen_lower_loss": self.p_chosen_lower_loss,
        }


def usual_shapes(candidates: Sequence[Candidate]) -> dict[str, int]:
    """Return what rules of thumb pick: the candidate in the middle of the usual windows, by rule.

    Where no candidate lies in both windows, each window picks for itself; a window without a
    candidate picks none.

    >>> from bayeslaw.space import Architecture
    >>> shapes = [Architecture(2, 64 * i, 4, 4, 16, 128, 256) for i in (1, 2, 3)]
    >>> usual_shapes([Candidate(shape, 10**6) for shape in shapes])
    {'usual width over depth (64-128)': 2}
    """
    both, *each = _LABELS
    return _picked(candidates, both) or {
        rule: i for factors in each for rule, i in _picked(candidates, factors).items()
    }


def with_other_gqa(baseline: Candidate) -> list[Candidate]:
    """Return the baseline with every other number of KV heads that divides its heads.

    >>> from bayeslaw.space import Architecture
    >>> baseline = Candidate(Architecture(2, 64, 4, 4, 16, 128, 256), 10**6)
    >>> [c.architecture.n_kv_heads for c in with_other_gqa(baseline)]
    [1, 2]
    """
    shape = baseline.architecture
    return [
        replace(baseline, architecture=replace(shape, n_kv_heads=n_kv_heads))
        for n_kv_heads in range(1, shape.n_heads + 1)
        if shape.n_heads % n_kv_heads == 0 and n_kv_heads != shape.n_kv_heads
    ]


def _picked(candidates: Sequence[Candidate], factors: tuple[str, ...]) -> dict[str, int]:
    distances = {}
    for i, candidate in enumerate(candidates):
        shape = {name: float(getattr(candidate.architecture, name)) for name in factors}
        if _is_usual(shape):
            distances[i] = sum(abs(math.log(v / _middle(name))) for name, v in shape.items())
    if not distances:
        return {}
    windows = ", ".join("{:g}-{:g}".format(*WINDOWS[name]) for name in factors)
    return {f"{_LABELS[factors]} ({windows})": min(distances, key=lambda i: distances[i])}


def _is_usual(shape: Mapping[str, float]) -> bool:
    return all(WINDOWS[name][0] <= value <= WINDOWS[name][1] for name, value in shape.items())


def _middle(name: str) -> float:
    low, high = WINDOWS[name]
    return math.sqrt(low * high)
