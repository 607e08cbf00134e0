"""The door of a latency table: every complaint names a row and a column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.runs.latency.columns import (
    EXTRAS,
    FIGURES,
    LABELS,
    LATENCY_COLUMNS,
    LOAD,
    MEASURED,
    SHAPE,
    WORK,
)
from bayeslaw.space import BYTES_PER_VALUE

# Two rows of one case that differ by more than this were not measured on the same thing.
SAME_CASE_RATIO = 2.0
OTHER_SESSION_RATIO = 8.0
SHARED_DEVICES = ("cpu", "local", " thread", " threads")
"""How names of processors end, which others use too; the lab's name the threads it was given."""

Columns = Mapping[str, np.ndarray]
Labels = Mapping[str, Sequence[str]]


def describe_row(columns: Columns, labels: Labels, row: int) -> str:
    """Name a row by what it is, for a message."""
    said = {name: labels[name][row] for name in LABELS}
    load = {name: f"{columns[name][row]:g}" for name in LOAD}
    parallel = f" x {load['n_devices']}" if columns["n_devices"][row] != 1 else ""
    return (
        f"row {row} ({said['model'] or 'unnamed'}, {said['figure']}, {said['device']}{parallel}, "
        f"{' '.join(filter(None, (said['engine'], said['engine_version'])))}, {said['precision']}, "
        f"batch {load['batch_size']}, {load['prompt_tokens']} + {load['output_tokens']} tokens)"
    )


def check_columns(columns: Columns, labels: Labels) -> dict[str, np.ndarray]:
    """Return the columns as float64, or raise `InvalidInputError`.

    A table either measured (it has all of `MEASURED`) or asks (it has none).
    """
    _check_labels(labels)
    n_rows = len(labels["model"])
    if not n_rows:
        raise InvalidInputError("the latency table has no rows")
    required = {*LOAD, *SHAPE, *WORK}
    if given := set(MEASURED) & set(columns):
        required |= set(MEASURED)
    if missing := sorted(required - set(columns)):
        raise InvalidInputError(
            f"the latency table lacks column(s) {missing}; build it with LatencyTable.from_columns "
            f"or a reader, which fill in what follows from the shape"
        )
    floats: dict[str, np.ndarray] = {}
    for name, values in columns.items():
        array = np.asarray(values)
        if array.shape != (n_rows,):
            raise InvalidInputError(
                f"column {name!r} has shape {array.shape}, the labels have {n_rows} rows"
            )
        try:
            floats[name] = array.astype(np.float64, copy=False)
        except (TypeError, ValueError) as error:
            raise InvalidInputError(f"column {name!r} is not of numbers: {error}") from error
    for name, wrong, expected in _complaints(floats, bool(given)):
        if wrong.any():
            row = int(np.argmax(wrong))
            unit = f" [{LATENCY_COLUMNS[name].unit}]" if name in LATENCY_COLUMNS else ""
            raise InvalidInputError(
                f"{describe_row(floats, labels, row)}, column {name!r}: "
                f"{floats[name][row]:g} must be {expected}{unit}"
            )
    return floats


def _complaints(
    columns: Mapping[str, np.ndarray], measured: bool
) -> Iterator[tuple[str, np.ndarray, str]]:
    """Yield each rule: the column, where it is broken, and what was expected."""
    for name in (*LOAD, *SHAPE):
        yield name, ~(np.isfinite(columns[name]) & (columns[name] >= 1)), "finite and at least 1"
    for name in WORK:
        yield name, ~(np.isfinite(columns[name]) & (columns[name] >= 0)), "finite and not negative"
    for name in set(columns) - {*LOAD, *SHAPE, *WORK, *MEASURED}:
        yield name, ~np.isfinite(columns[name]), "a finite number"
    for name, column in EXTRAS.items():
        if name in columns and column.unit == "0 or 1":
            yield name, ~np.isin(columns[name], (0, 1)), "0 or 1"
    if not measured:
        return
    fits = columns["out_of_memory"] == 0
    yield "out_of_memory", ~np.isin(columns["out_of_memory"], (0, 1)), "0 or 1"
    latency = columns["latency_ms"]
    yield "latency_ms", fits & ~(np.isfinite(latency) & (latency > 0)), "finite and positive"
    yield "latency_ms", ~fits & ~np.isnan(latency), "NaN where out_of_memory is 1"
    for name in ("repeat_sd", "memory_bytes"):
        known = ~np.isnan(columns[name])
        yield (
            name,
            known & ~((columns[name] >= 0) & np.isfinite(columns[name])),
            "not negative, or NaN when unknown",
        )
    repeats = columns["n_repeats"]
    yield "n_repeats", fits & ~(np.isfinite(repeats) & (repeats >= 1)), "at least 1"
    yield "n_repeats", ~(np.isfinite(repeats) & (repeats >= 0)), "not negative"


