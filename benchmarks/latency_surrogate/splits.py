"""What is fitted and what is predicted: a few architectures, a model left out, a device never seen."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bayeslaw.runs import LatencyTable
from bayeslaw.space import DEVICES, Device
from benchmarks.latency_surrogate.cases import (
    known_elsewhere,
    number_cases,
    number_shapes,
    shape_rows,
)
from benchmarks.latency_surrogate.tables import Tables

SIZES = (8, 16, 32, 64, 128, 256)
"""Architectures that are timed before the rest is predicted."""

MEASURED: Mapping[int, int] = {0: 1, 4: 3, 8: 10, 16: 3}
"""Timings that a new device has, and how many choices of them are scored."""

N_TEST = 2000
N_SOURCE = 256
"""Random architectures of HW-GPT-Bench that each other device lends to a new one."""

FEWEST_MODELS = 3
FEWEST_ROWS = 6
"""Timings of a device from which a model is left out of its own fit; with fewer, others help."""

FEWEST_TESTED = 2


@dataclass(frozen=True, eq=False)
class Part:
    """Say which rows of a group's table are fitted and which are predicted.

    Attributes:
        label: Number of timings, or what is left out.
        seed: Of the choice of rows.
        train: Rows ``(fitted,)``; empty on a device that was never measured.
        test: Rows ``(predicted,)``.
    """

    label: str
    seed: int
    train: np.ndarray
    test: np.ndarray


@dataclass(frozen=True, eq=False)
class Group:
    """Hold the parts that share a table.

    Attributes:
        kind: ``sets``, ``leave_one_out`` or ``new_device``.
        name: Of the set, such as ``hw_gpt_bench/s/a40``.
        table: Timings of one device and engine, fitted and predicted.
        parts: Which rows are which.
        sources: Timings of other devices; None where a device is by itself.
        known: Log latency [log ms] of each row's case on each other device, NaN where it was not
            timed there, each ``(row,)``.
    """

    kind: str
    name: str
    table: LatencyTable
    parts: tuple[Part, ...]
    sources: LatencyTable | None = None
    known: Mapping[str, np.ndarray] | None = None

    def __post_init__(self) -> None:
        shapes = number_shapes(self.table) if self.kind == "leave_one_out" else None
        for part in self.parts:
            assert not np.isin(part.train, part.test).any(), f"{self.name}: a row on both sides"
            if shapes is not None:
                fitted = np.isin(shapes[part.test], shapes[part.train])
                assert not fitted.any(), f"{self.name}: {part.label} has a twin among the fitted"
        if self.sources is not None:
            devices = set(self.sources.labels["device"])
            assert self.table.labels["device"][0] not in devices, f"{self.name} is no new device"

    @property
    def device(self) -> Device | None:
        """The datasheet; None where there is none, and in ``sets``, which are to do without."""
        return None if self.kind == "sets" else DEVICES.get(self.table.labels["device"][0])


def set_groups(tables: Tables, n_seeds: int, sizes: Sequence[int] = SIZES) -> Iterator[Group]:
    """Yield each scale and device by itself: ``n`` random cases are fitted, others predicted.

    One group a seed, so that more seeds can follow later.
    """
    named = {
        f"hw_gpt_bench/{scale}/{device}": table.select(device=device)
        for scale, table in tables.hw_gpt.items()
        for device in _words(table, "device")
    } | {f"own/{name}": table for name, table in tables.own.items()}
    for seed in range(n_seeds):
        for name, table in named.items():
            case = number_cases(table)
            n_cases = int(case.max()) + 1
            n_test = min(N_TEST, n_cases // 2)
            order = _shuffled(name, seed, n_cases)
            for n in sizes:
                if n > n_cases - n_test:
                    continue
                train, test = (
                    np.flatnonzero(np.isin(case, c)) for c in (order[:n], order[-n_test:])
                )
                rows = table.where(np.concatenate([train, test]))
                part = Part(str(n), seed, np.arange(len(train)), np.arange(len(train), len(rows)))
                yield Group("sets", name, rows, (part,))


def left_out_groups(tables: Tables, heldout: Tables | None = None) -> Iterator[Group]:
    """Yield groups in which the models of one shape are predicted from all others.

    Models of one shape are left out together. With held-out tables their models are left out: of
    the xLSTM study from fits to our sizes, elsewhere each from the others of its device.
    """
    scored = heldout or tables
    if scored.xlstm is not None and tables.xlstm is not None:
        yield from _sizes_left_out(tables.xlstm, None if heldout is None else scored.xlstm)
    for source, table in scored.servers.items():
        for name, rows in _by_engine(table, source):
            shapes = number_shapes(rows)
            if shapes.max() + 1 < FEWEST_MODELS:
                continue
            parts = _shapes_left_out(rows, shapes)
            if len(rows) >= FEWEST_ROWS:
                yield Group("leave_one_out", name, rows, parts)
            elif (others := _other_devices(tables.servers.get(source), rows)) is not None:
                for part in parts:
                    yield _helped(name, rows, part, others)


def new_device_groups(
    tables: Tables,
    heldout: Tables | None = None,
    measured: Mapping[int, int] = MEASURED,
    *,
    first_scale: bool = False,
) -> Iterator[Group]:
    """Yield groups in which a device with a few timings is predicted with other devices' help.

    With held-out tables their devices are new, and the others are ours. Where the others were not
    timed at a scale of HW-GPT-Bench, their other scales are the sources.

    Args:
        tables: Ours.
        heldout: Whose devices are new; None leaves each of ours out in turn.
        measured: How many choices of each number of timings.
        first_scale: Score the first scale of HW-GPT-Bench alone.
    """
    scored = heldout or tables
    for scale, table in [*scored.hw_gpt.items()][: 1 if first_scale else None]:
        every = tables.hw_gpt.get(scale)
        every = LatencyTable.concat([*tables.hw_gpt.values()]) if every is None else every
        old = set(every.labels["device"]) if heldout is not None else set()
        for device in sorted(set(_words(table, "device")) - old):
            rows = table.select(device=device)
            others = _other_devices(every, rows)
            if others is None:
                continue
            lent = [
                part.where(_shuffled(d, 0, len(part))[:N_SOURCE])
                for d in _words(others, "device")
                for part in [others.select(device=d)]
            ]
            sources = LatencyTable.concat(lent)
            name = f"hw_gpt_bench/{scale}/{device}"
            yield from _new_device(name, rows, sources, others, measured)
    own = {name: {"": table} for name, table in tables.own.items()} if heldout is None else {}
    servers = {**scored.servers}
    if len(own) > 1:
        servers["own"] = LatencyTable.concat(
            [table for one in own.values() for table in one.values()]
        )
    for source, table in servers.items():
        every = tables.servers.get(source, table)
        old = set(every.labels["device"]) if heldout is not None else set()
        for name, rows in _by_engine(table, source):
            others = _other_devices(every, rows)
            if others is not None and rows.labels["device"][0] not in old:
                yield from _new_device(name, rows, others, others, measured)


def _new_device(
    name: str,
    rows: LatencyTable,
    sources: LatencyTable,
    timed: LatencyTable,
    measured: Mapping[int, int],
) -> Iterator[Group]:
    possible = [n for n in measured if len(rows) - n >= FEWEST_TESTED]
    parts = []
    for n in possible:
        for seed in range(measured[n]):
            order = _shuffled(name, seed, len(rows))
            # The same rows are predicted after each number of timings.
            parts.append(Part(str(n), seed, order[:n], order[max(possible) :][:N_TEST]))
    if parts:
        yield Group("new_device", name, rows, tuple(parts), sources, known_elsewhere(rows, timed))


def _helped(name: str, rows: LatencyTable, part: Part, others: LatencyTable) -> Group:
    """Return a group in which nobody, on no device, has timed the shape that is left out."""
    left_out = set(shape_rows(rows.where(part.test)))
    unseen = np.array([shape not in left_out for shape in shape_rows(others)])
    kept = others.where(unseen)
    return Group("leave_one_out", name, rows, (part,), kept, known_elsewhere(rows, kept))


def _sizes_left_out(fitted: LatencyTable, predicted: LatencyTable | None) -> Iterator[Group]:
    """Yield one group a family: Llama's shapes, and recurrent ones."""
    for is_recurrent, family in ((0.0, "llama2"), (1.0, "xlstm")):
        rows = fitted.where(fitted["is_recurrent"] == is_recurrent)
        name = f"xlstm_scaling/{family}"
        if predicted is None:
            yield Group("leave_one_out", name, rows, _shapes_left_out(rows, number_shapes(rows)))
        elif (predicted["is_recurrent"] == is_recurrent).any():
            new = predicted.where(predicted["is_recurrent"] == is_recurrent)
            both = LatencyTable.concat([rows, new])
            train = np.arange(len(rows))
            parts = [
                p for p in _shapes_left_out(both, number_shapes(both)) if p.test.min() >= len(rows)
            ]
            parts = tuple(Part(p.label, 0, train, p.test) for p in parts)
            yield Group("leave_one_out", name, both, parts)


def _shapes_left_out(table: LatencyTable, shapes: np.ndarray) -> tuple[Part, ...]:
    parts = []
    for shape in range(int(shapes.max()) + 1):
        test = np.flatnonzero(shapes == shape)
        label = "+".join(sorted({table.labels["model"][i] for i in test}))
        parts.append(Part(label, 0, np.flatnonzero(shapes != shape), test))
    return tuple(parts)


def _by_engine(table: LatencyTable, source: str) -> Iterator[tuple[str, LatencyTable]]:
    for device in _words(table, "device"):
        one = table.select(device=device)
        for engine in _words(one, "engine"):
            yield f"{source}/{device}/{engine}", one.select(engine=engine)


def _other_devices(table: LatencyTable | None, rows: LatencyTable) -> LatencyTable | None:
    if table is None:
        return None
    is_other = np.array([d != rows.labels["device"][0] for d in table.labels["device"]])
    return table.where(is_other) if is_other.any() else None


def _words(table: LatencyTable, label: str) -> list[str]:
    return sorted(set(table.labels[label]))


def _shuffled(name: str, seed: int, n: int) -> np.ndarray:
    return np.random.default_rng([seed, zlib.crc32(name.encode())]).permutation(n)
