"""Every executor, by name; each is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from pydantic import ValidationError

from bayeslaw.errors import InvalidInputError
from bayeslaw.executors.options import ExecutorKind, ExecutorOptions

EXECUTORS: Mapping[str, str] = {
    "local": "bayeslaw.executors.local:LOCAL",
    "slurm": "bayeslaw.executors.slurm:SLURM",
    "ray": "bayeslaw.executors.ray:RAY",
}
"""Where each executor's `ExecutorKind` is; the first is the default."""


def find_executor(name: str) -> ExecutorKind:
    """Return a kind of executor, or say which there are.

    >>> find_executor("slum")
    Traceback (most recent call last):
    bayeslaw.errors.InvalidInputError: executor must be one of ['local', 'slurm', 'ray'], got 'slum'
    """
    if name not in EXECUTORS:
        raise InvalidInputError(f"executor must be one of {list(EXECUTORS)}, got {name!r}")
    module, _, constant = EXECUTORS[name].partition(":")
    return getattr(import_module(module), constant)


def read_options(name: str, given: Mapping[str, Any]) -> ExecutorOptions:
    """Check the options of an executor, or say which it has and what is wrong.

    >>> read_options("local", {"partition": "gpu"})
    Traceback (most recent call last):
    bayeslaw.errors.InvalidInputError: executor 'local' has no option 'partition'; it has ['gpus', 'max_requeues']
    """
    kind = find_executor(name).options
    if unknown := [word for word in given if word not in kind.model_fields]:
        raise InvalidInputError(
            f"executor {name!r} has no option {unknown[0]!r}; it has {sorted(kind.model_fields)}"
        )
    try:
        return kind.model_validate(dict(given))
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, issue['loc']))}: {issue['msg']}" for issue in error.errors()]
        raise InvalidInputError(f"executor {name!r}: " + "; ".join(lines)) from error
