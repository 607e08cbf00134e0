"""The architectures and token budgets a lab would consider."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from bayeslaw.errors import EmptySpaceError, InvalidInputError, UndecidedError
from bayeslaw.space.architecture import Architecture
from bayeslaw.space.axis import read_axis
from bayeslaw.space.boxes import Cover, cover
from bayeslaw.space.candidate import Candidate
from bayeslaw.space.constraints import Constraints
from bayeslaw.space.contradiction import contradiction, in_words
from bayeslaw.space.feasible_count import FeasibleCount
from bayeslaw.space.neighbours import nearby
from bayeslaw.space.quantities import AXES
from bayeslaw.space.workload import Workload

_DEFAULT_AXES: Mapping[str, Any] = {
    "tied_embeddings": False, "gated_mlp": True, "qk_norm": False, "post_norm": False,
}  # fmt: skip
_FLAGS = tuple(_DEFAULT_AXES)
# Covers are refined in these steps; the first is enough for most spaces.
_COVER_SIZES = (2_000, 20_000, 200_000)
_ROUNDS_PER_COVER = 200
_ROUNDS_WORTH_REFINING = 20
# A Monte Carlo count with this many hits is off by about 2 %.
_COUNT_DRAWS = 100_000
_ENOUGH_HITS = 2_500


@dataclass(frozen=True)
class SearchSpace:
    """Describe a product of axes and the constraints its members must meet.

    The product is never built: spaces of 10^12 members are counted, sampled and proven empty by
    interval arithmetic.

    Attributes:
        axes: For every name in `AXES`: a value, a list of choices, or a range
            ``{"min": 64, "max": 512, "step": 64}``. Flags default to a plain gated network.
        constraints: Expressions over axes and derived quantities, such as
            ``"n_params <= 1.05e9"``; heads divisible by KV heads is always required.
        workload: What ``memory_gb`` refers to.
        tensor_parallel: Heads, KV heads and ``d_ff`` must divide by it [count].

    >>> space = SearchSpace(
    ...     axes=dict(n_layers=[2, 4], d_model={"min": 64, "max": 256, "step": 64}, n_heads=[2, 4],
    ...               n_kv_heads=[1, 2, 4], head_dim=32, d_ff=[128, 256], vocab_size=257,
    ...               n_tokens=[1e6]),
    ...     constraints=("n_params <= 300e3",))
    >>> space.size, space.count().estimate
    (96, 22.0)
    """

    axes: Mapping[str, Any]
    constraints: tuple[str, ...] = ()
    workload: Workload | None = None
    tensor_parallel: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "constraints", tuple(self.constraints))
        if unknown := sorted(set(self.axes) - set(AXES)):
            raise InvalidInputError(f"unknown axes {unknown}; a space has {list(AXES)}")
        if missing := sorted(set(AXES) - set(_DEFAULT_AXES) - set(self.axes)):
            raise InvalidInputError(f"axes {missing} are missing; give a value or choices")
        # Evaluated once at the door, so that an unknown name fails here and not at 3 am.
        self._all_constraints.hold({name: axis[:1] for name, axis in self._all_values.items()})

    # --- questions ---------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """Members of the product, constraints aside [count], exact."""
        return math.prod(len(values) for values in self._all_values.values())

    def is_empty(self) -> bool:
        """Decide whether no member meets all constraints.

        Raises:
            UndecidedError: Neither a member nor a proof was found within the limits.
        """
        if any(not len(values) for values in self._values.values()):
            return True
        for current in self._covers():
            if not len(current.first):
                return True
            if current.is_full.any() or len(self._draw(current, 8192, np.random.default_rng(0))):
                return False
        raise UndecidedError(
            f"no member found and none excluded after {_COVER_SIZES[-1]} boxes; "
            f"loosen one of {list(self.constraints)}, or list choices instead of ranges"
        )

    def count(self, seed: int = 0) -> FeasibleCount:
        """Count the members that meet all constraints: exactly where boxes settle it."""
        if self.is_empty():
            return FeasibleCount(0, 0, 0.0)
        for current in self._covers():
            counts = current.exact_counts()
            low = sum(c for c, full in zip(counts, current.is_full, strict=True) if full)
            high = sum(counts)
            if low == high:
                return FeasibleCount(low, high, float(low))
            open_boxes = current.undecided()
            drawn = open_boxes.draw(_COUNT_DRAWS, np.random.default_rng(seed))
            hits = int(self._all_constraints.hold(self._columns(drawn)).sum())
            estimate = low + hits / _COUNT_DRAWS * float(high - low)
            if hits >= _ENOUGH_HITS:
                return FeasibleCount(low, high, estimate)
        return FeasibleCount(low, high, estimate)

    def contains(self, candidate: Candidate) -> bool:
        """Return whether a candidate is a member and meets every constraint."""
        return not self.violations(candidate)

    def violations(self, candidate: Candidate) -> list[str]:
        """List what keeps a candidate out of the space, in words."""
        point = {**candidate.architecture.to_dict(), "n_tokens": candidate.n_tokens}
        wrong = [
            f"{name} = {point[name]} is not on its axis"
            for name, values in self._all_values.items()
            if float(point[name]) not in values
        ]
        columns = {name: np.array([float(value)]) for name, value in point.items()}
        broken = self._all_constraints.broken(columns)
        return [*wrong, *(f"{text} does not hold" for text in broken)]

    # --- members ------------------------------------------------------------------------------

    def sample(self, n_candidates: int, seed: int = 0) -> list[Candidate]:
        """Draw distinct members uniformly; all of them, shuffled, where there are fewer.

        Where members are so rare that not even the finest boxes give enough, those found are
        returned, fewer than asked for.

        Raises:
            EmptySpaceError: No member meets the constraints.
            UndecidedError: Members are too rare to find.
        """
        rng = np.random.default_rng(seed)
        if any(not len(values) for values in self._values.values()):
            raise self._empty()
        found = np.empty((0, len(self._values)), dtype=np.int64)
        for current in self._covers():
            if not len(current.first):
                raise self._empty()
            if current.is_exact and sum(current.exact_counts()) <= 2 * n_candidates:
                found = rng.permutation(current.members())
                break
            is_finest = len(current.first) >= _COVER_SIZES[-1]
            n_drawn = max(16_384 if is_finest else 1024, 2 * n_candidates)
            for round_number in range(1, _ROUNDS_PER_COVER + 1):
                drawn = self._draw(current, n_drawn, rng)
                found = _distinct(np.concatenate([found, drawn]))
                if len(found) >= n_candidates:
                    return self._candidates(found[:n_candidates])
                is_rare = len(found) / round_number < n_candidates / _ROUNDS_WORTH_REFINING
                if is_rare and not is_finest:
                    break  # finer boxes pay
        if not len(found):
            raise UndecidedError(
                f"no member found in {_COVER_SIZES[-1]} boxes; loosen one of {list(self.constraints)}"
            )
        return self._candidates(found[:n_candidates])

    def neighbours(
        self, candidate: Candidate, n: int, seed: int = 0, *, reach: int = 2
    ) -> list[Candidate]:
        """Return distinct members a few axis steps from one; every one of them is feasible.

        A mix: one axis moved, two or three moved together, and, where constraints tie axes to each
        other, a step that another axis makes up for. Nothing is built: it takes some milliseconds.

        Args:
            candidate: A member.
            n: How many; fewer where no more are found.
            seed: The same seed, the same neighbours.
            reach: Longest step along an axis, in values of that axis.

        Raises:
            InvalidInputError: The candidate is no member, or ``reach`` is below 1.
        """
        if wrong := self.violations(candidate):
            raise InvalidInputError(f"{candidate} is no member of the space: {'; '.join(wrong)}")
        if reach < 1:
            raise InvalidInputError(f"reach is a number of axis steps, at least 1, got {reach}")
        point = {**candidate.architecture.to_dict(), "n_tokens": candidate.n_tokens}
        start = np.array(
            [np.searchsorted(axis, float(point[name])) for name, axis in self._values.items()]
        )
        sizes = np.array([len(axis) for axis in self._values.values()])
        rng = np.random.default_rng(seed)
        return self._candidates(
            nearby(
                start,
                sizes,
                lambda rows: self._all_constraints.hold(self._columns(rows)),
                n,
                rng,
                reach=reach,
            )
        )

    def fix(self, **values: int | bool) -> SearchSpace:
        """Return the members that have these values, such as ``space.fix(n_layers=12)``.

        Raises:
            InvalidInputError: An axis is unknown or has no such value.
        """
        if unknown := sorted(set(values) - set(AXES)):
            raise InvalidInputError(
                f"cannot fix {unknown}; axes are {list(AXES)}, anything else is a constraint"
            )
        for name, value in values.items():
            (wanted,), axis = read_axis(name, value, is_flag=name in _FLAGS), self._all_values[name]
            if wanted not in axis:
                nearest = axis[np.argsort(np.abs(axis - wanted), kind="stable")[:2]]
                raise InvalidInputError(
                    f"{name} = {value} is not on its axis; nearest are "
                    f"{sorted(nearest.astype(int).tolist())}"
                )
        return self.with_axes(**values)

    def where(self, *constraints: str) -> SearchSpace:
        """Return the same space with more constraints."""
        return replace(self, constraints=(*self.constraints, *constraints))

    def with_axes(self, **axes: Any) -> SearchSpace:
        """Return the same space with some axes replaced."""
        return replace(self, axes={**self.axes, **axes})

    # --- how ----------------------------------------------------------------------------------

    @cached_property
    def _all_constraints(self) -> Constraints:
        texts = ("n_heads % n_kv_heads == 0", *self.constraints)
        if self.tensor_parallel > 1:
            split = ("n_heads", "n_kv_heads", "d_ff")
            texts += tuple(f"{name} % {self.tensor_parallel} == 0" for name in split)
        return Constraints(texts, self.workload)

    @cached_property
    def _all_values(self) -> dict[str, np.ndarray]:
        given = {**_DEFAULT_AXES, **self.axes}
        return {name: read_axis(name, given[name], is_flag=name in _FLAGS) for name in AXES}

    @cached_property
    def _values(self) -> dict[str, np.ndarray]:
        """Axis values that survive the constraints which mention only that axis."""
        return self._all_constraints.narrowed(self._all_values)

    @cached_property
    def _cover(self) -> Cover:
        return self._refine(_COVER_SIZES[0], None)

    def _covers(self) -> Iterator[Cover]:
        current = self._cover
        yield current
        for size in _COVER_SIZES[1:]:
            current = self._refine(size, current)
            yield current

    def _refine(self, max_boxes: int, start: Cover | None) -> Cover:
        must = self._all_constraints
        mentions = must.mentions(self._all_values)
        return cover(self._values, must.judge, must.hold, mentions, max_boxes, start)

    def _draw(self, current: Cover, n_draws: int, rng: np.random.Generator) -> np.ndarray:
        drawn = current.draw(n_draws, rng)
        return drawn[self._all_constraints.hold(self._columns(drawn))]

    def _columns(self, members: np.ndarray) -> dict[str, np.ndarray]:
        return {name: axis[members[:, i]] for i, (name, axis) in enumerate(self._values.items())}

    def _candidates(self, members: np.ndarray) -> list[Candidate]:
        rows = zip(*(column.tolist() for column in self._columns(members).values()), strict=True)
        named: Iterator[dict[str, float]] = (dict(zip(AXES, row, strict=True)) for row in rows)
        return [Candidate(Architecture.from_numbers(row), int(row["n_tokens"])) for row in named]

    def _empty(self) -> EmptySpaceError:
        texts = self._all_constraints.texts
        clash = contradiction(texts[1:], self._is_proven_empty) or texts[:1]
        return EmptySpaceError(
            f"the space is empty because of {in_words(clash)}, or widen the axes {sorted(self.axes)}"
        )

    def _is_proven_empty(self, constraints: Sequence[str]) -> bool:
        part = replace(self, constraints=tuple(constraints), tensor_parallel=1)
        return any(not len(axis) for axis in part._values.values()) or not len(part._cover.first)


def _distinct(members: np.ndarray) -> np.ndarray:
    """Drop repeats, keeping the order in which members were first drawn."""
    _, first_seen = np.unique(members, axis=0, return_index=True)
    return members[np.sort(first_seen)]
