"""What the planner was at when it died, so that one bad study does not kill it for ever."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MOST_DEATHS = 2
"""Deaths over one piece of work after which it is left alone [count]."""


class Attempts:
    """Count deaths of the process by what it was at, in a small file.

    Only a death that could not be helped counts: whoever ends in good order leaves nothing behind.

    Args:
        path: Of the file; its folder is there.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "at-work.json"
    >>> with Attempts(path).at("plan demo"):
    ...     Attempts(path).n_deaths("plan demo")  # what a process finds that starts after a death
    1
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._deaths: dict[str, int] = {}
        try:
            found = json.loads(path.read_text())
            self._deaths = dict(found["deaths"])
            if work := found["at"]:
                self._deaths[work] = self._deaths.get(work, 0) + 1
        except (OSError, ValueError, KeyError, TypeError):
            # There is none, or it was cut short by a full disk: then nothing is known.
            pass
        self._write("")

    def n_deaths(self, work: str) -> int:
        """Return how often the process died over that [count]."""
        return self._deaths.get(work, 0)

    @contextmanager
    def at(self, work: str) -> Iterator[None]:
        """Note what is worked at until the block is left, in whatever way but death."""
        self._write(work)
        try:
            yield
        finally:
            self.leave()
        self._deaths.pop(work, None)

    def leave(self) -> None:
        """Note that the process ends, or goes on, in good order."""
        self._write("")

    def _write(self, work: str) -> None:
        self._path.write_text(json.dumps({"at": work, "deaths": self._deaths}))
