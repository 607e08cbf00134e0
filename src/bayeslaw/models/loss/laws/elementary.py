"""The logarithm and the exponential of a float or of any array, each in its own namespace."""

from __future__ import annotations

import math

from array_api_compat import array_namespace

from bayeslaw.models.loss.laws.coefficient import Array


def log(value: Array) -> Array:
    """Return the natural logarithm.

    >>> log(1.0)
    0.0
    """
    return (math if isinstance(value, int | float) else array_namespace(value)).log(value)


def exp(value: Array) -> Array:
    """Return the exponential.

    >>> exp(0)
    1.0
    """
    return (math if isinstance(value, int | float) else array_namespace(value)).exp(value)
