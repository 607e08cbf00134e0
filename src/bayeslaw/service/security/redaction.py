"""Logs without secrets."""

from __future__ import annotations

import logging

from bayeslaw.service.tokens.secret import redacted


class RedactingFormatter(logging.Formatter):
    """Format a record, then make every token in it unreadable, in tracebacks too."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line to write."""
        return redacted(super().format(record))