def _check_labels(labels: Labels) -> None:
    if set(labels) != set(LABELS):
        raise InvalidInputError(
            f"a latency table's labels are {sorted(LABELS)}, got {sorted(labels)}"
        )
    if len(lengths := {len(values) for values in labels.values()}) > 1:
        raise InvalidInputError(f"labels must have one length, got {sorted(lengths)}")
    for name, allowed in (("figure", FIGURES), ("precision", BYTES_PER_VALUE)):
        if unknown := set(labels[name]) - set(allowed):
            word = sorted(map(str, unknown))[0]
            row = list(labels[name]).index(next(iter(unknown)))
            raise InvalidInputError(
                f"row {row}, label {name!r}: {word!r} is none of {sorted(allowed)}"
            )
    for name in ("device", "engine"):
        if "" in set(labels[name]):
            row = list(labels[name]).index("")
            raise InvalidInputError(f"row {row}, label {name!r} is empty; name it")


def check_one_device_a_name(columns: Columns, labels: Labels) -> None:
    """Refuse two rows of one case, on one device by name, that are too far apart.

    Twice is too far; on a CPU eight times between two sessions that the table names: others use such a
    machine too, a later session may well be a few times slower, and how much is learnt.

    Raises:
        InvalidInputError: Naming both rows.
    """
    rows = np.flatnonzero(columns["out_of_memory"] == 0)
    keys = [columns[name][rows] for name in columns if name not in MEASURED]
    keys += [
        np.unique(np.array(labels[name])[rows], return_inverse=True)[1]
        for name in LABELS
        if name != "session" and len(set(labels[name])) > 1
    ]
    keys = [key for key in keys if len(key) and (key != key[0]).any()]
    log_latency = np.log(columns["latency_ms"][rows])
    order = np.lexsort([log_latency, *keys])  # one case together, fastest first
    starts = np.zeros(len(order), bool)
    starts[:1] = True
    for key in keys:
        starts[1:] |= key[order][1:] != key[order][:-1]
    first = np.maximum.accumulate(np.where(starts, np.arange(len(order)), 0))
    apart = log_latency[order] - log_latency[order][first]
    session = np.unique(np.array(labels["session"], dtype=str)[rows], return_inverse=True)[1][order]
    is_named = np.array([bool(word) for word in labels["session"]])[rows][order]
    is_cpu = np.array([name.endswith(SHARED_DEVICES) for name in labels["device"]])
    is_shared = is_cpu[rows][order]
    is_later = (session != session[first]) & is_named & is_named[first] & is_shared
    limit = np.where(is_later, np.log(OTHER_SESSION_RATIO), np.log(SAME_CASE_RATIO))
    if (wrong := apart > limit).any():
        at = int(np.argmax(wrong))
        fast, slow = rows[order[first[at]]], rows[order[at]]
        raise InvalidInputError(
            f"two devices under one name? {describe_row(columns, labels, int(slow))} took "
            f"{columns['latency_ms'][slow]:.4g} ms and row {fast}, the same case, "
            f"{columns['latency_ms'][fast]:.4g} ms; give different devices, engines or versions "
            f"different names, or remove the wrong row"
        )


def check_one_unit(columns: Columns, labels: Labels) -> None:
    """Refuse a device and figure of which some rows are about a thousand times others' pace.

    The pace is latency over a plain guess from the row's work and layers. Rows that fall into two
    groups with nothing between, their medians 500 to 2000 times apart, were written in two units.

    Raises:
        InvalidInputError: Naming a row of each.
    """
    guess = sum(
        columns[f"{phase}_passes"]
        * (
            columns[f"{phase}_gemm_flops"] / 1e11
            + columns[f"{phase}_weight_bytes"] / 1e9
            + 0.02 * columns["n_layers"]
        )
        for phase in ("prefill", "decode")
    )
    fits = columns["out_of_memory"] == 0
    parts = (labels[name] for name in ("device", "engine", "figure"))
    who = np.array(["\0".join(words) for words in zip(*parts, strict=True)])
    for name in np.unique(who):
        rows = np.flatnonzero(fits & (who == name) & (guess > 0))
        pace = np.log(columns["latency_ms"][rows] / np.asarray(guess)[rows])
        order = np.argsort(pace)
        if len(rows) < 2:
            continue
        gaps = np.diff(pace[order])
        cut = int(np.argmax(gaps)) + 1
        ratio = np.exp(np.median(pace[order][cut:]) - np.median(pace[order][:cut]))
        if gaps[cut - 1] > np.log(50) and 500 < ratio < 2000:
            slow, fast = rows[order[cut]], rows[order[cut - 1]]
            raise InvalidInputError(
                f"two units in one column? {describe_row(columns, labels, int(slow))} took "
                f"{columns['latency_ms'][slow]:.4g} ms, row {fast} {columns['latency_ms'][fast]:.4g} "
                f"ms: for their work the two groups are {ratio:.0f} times apart; write all in one "
                f"unit and name it"
            )
