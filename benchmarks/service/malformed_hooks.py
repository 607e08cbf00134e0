"""What schemathesis is told about the service; loaded by its own process (SCHEMATHESIS_HOOKS).

Random names would all be answered 404, and random waits would be waited for.
"""

from __future__ import annotations

import os
import random
from typing import Any

import schemathesis

_KNOWN = {
    "study_id": os.environ.get("BAYESLAW_STUDY", ""),
    "run_id": os.environ.get("BAYESLAW_RUN", ""),
}
_KNOWN_SHARE = 0.8
_chance = random.Random(0)


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: dict[str, Any] | None) -> Any:
    """Name a study and a run that exist, most of the time."""
    for name, value in _KNOWN.items():
        if path_parameters and name in path_parameters and _chance.random() < _KNOWN_SHARE:
            path_parameters[name] = value
    return path_parameters


@schemathesis.hook
def map_query(context: Any, query: Any) -> Any:
    """Wait for nothing."""
    return _without_wait(query)


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """Wait for nothing."""
    return _without_wait(body)


def _without_wait(values: Any) -> Any:
    # Longer waits only: what is no number stays as it is.
    if isinstance(values, dict):
        wait_s = values.get("wait_s")
        if isinstance(wait_s, int | float) and not isinstance(wait_s, bool) and wait_s > 0.1:
            return {**values, "wait_s": 0.1}
        if isinstance(wait_s, str) and wait_s.replace(".", "", 1).isdigit():
            return {**values, "wait_s": "0.1"}
    return values
