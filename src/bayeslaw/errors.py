"""Every exception of bayeslaw, in one tree.

    BayeslawError
    ├── InvalidInputError (ValueError)     what was given makes no sense; nothing was done
    │   ├── ExpressionError                a constraint or objective that cannot be read
    │   ├── EmptySpaceError                no architecture meets all constraints
    │   ├── RunTableError                  a row or column of a table is wrong
    │   └── NotEnoughRunsError             a law has fewer runs than it needs
    ├── UnavailableError (RuntimeError)    an optional part is not installed or not on this machine
    ├── UndecidedError (RuntimeError)      a search gave up before it could answer
    ├── StateError (RuntimeError)          a run or study is not in a state that allows this
    │   └── LeaseLostError                 the run is not this worker's (any more): stop working on it
    ├── AccessError (PermissionError)      no token, or one that may not do this
    ├── NotFoundError (LookupError)        no such run, study or suggestion
    └── LabError (RuntimeError)            training or timing failed, with the reason

``exit_code`` is what the command line returns for each: 2 for input, 3 for something missing,
4 for state, 5 for a failed run, 6 for "cannot tell".
"""

from __future__ import annotations


class BayeslawError(Exception):
    """Root of all errors that bayeslaw raises on purpose."""

    exit_code = 1


class InvalidInputError(BayeslawError, ValueError):
    """What was given makes no sense; nothing was done."""

    exit_code = 2


class ExpressionError(InvalidInputError):
    """A constraint or objective that cannot be read."""


class EmptySpaceError(InvalidInputError):
    """No architecture meets all constraints."""


class RunTableError(InvalidInputError):
    """A row or column of a table is wrong; the message names both."""


class NotEnoughRunsError(InvalidInputError):
    """A law has fewer finished runs than it needs."""


class UnavailableError(BayeslawError, RuntimeError):
    """An optional part is not installed or not on this machine."""

    exit_code = 3


class UndecidedError(BayeslawError, RuntimeError):
    """A search gave up before it could answer."""

    exit_code = 6


class StateError(BayeslawError, RuntimeError):
    """A run or study is not in a state that allows this."""

    exit_code = 4


class LeaseLostError(StateError):
    """The run is not this worker's (any more); it should stop working on it."""


class AccessError(BayeslawError, PermissionError):
    """No token, or one that may not do this."""

    exit_code = 3


class NotFoundError(BayeslawError, LookupError):
    """No such run, study or suggestion."""

    exit_code = 3


class LabError(BayeslawError, RuntimeError):
    """Training or timing failed, with the reason."""

    exit_code = 5
