"""The scale at which the decision is made."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from bayeslaw.errors import InvalidInputError
from bayeslaw.space.architecture import Architecture
from bayeslaw.space.candidate import Candidate
from bayeslaw.space.expression import Expression
from bayeslaw.space.search_space import SearchSpace


@dataclass(frozen=True)
class Target:
    """Say what is to be decided: at which size, for what, within which limits, against what.

    Attributes:
        n_params: All weights of the network to be chosen [count].
        n_tokens: Tokens it will be trained on [count].
        baseline: The architecture to beat.
        tolerance: How far a candidate's ``n_params`` may be from it, as a share.
        objectives: What is wanted, best first; a minus sign means less is better.
        limits: Comparisons that must hold; ``baseline`` stands for the baseline's value of the
            quantity on the left.

    >>> from bayeslaw.space import Architecture
    >>> baseline = Architecture(n_layers=4, d_model=128, n_heads=4, n_kv_heads=4, head_dim=32,
    ...                         d_ff=344, vocab_size=257)
    >>> target = Target(n_params=850_000, n_tokens=17_000_000, baseline=baseline,
    ...                 limits=("tpot_ms <= 0.95 * baseline",))
    >>> target.limit_expressions[0].text
    'tpot_ms <= 0.95 * baseline.tpot_ms'
    """

    n_params: int
    n_tokens: int
    baseline: Architecture
    tolerance: float = 0.05
    objectives: tuple[str, ...] = ("-loss_nats", "-tpot_ms")
    limits: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "objectives", tuple(self.objectives))
        object.__setattr__(self, "limits", tuple(self.limits))
        if not 0 < self.tolerance < 1:
            raise InvalidInputError(f"tolerance is a share between 0 and 1, got {self.tolerance}")
        if not self.objectives:
            raise InvalidInputError("a target needs at least one objective, such as '-loss_nats'")
        off = self.baseline.n_params / self.n_params - 1
        if abs(off) > self.tolerance:
            raise InvalidInputError(
                f"the baseline has {self.baseline.n_params} weights, {off:+.1%} from the target's "
                f"{self.n_params}; beyond the tolerance of {self.tolerance:.0%} the comparison "
                f"would be unfair: change the baseline or the target"
            )
        _ = self.limit_expressions

    @cached_property
    def limit_expressions(self) -> tuple[Expression, ...]:
        """Limits as expressions, ``baseline`` spelt out."""
        return tuple(_spell_out(limit) for limit in self.limits)

    def candidates(self, space: SearchSpace) -> SearchSpace:
        """Return the members of a space that would answer this target."""
        low, high = (self.n_params * (1 + sign * self.tolerance) for sign in (-1, 1))
        return space.with_axes(n_tokens=self.n_tokens).where(f"{low!r} <= n_params <= {high!r}")

    @property
    def baseline_candidate(self) -> Candidate:
        """The baseline, trained as long as the target says."""
        return Candidate(self.baseline, self.n_tokens)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values."""
        return asdict(self)


def _spell_out(limit: str) -> Expression:
    parsed = Expression(limit)
    if not parsed.is_comparison:
        raise InvalidInputError(f"a limit compares, such as 'tpot_ms <= 5', got {limit!r}")
    if "baseline" not in parsed.names:
        return parsed
    left = re.match(r"\s*([A-Za-z_]\w*)\s*(<=|<|>=|>)", limit)
    if left is None:
        raise InvalidInputError(
            f"in {limit!r} say whose baseline is meant: '<quantity> <= 0.95 * baseline' or "
            f"'baseline.<quantity>'"
        )
    return Expression(re.sub(r"\bbaseline\b(?!\.)", f"baseline.{left[1]}", limit))
