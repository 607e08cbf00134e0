"""Wait for what the planner was asked to work out."""

from __future__ import annotations

import time
from urllib.parse import quote

from bayeslaw.client.problems import error_of_problem
from bayeslaw.client.transport import Transport
from bayeslaw.client.types import OperationDocument

LONGEST_WAIT_S = 60.0
"""A server holds one question open for no longer than this [s]."""


def wait_for_operation(transport: Transport, operation_id: str, wait_s: float) -> OperationDocument:
    """Ask until the operation has ended or the time is over, and return it as it then stands.

    Raises:
        BayeslawError: The operation failed; the error says how.
    """
    deadline = time.monotonic() + wait_s
    while True:
        asked_s = min(max(0.0, deadline - time.monotonic()), LONGEST_WAIT_S)
        answer = transport.call(
            "GET",
            f"v1/operations/{quote(operation_id, safe='')}",
            params={"wait_s": asked_s},
            wait_s=asked_s,
        )
        operation = OperationDocument.read(answer.content)
        if operation.status == "failed":
            raise error_of_problem(operation.error or {})
        if operation.status == "done" or time.monotonic() >= deadline:
            return operation
