"""One axis of a search space: the values a field may take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bayeslaw.errors import InvalidInputError

MAX_VALUES = 1_000_000


def read_axis(name: str, spec: Any, *, is_flag: bool = False) -> np.ndarray:
    """Return an axis's values, ascending and distinct, float64, shape ``(value,)``.

    Args:
        name: Of the axis, for messages.
        spec: A value, a list of choices, or a range ``{"min", "max", "step"}`` (ends included).
        is_flag: Whether values must be true or false.

    Raises:
        InvalidInputError: The specification holds something else.

    >>> read_axis("d_model", {"min": 64, "max": 256, "step": 64}).tolist()
    [64.0, 128.0, 192.0, 256.0]
    """
    if isinstance(spec, Mapping):
        values = _range(name, spec)
    elif isinstance(spec, Sequence) and not isinstance(spec, str):
        values = np.array([_number(name, value, is_flag) for value in spec])
    else:
        values = np.array([_number(name, spec, is_flag)])
    if not len(values):
        raise InvalidInputError(f"axis {name!r} has no values")
    if len(values) > MAX_VALUES:
        raise InvalidInputError(f"axis {name!r} has {len(values)} values, at most {MAX_VALUES} fit")
    return np.unique(values)


def _range(name: str, spec: Mapping[str, Any]) -> np.ndarray:
    if set(spec) != {"min", "max", "step"}:
        raise InvalidInputError(
            f"axis {name!r}: a range has exactly min, max and step, got {sorted(spec)}"
        )
    low, high, step = (_number(name, spec[key], False) for key in ("min", "max", "step"))
    if low > high:
        raise InvalidInputError(f"axis {name!r}: min {low:g} is above max {high:g}")
    n_values = int((high - low) // step) + 1
    if n_values > MAX_VALUES:
        raise InvalidInputError(f"axis {name!r} has {n_values} values, at most {MAX_VALUES} fit")
    return low + step * np.arange(n_values)


def _number(name: str, value: Any, is_flag: bool) -> float:
    if is_flag:
        if not isinstance(value, bool):
            raise InvalidInputError(f"axis {name!r} takes true or false, got {value!r}")
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInputError(f"axis {name!r} takes numbers, got {value!r}")
    if value < 1 or value != int(value):
        raise InvalidInputError(f"axis {name!r} takes whole numbers of at least 1, got {value!r}")
    return float(value)
