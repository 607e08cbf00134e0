"""What is wanted and what must hold, as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.search.figures import check_names
from bayeslaw.search.limits import check_together, read_limit
from bayeslaw.search.outcomes import Outcomes
from bayeslaw.space import Expression


@dataclass(frozen=True)
class Objectives:
    """Hold objectives (more is better) and limits; build it with `parse_objectives`.

    Attributes:
        wanted: What to maximise, best first; ``-loss_nats`` wants less loss.
        limits: Comparisons that must hold.
    """

    wanted: tuple[Expression, ...]
    limits: tuple[Expression, ...]

    @property
    def plain(self) -> tuple[str, ...]:
        """What is wanted, for people: ``-tpot_ms`` is "lower tpot_ms"."""
        return tuple(
            f"lower {e.text[1:].strip()}" if e.text.startswith("-") else f"higher {e.text}"
            for e in self.wanted
        )

    @property
    def names(self) -> frozenset[str]:
        """Quantities that must be predicted."""
        return frozenset().union(*(e.names for e in (*self.wanted, *self.limits)))

    def utilities(self, outcomes: Outcomes) -> np.ndarray:
        """Return what is wanted, more is better, ``(draw, candidate, objective)``."""
        shape = (outcomes.n_draws, len(outcomes.candidates))
        return np.stack(
            [np.broadcast_to(e.evaluate(outcomes.values), shape) for e in self.wanted], axis=-1
        )

    def margins(self, outcomes: Outcomes) -> np.ndarray:
        """Return by how much limits hold, ``(draw, candidate, limit)``; negative breaks one."""
        shape = (outcomes.n_draws, len(outcomes.candidates))
        if not self.limits:
            return np.zeros((*shape, 0))
        return np.stack(
            [np.broadcast_to(e.margin(outcomes.values), shape) for e in self.limits], axis=-1
        )


def parse_objectives(
    objectives: str | Sequence[str], limits: str | Sequence[str] = ()
) -> Objectives:
    """Read objectives such as ``"-loss_nats, -tpot_ms"`` and limits such as ``"memory_gb <= 40"``.

    Args:
        objectives: Separated by commas, or one a string; a minus sign means less is better.
        limits: Comparisons; ``baseline.<name>`` is the baseline's value, and ``baseline`` alone
            that of the quantity on the left.

    Raises:
        ExpressionError: One cannot be read or names something unknown.
        InvalidInputError: No objective, an objective that compares, a limit that does not, or two
            limits that nothing can keep together.

    >>> wanted = parse_objectives("-loss, -tpot_ms", "tpot_ms <= 0.95 * baseline")
    >>> sorted(wanted.names)
    ['baseline.tpot_ms', 'loss', 'tpot_ms']
    """
    wanted = tuple(Expression(text) for text in _split(objectives))
    must = tuple(read_limit(text) for text in _split(limits))
    if not wanted:
        raise InvalidInputError("say what is wanted, such as '-loss_nats, -tpot_ms'; got nothing")
    for expression in wanted:
        if expression.is_comparison or not expression.names:
            raise InvalidInputError(
                f"an objective is a quantity to maximise, such as '-loss_nats', got "
                f"{expression.text!r}; a comparison is a limit"
            )
    parsed = Objectives(wanted, must)
    check_names(parsed.names)
    check_together(must)
    return parsed


def _split(texts: str | Sequence[str]) -> list[str]:
    parts = texts.split(",") if isinstance(texts, str) else list(texts)
    return [part.strip() for part in parts if part.strip()]
