"""Time given networks in this process, with a bar. Loads torch."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from bayeslaw.cli.progress import duration
from bayeslaw.lab.inference import Case, TimingOptions, time_cases
from bayeslaw.runs import Measurement
from bayeslaw.space import Workload, from_huggingface


def time_configs(
    paths: Sequence[Path],
    batch_sizes: Sequence[int],
    prompt_tokens: Sequence[int],
    output_tokens: int,
    precision: str,
    options: TimingOptions,
    json_lines: Path | None,
    *,
    silent: bool,
) -> list[Measurement]:
    """Time the networks of several ``config.json`` files, with random weights, in every workload.

    With a file of JSON lines it goes on where that file ends, and repeats the first case as an
    anchor. Returned are the cases in their order, each as it was timed last, without anchors.
    """
    architectures = [from_huggingface(path) for path in paths]
    workloads = [
        Workload(
            batch_size=batch,
            prompt_tokens=prompt,
            output_tokens=output_tokens,
            precision=precision,
        )
        for batch, prompt in product(batch_sizes, prompt_tokens)
    ]
    cases = [Case(a, w) for a, w in product(architectures, workloads)]
    with ExitStack() as stack:
        path = json_lines
        if path is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bayeslaw-"))
            path = Path(folder) / "measurements.jsonl"
        progress = stack.enter_context(TimingProgress(silent=silent))
        found = time_cases(
            cases,
            path,
            device=options.device,
            attention=options.attention,
            threads=options.threads,
            graphs=options.graphs,
            compiled=options.compiled,
            min_repeats=options.min_repeats,
            anchor=cases[0] if json_lines is not None else None,
            notify=progress,
        )
    last = {(m.architecture, m.workload): m for m in found}
    return [last[case.architecture, case.workload] for case in dict.fromkeys(cases)]


class TimingProgress:
    """Show on a terminal how many cases are timed; silent when asked for JSON.

    Use it in a ``with`` block and hand it to `time_cases` as ``notify``.
    """

    def __init__(self, *, silent: bool = False) -> None:
        self._progress = Progress(
            TextColumn("  timing"),
            BarColumn(bar_width=30),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} cases"),
            TextColumn("{task.fields[left]}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=silent,
        )
        self._bar = self._progress.add_task("timing", total=None, left="", visible=False)

    def __enter__(self) -> TimingProgress:
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
        """Hear of an event of `time_cases`."""
        if kind == "notice":
            self._progress.console.print(escape(details["text"]), highlight=False)
        elif kind == "overall":
            self._progress.update(
                self._bar,
                completed=details["done"],
                total=details["of"],
                left=f"about {duration(details['seconds_left'])} left",
                visible=True,
            )
