"""Looking for members of a space, in a process of its own that can be ended.

Constraints come from anybody, and looking for a member can take minutes and gigabytes where there
is hardly one, so neither the event loop nor a thread of the service should do it.
``python -m bayeslaw.service.space_check`` reads a question from its standard input and writes the
answer to its standard output; both are JSON. It loads no FastAPI, for it starts anew each time.
"""

from __future__ import annotations

import json
import math
import resource
import sys
from collections.abc import Callable, Mapping
from typing import Any

from bayeslaw.errors import BayeslawError
from bayeslaw.space import SearchSpace, Workload
from bayeslaw.study.config import StudyConfig

MAX_MEMORY_BYTES = 4 * 2**30
MAX_CPU_S = 10
_EXAMPLES = 3


def check(question: Mapping[str, Any]) -> dict[str, Any]:
    """Say whether a study could be made of a config or a space, and show members.

    Args:
        question: ``{"config": ...}`` or ``{"space": {"axes", "constraints", "tensor_parallel",
            "workload"}}``.

    >>> axes = dict(n_layers=[2, 4], d_model=64, n_heads=2, n_kv_heads=[1, 2], head_dim=32,
    ...             d_ff=128, vocab_size=257, n_tokens=1_000_000)
    >>> answer = check({"space": {"axes": axes}})
    >>> answer["is_valid"], answer["n_members"]["estimate"], len(answer["examples"])
    (True, 4.0, 3)
    """
    problems: list[dict[str, str]] = []

    def tried(part: str, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except (BayeslawError, ArithmeticError, TypeError, ValueError) as error:
            problems.append({"part": part, "detail": str(error) or type(error).__name__})
            return None

    if question.get("config") is not None:
        config = tried("config", lambda: StudyConfig.from_dict(question["config"], source="config"))
        spaces = {
            "training": config and config.training_space,
            "target": config and config.target_space,
        }
    else:
        spaces = {"space": tried("space", lambda: _space(question["space"]))}
    members, examples = None, []
    for part, space in spaces.items():
        if space is None:
            continue
        found = tried(part, lambda space=space: space.sample(_EXAMPLES))
        if found and not examples:
            count = tried(part, space.count)
            examples = [candidate.architecture.to_dict() for candidate in found]
            members = count and {
                name: _number(getattr(count, name)) for name in ("low", "high", "estimate")
            }
    return {
        "is_valid": not problems,
        "problems": problems,
        "n_members": members,
        "examples": examples,
    }


def _space(said: Mapping[str, Any]) -> SearchSpace:
    workload = said.get("workload")
    return SearchSpace(
        axes=said["axes"],
        constraints=tuple(said.get("constraints", ())),
        workload=None if workload is None else Workload.from_dict(workload),
        tensor_parallel=said.get("tensor_parallel", 1),
    )


def _number(count: float) -> float:
    """Return a count that may be beyond what a float holds."""
    try:
        return float(count)
    except OverflowError:
        return math.nextafter(math.inf, 0)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_S, MAX_CPU_S))
    print(json.dumps(check(json.load(sys.stdin)), allow_nan=False))
