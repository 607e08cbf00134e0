"""Progress of a study on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from bayeslaw.runs import Run


@contextmanager
def waiting(text: str, *, silent: bool) -> Iterator[None]:
    """Show on a terminal that something of unknown length goes on, and for how long it has."""
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=silent or not sys.stderr.isatty(),
    ) as progress:
        progress.add_task(text, total=None)
        yield


class StudyProgress:
    """Show steps as lines and each running job as a bar; silent when asked for JSON.

    Use it in a ``with`` block and hand it to a `Study` as ``notify``.
    """

    def __init__(self, *, silent: bool = False) -> None:
        self._progress = Progress(
            TextColumn("  {task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} {task.fields[unit]}"),
            TextColumn("{task.fields[loss]}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=silent,
        )
        self._bars: dict[str, TaskID] = {}
        self._silent = silent

    def __enter__(self) -> StudyProgress:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def __call__(self, kind: str, details: Mapping[str, Any]) -> None:
        """Hear of an event of a study."""
        if self._silent:
            return
        if kind == "step":
            self._progress.console.print(
                f"[bold]·[/bold] {escape(details['text'])}", highlight=False
            )
        elif kind == "progress" and details.get("n_steps"):
            self._show_bar(details)
        elif kind == "ended":
            self._show_ended(details["run"])

    def _show_bar(self, details: Mapping[str, Any]) -> None:
        run_id = details["run_id"]
        if run_id not in self._bars:
            self._bars[run_id] = self._progress.add_task(
                run_id, total=details["n_steps"], loss="", unit="steps"
            )
        loss = details.get("loss_nats")
        self._progress.update(
            self._bars[run_id],
            completed=details.get("step", 0),
            loss=f"{loss:.3f} nats/token" if loss is not None else "",
        )

    def _show_ended(self, run: Run) -> None:
        if (bar := self._bars.pop(run.run_id, None)) is not None:
            self._progress.remove_task(bar)
        seconds = 3600 * (run.cost_gpu_hours or 0)
        outcome = (
            f"{run.loss_nats:.4f} nats/token"
            if run.loss_nats is not None
            else f"[red]{escape(run.reason)}[/red]"
        )
        self._progress.console.print(
            f"    {run.run_id} {run.status}: {run.architecture}, {run.n_tokens:,} tokens, "
            f"{outcome}, {seconds:.0f} s",
            highlight=False,
        )


class SuiteProgress(StudyProgress):
    """Show a suite's trunks as `StudyProgress` shows runs, and above them how far it is."""

    _overall: TaskID | None = None

    def __call__(self, kind: str, details: Mapping[str, Any]) -> None:
        """Hear of an event of a suite."""
        if kind != "overall" or self._silent:
            super().__call__(kind, details)
            return
        if self._overall is None:
            self._overall = self._progress.add_task(
                "suite", total=details["of"], loss="", unit="trunks"
            )
        seconds_left = details["seconds_left"]
        self._progress.update(
            self._overall,
            completed=details["done"],
            loss="" if seconds_left is None else f"about {duration(seconds_left)} left",
        )


def duration(seconds: float) -> str:
    """Return a time as a person would say it.

    >>> duration(42), duration(600), duration(9000)
    ('42 s', '10 min', '2.5 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
