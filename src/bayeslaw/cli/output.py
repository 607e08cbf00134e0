"""What people and programs see: tables, notes, JSON and errors."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

WIDTH = 100
"""Columns of a line where standard output is no terminal; every table fits into it."""


def console() -> Console:
    """Return a console on standard output."""
    return Console() if sys.stdout.isatty() else Console(width=WIDTH)


def print_json(content: Any) -> None:
    """Print JSON; a number that is not finite is an error of ours, not silence."""
    sys.stdout.write(json.dumps(content, indent=2, allow_nan=False) + "\n")


def print_error(error: Exception, *, as_json: bool) -> None:
    """Print an error, as JSON on standard output or for people on standard error."""
    # Wrong usage keeps its words in an exception that does not print itself.
    message = error.format_message() if hasattr(error, "format_message") else str(error)  # pyright: ignore[reportAttributeAccessIssue]
    if as_json:
        print_json({"error": {"type": type(error).__name__, "message": message}})
    else:
        # A log is searched for words, so nothing is broken into lines there.
        Console(stderr=True).print(
            Text.assemble((type(error).__name__, "bold red"), f": {message}"),
            highlight=False,
            soft_wrap=not sys.stderr.isatty(),
        )


def print_table(
    title: str, headers: Sequence[str], rows: Iterable[Sequence[Any]], *, left: int = 1
) -> None:
    """Print a table; the first ``left`` columns are text, the others numbers."""
    console().print(title, style="bold", markup=False, highlight=False)
    table = Table(
        box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True, header_style=""
    )
    for i, header in enumerate(headers):
        justify = "left" if i < left else "right"
        table.add_column(escape(header), justify=justify, overflow="fold", no_wrap=i == 0)
    for row in rows:
        table.add_row(*(escape(number(cell)) for cell in row))
    console().print(table)


def print_notes(notes: Iterable[Any]) -> None:
    """Print coded notes as a table, worst first."""
    colours = {"error": "red", "warning": "yellow", "info": "cyan"}
    table = Table(box=None, show_header=False, pad_edge=False)
    for column in ("severity", "code", "message"):
        table.add_column(column, no_wrap=column != "message")
    for note in sorted(notes, key=lambda note: list(colours).index(note.severity)):
        severity = Text(note.severity, style=colours[note.severity])
        table.add_row(severity, Text(note.code, style="bold"), Text(note.message))
    if table.rows:
        console().print(table)


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


def interval(quantiles: dict[str, float] | None) -> str:
    """Return ``p50 [p05, p95]``, or a dash where nothing is believed."""
    if quantiles is None:
        return "-"
    middle, *ends = (number(float(quantiles[key])) for key in ("p50", "p05", "p95"))
    return f"{middle} [{ends[0]}, {ends[1]}]"


def stacked(quantiles: dict[str, float] | None) -> str:
    """Return an `interval` on two lines, for a table of many columns."""
    return interval(quantiles).replace(" [", "\n[")
