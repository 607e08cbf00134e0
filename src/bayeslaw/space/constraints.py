"""What every member of a space must meet, ready to be asked of numbers, columns and intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.space.expression import Expression
from bayeslaw.space.interval import Interval, Truth
from bayeslaw.space.quantities import AXES, quantity
from bayeslaw.space.workload import Workload


@dataclass(frozen=True)
class Constraints:
    """Hold comparisons over axes and what follows from them.

    Attributes:
        texts: Such as ``n_params <= 1e9``.
        workload: What ``memory_gb`` refers to.

    >>> must = Constraints(("d_model <= 64", "n_heads % n_kv_heads == 0"))
    >>> columns = {name: np.array([4.0, 4.0]) for name in ("n_heads", "n_kv_heads")}
    >>> must.hold({**columns, "d_model": np.array([64.0, 128.0])}).tolist()
    [True, False]
    """

    texts: tuple[str, ...]
    workload: Workload | None = None

    @cached_property
    def expressions(self) -> tuple[Expression, ...]:
        """All of them, parsed.

        Raises:
            InvalidInputError: One does not compare.
        """
        parsed = tuple(Expression(text) for text in self.texts)
        for expression in parsed:
            if not expression.is_comparison:
                raise InvalidInputError(
                    f"constraint {expression.text!r} must compare, such as 'n_params <= 1e9'"
                )
        return parsed

    def hold(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Say which rows meet all, ``(row,)``, from axis values ``(row,)`` by name."""
        n_rows = len(next(iter(columns.values())))
        found = np.ones(n_rows, dtype=bool)
        for holds in self._each(columns):
            found &= holds
        return found

    def broken(self, columns: Mapping[str, np.ndarray]) -> list[str]:
        """Return the texts of those that some row breaks."""
        each = zip(self.texts, self._each(columns), strict=True)
        return [text for text, holds in each if not holds.all()]

    def judge(self, axes: Mapping[str, Interval]) -> list[Truth]:
        """Say of each whether it holds everywhere, nowhere or somewhere in a box."""
        return list(self._each(axes))

    def narrowed(self, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return axis values that survive the constraints which mention only that axis."""
        kept = dict(values)
        for expression in self.expressions:
            if len(expression.names) == 1 and (name := next(iter(expression.names))) in kept:
                holds = np.broadcast_to(expression.evaluate(kept), kept[name].shape)
                kept[name] = kept[name][holds]
        return kept

    def mentions(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Say which axes each constraint reads, ``(constraint, axis)``, from any axis values."""
        table = np.zeros((len(self.texts), len(AXES)), dtype=bool)
        point = {name: axis[:1] for name, axis in values.items()}
        for row, expression in enumerate(self.expressions):
            recorder = _Recorder(point)
            for name in expression.names:
                quantity(name, recorder, self.workload)
            table[row] = [name in recorder.asked for name in AXES]
        return table

    def _each(self, axes: Mapping[str, Any]) -> Iterator[Any]:
        for expression in self.expressions:
            names = expression.names
            yield expression.evaluate({n: quantity(n, axes, self.workload) for n in names})


class _Recorder(dict[str, Any]):
    """Axis values that remember which of them were read."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.asked.add(name)
        return super().__getitem__(name)
