"""What people and programs see: tables, notes, JSON and errors."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bayeslaw.errors import BayeslawError


def console() -> Console:
    """Return a console on standard output; into a file or pipe, lines are wide enough for tables."""
    return Console() if sys.stdout.isatty() else Console(width=140)


def print_json(content: Any) -> None:
    """Print JSON; a number that is not finite is an error of ours, not silence."""
    sys.stdout.write(json.dumps(content, indent=2, allow_nan=False) + "\n")


def print_error(error: BayeslawError, *, as_json: bool) -> None:
    """Print an error, as JSON on standard output or for people on standard error."""
    if as_json:
        print_json({"error": {"type": type(error).__name__, "message": str(error)}})
    else:
        stderr = Console(stderr=True)
        stderr.print(f"[bold red]{type(error).__name__}[/bold red]: ", end="")
        stderr.print(str(error), markup=False, highlight=False)


def print_table(
    title: str, headers: Sequence[str], rows: Iterable[Sequence[Any]], *, left: int = 1
) -> None:
    """Print a table; the first ``left`` columns are text, the others numbers."""
    table = Table(title=escape(title), title_justify="left", title_style="bold")
    for i, header in enumerate(headers):
        table.add_column(escape(header), justify="left" if i < left else "right", overflow="fold")
    for row in rows:
        table.add_row(*(escape(number(cell)) for cell in row))
    console().print(table)


def print_notes(notes: Iterable[Any]) -> None:
    """Print coded notes, worst first."""
    colours = {"error": "red", "warning": "yellow", "info": "cyan"}
    for note in sorted(notes, key=lambda note: list(colours).index(note.severity)):
        colour = colours[note.severity]
        console().print(f"[{colour}]{note.severity} {note.code}[/{colour}]", end=" ")
        console().print(note.message, markup=False, highlight=False)


def number(value: Any) -> str:
    """Return a number as a person would write it, and text as it is.

    >>> number(1235814400), number(0.0123456), number(None), number("r1")
    ('1,235,814,400', '0.01235', '-', 'r1')
    """
    if value is None:
        return "-"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or (value == round(value) and abs(value) >= 1000):
        return f"{round(value):,}" if abs(value) < 1e15 else f"{value:.3g}"
    return f"{value:.4g}"


def interval(quantiles: dict[str, float] | None, low: str = "p05", high: str = "p95") -> str:
    """Return ``p50 [p05, p95]``, or a dash where nothing is believed."""
    if quantiles is None:
        return "-"
    middle, *ends = (number(float(quantiles[key])) for key in ("p50", low, high))
    return f"{middle} [{ends[0]}, {ends[1]}]"
