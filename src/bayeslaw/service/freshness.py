"""Whether something that was computed knows of every result."""

from __future__ import annotations

from bayeslaw.store import Reader

EVIDENCE = ("run_done", "run_failed", "run_superseded", "measurement_added")
"""Events from which a plan or a posterior would learn."""


def is_current(reader: Reader, study_id: str, based_on_seq: int) -> bool:
    """Whether nothing to learn from came after an event."""
    return not reader.has_events(study_id, since=based_on_seq, kinds=EVIDENCE)
