"""What follows from a row's shape and load: passes, and the work of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.runs.latency.columns import LABELS, LOAD, MEASURED, SHAPE
from bayeslaw.space import BYTES_PER_VALUE, Work, decode_work, prefill_work

FLAGS = ("gated_mlp", "qk_norm", "post_norm")
"""Of an architecture: counted with, and not kept."""

_UNKNOWN = {
    "repeat_sd": np.nan,
    "n_repeats": 1.0,
    "out_of_memory": 0.0,
    "memory_bytes": np.nan,
    "n_devices": 1.0,
}
_NO_LABEL = {"model": "", "engine_version": "", "session": ""}


def fill_labels(labels: Mapping[str, str | Sequence[str]], n_rows: int) -> dict[str, tuple]:
    """Return every label as a tuple; a single word is every row's, one that is absent is empty."""
    filled = {**_NO_LABEL, **labels}
    if missing := sorted(set(LABELS) - set(filled)):
        raise InvalidInputError(f"a latency table needs the label(s) {missing}")
    return {
        name: (words,) * n_rows if isinstance(words, str) else tuple(words)
        for name, words in filled.items()
    }


def fill_columns(
    given: Mapping[str, np.ndarray | float],
    labels: Mapping[str, Sequence[str]],
    *,
    causal: bool | np.ndarray,
    all_logits: bool | np.ndarray | None,
) -> dict[str, np.ndarray]:
    """Return all columns, those that were not given counted from the shape.

    Args:
        given: Shape, load and measured columns; a number is every row's. ``gated_mlp`` (1 when
            absent), ``qk_norm`` and ``post_norm`` (0) are counted with, and not kept. Work columns
            that are given stand: for networks that `bayeslaw.space.prefill_work` cannot count.
        labels: Filled (`fill_labels`).
        causal: Whether tokens attend to those before them alone, ``()`` or ``(row,)``.
        all_logits: Whether the head runs on every position; None: in a ``forward_ms`` alone.
    """
    n_rows = len(labels["model"])
    columns = {name: np.asarray(values, dtype=np.float64) for name, values in given.items()}
    measured = bool(set(MEASURED) & set(columns))
    for name, value in _UNKNOWN.items():
        if name in LOAD or measured:
            columns.setdefault(name, np.asarray(value))
    if missing := sorted({*SHAPE, *LOAD} - set(columns)):
        raise InvalidInputError(f"a latency table needs the column(s) {missing}")
    if measured and "latency_ms" not in columns:
        raise InvalidInputError("a table of measurements needs the column 'latency_ms'")
    flags = {name: columns.pop(name) for name in FLAGS if name in columns}
    for name, values in columns.items():
        if values.shape not in ((), (n_rows,)):
            raise InvalidInputError(
                f"column {name!r} has shape {values.shape}, the labels have {n_rows} rows"
            )
    columns = _count(columns, flags, labels, causal, all_logits) | columns
    return {
        name: np.broadcast_to(np.ravel(values) if np.size(values) == 1 else values, (n_rows,))
        for name, values in columns.items()
    }


def _count(
    columns: Mapping[str, np.ndarray],
    flags: Mapping[str, np.ndarray],
    labels: Mapping[str, Sequence[str]],
    causal: bool | np.ndarray,
    all_logits: bool | np.ndarray | None,
) -> dict[str, np.ndarray]:
    """Return `WORK`, counted; each ``(row,)``, or of one row where all rows are the same."""
    figure = _once(labels["figure"])
    width = np.array([float(BYTES_PER_VALUE.get(word, 0)) for word in _once(labels["precision"])])
    shape = {name: columns[name] for name in SHAPE} | dict(flags)
    batch_size, prompt = columns["batch_size"], columns["prompt_tokens"]
    output = columns["output_tokens"]

    scores_all = figure == "forward_ms" if all_logits is None else np.atleast_1d(all_logits)

    def prefill(of_all: bool) -> Work:
        return _chosen(
            np.atleast_1d(causal),
            lambda is_causal: prefill_work(
                shape, batch_size, prompt, width, all_logits=of_all, causal=is_causal
            ),
        )

    phases = {
        "prefill": _chosen(scores_all, prefill),
        "decode": decode_work(shape, batch_size, prompt + output / 2, width),
    }
    decode_passes = np.where(figure == "e2el_ms", output - 1, 0.0)
    return {
        "prefill_passes": np.where(figure == "tpot_ms", 0.0, 1.0),
        "decode_passes": np.where(figure == "tpot_ms", 1.0, decode_passes),
        **{
            f"{phase}_{kind.name}": getattr(work, kind.name)
            for phase, work in phases.items()
            for kind in fields(work)
        },
    }


def _once(words: Sequence[str]) -> np.ndarray:
    """Return the words, ``(row,)``, or ``(1,)`` where there is but one."""
    return np.array(words[:1] if len(set(words)) == 1 else words)


def _chosen(flags: np.ndarray, count: Callable[[bool], Work]) -> Work:
    """Return the work with a flag on or off, row by row; counted twice only where rows differ."""
    if flags.all() or not flags.any():
        return count(bool(flags.all()))
    on, off = count(True), count(False)
    return Work(
        *(np.where(flags, getattr(on, kind.name), getattr(off, kind.name)) for kind in fields(on))
    )
