"""How long a call that met a closed door is tried again, and when."""

from __future__ import annotations

import email.utils
import random
import time
from dataclasses import dataclass

TRANSIENT = frozenset({408, 429, 502, 503, 504})
"""Statuses worth another try: too slow, too many, not ready, and a proxy before a dead server."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Wait a random time that grows, as long as patience lasts.

    The wait is "full jitter": anything from nothing to a ceiling that doubles, so that two
    hundred workers that lost one server do not come back in one instant.

    Attributes:
        patience_s: How long after the first failure a call is still tried again [s]. A worker that
            trained for a day wants minutes; a person at a terminal wants seconds.
        first_wait_s: Ceiling of the first wait [s].
        longest_wait_s: Ceiling of every wait [s].
    """

    patience_s: float = 300.0
    first_wait_s: float = 0.2
    longest_wait_s: float = 20.0

    def wait_s(self, n_failures: int, retry_after_s: float = 0.0) -> float:
        """Return how long to wait after so many failures [s].

        What the server asked for by ``Retry-After`` is kept; the jitter comes on top.

        >>> policy = RetryPolicy(first_wait_s=1.0, longest_wait_s=8.0)
        >>> all(0 <= policy.wait_s(3) <= 4.0 for _ in range(100))
        True
        >>> all(30.0 <= policy.wait_s(9, retry_after_s=30.0) <= 38.0 for _ in range(100))
        True
        """
        # A float's exponent ends at 1,023; a ceiling is reached long before.
        ceiling_s = min(self.longest_wait_s, self.first_wait_s * 2.0 ** min(n_failures - 1, 60))
        return retry_after_s + random.uniform(0.0, ceiling_s)


def retry_after_s(header: str | None) -> float:
    """Read a ``Retry-After`` header, in seconds or as a date [s]; nothing readable is 0.

    >>> retry_after_s("7"), retry_after_s(None), retry_after_s("Sat, 01 Jan 2000 00:00:00 GMT")
    (7.0, 0.0, 0.0)
    """
    if not header:
        return 0.0
    if header.strip().isdigit():
        return float(header)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except ValueError:
        return 0.0
