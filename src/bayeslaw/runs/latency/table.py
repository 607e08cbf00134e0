"""Latencies as aligned, named columns: what a latency model is fitted to, and asked about."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.runs.latency.checks import check_columns, check_one_device_a_name, describe_row
from bayeslaw.runs.latency.columns import EXTRAS, LABELS, LATENCY_COLUMNS, MEASURED, SHAPE
from bayeslaw.runs.latency.filling import FLAGS, fill_columns, fill_labels
from bayeslaw.runs.latency.laying_out import load_columns, measured_rows, shape_columns
from bayeslaw.runs.measurement import Measurement
from bayeslaw.space import Architecture, Workload


@dataclass(frozen=True, eq=False)
class LatencyTable:
    """Hold latencies, one row a figure, as columns float64 ``(row,)`` and labels.

    A table that *asks* has no measured column: same features, nothing known. `ask` and
    `ask_columns` build one, the other constructors and `bayeslaw.runs.latency.readers` build
    tables of measurements.

    Attributes:
        columns: Name to values (`LATENCY_COLUMNS` lists them with units), and whatever further
            features a reader names.
        labels: Name to words, every one of `LABELS`.
        source: Where the rows came from, for people.
        notes: What the source has and the table does not, and why.

    Raises:
        InvalidInputError: A column or label is missing, of another length, or holds a value that
            cannot be; the message names the row.

    >>> shape = Architecture(2, 64, 4, 2, 16, 128, 256)
    >>> table = LatencyTable.ask([shape], Workload(device="h100-sxm"), "tpot_ms")
    >>> len(table), table.is_query, table["decode_passes"].tolist()
    (1, True, [1.0])
    """

    columns: Mapping[str, np.ndarray]
    labels: Mapping[str, tuple[str, ...]]
    source: str = ""
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", check_columns(self.columns, self.labels))

    def __len__(self) -> int:
        return len(self.labels["model"])

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.columns:
            why = "it asks, so nothing was measured" if name in MEASURED else f"only {list(self)}"
            raise InvalidInputError(f"this latency table has no column {name!r}: {why}")
        return self.columns[name]

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __repr__(self) -> str:
        origin = f" from {self.source}" if self.source else ""
        words = (
            f"{name} {', '.join(sorted(set(self.labels[name])))}" for name in ("figure", "device")
        )
        return f"LatencyTable({len(self)} rows{origin}: {'; '.join(words)})"

    @property
    def is_query(self) -> bool:
        """Whether the table asks: it has no latencies."""
        return "latency_ms" not in self.columns

    @property
    def extras(self) -> tuple[str, ...]:
        """Names of the features beyond those that every table has, sorted."""
        return tuple(sorted(n for n in self.columns if n in EXTRAS or n not in LATENCY_COLUMNS))

    @property
    def fingerprint(self) -> str:
        """Return a hash of all names, values and labels: the same data, the same fingerprint."""
        digest = hashlib.sha256()
        for name in sorted(self.columns):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(self.columns[name]).tobytes())
        for name in sorted(self.labels):
            digest.update("\0".join((name, *self.labels[name])).encode())
        return digest.hexdigest()[:16]

    def row(self, index: int) -> dict[str, float | str]:
        """Return one row's labels and values by name."""
        if not -len(self) <= index < len(self):
            raise InvalidInputError(f"the table has {len(self)} rows, no row {index}")
        return {name: words[index] for name, words in self.labels.items()} | {
            name: float(values[index]) for name, values in self.columns.items()
        }

    def describe(self, index: int) -> str:
        """Name a row by what it is, for a message."""
        return describe_row(self.columns, self.labels, index)

    def where(self, rows: np.ndarray) -> LatencyTable:
        """Return the rows of a boolean mask ``(row,)`` or an index array, in that order.

        Raises:
            InvalidInputError: There are none.
        """
        index = np.arange(len(self))[rows]
        return LatencyTable(
            columns={name: values[index] for name, values in self.columns.items()},
            labels={
                name: tuple(words[i] for i in index.tolist()) for name, words in self.labels.items()
            },
            source=self.source,
            notes=self.notes,
        )

    def select(self, **labels: str) -> LatencyTable:
        """Return the rows that say these words, as in ``select(device="h200", figure="tpot_ms")``.

        Raises:
            InvalidInputError: There is no such label, or no such row.
        """
        if unknown := sorted(set(labels) - set(LABELS)):
            raise InvalidInputError(f"a latency table has no label(s) {unknown}, only {[*LABELS]}")
        wanted = np.ones(len(self), bool)
        for name, word in labels.items():
            matches = np.array([said == word for said in self.labels[name]])
            if not matches.any():
                raise InvalidInputError(
                    f"no row has {name} {word!r}; there are {sorted(set(self.labels[name]))}"
                )
            wanted &= matches
        if not wanted.any():
            raise InvalidInputError(f"no row has {labels}, though each of them occurs")
        return self.where(wanted)

    @classmethod
    def from_columns(
        cls,
        columns: Mapping[str, np.ndarray | Sequence[float] | float],
        labels: Mapping[str, str | Sequence[str]],
        *,
        causal: bool | np.ndarray = True,
        all_logits: bool | np.ndarray | None = None,
        source: str = "",
        notes: Sequence[str] = (),
    ) -> LatencyTable:
        """Count what follows from shape and load, and check.

        Args:
            columns: Shape, load, measured columns and further features; a number is every row's.
                ``gated_mlp`` (1 when absent), ``qk_norm`` and ``post_norm`` (0) are counted with
                and not kept. Without measured columns the table asks. Work columns that are given
                stand, for networks that are no `Architecture`.
            labels: Words a row, or one word for all; ``model``, ``engine_version`` and ``session``
                may be absent.
            causal: Whether tokens attend to those before them alone, ``()`` or ``(row,)``.
            all_logits: Whether the head runs on every position; None: in a ``forward_ms`` alone.
            source: Where the rows came from.
            notes: What the source has and the table does not.

        Raises:
            InvalidInputError: Something is missing or cannot be, or one device's name stands for
                two (the same case, more than twice apart).
        """
        arrays = {name: np.asarray(values) for name, values in columns.items()}
        words = [values for values in labels.values() if not isinstance(values, str)]
        n_rows = max((len(v) for v in (*words, *(a for a in arrays.values() if a.ndim))), default=1)
        filled = fill_labels(labels, n_rows)
        table = cls(
            columns=fill_columns(arrays, filled, causal=causal, all_logits=all_logits),
            labels=filled,
            source=source,
            notes=tuple(notes),
        )
        if not table.is_query:
            check_one_device_a_name(table.columns, table.labels)
        return table

    @classmethod
    def from_measurements(
        cls, measurements: Sequence[Measurement], *, source: str = ""
    ) -> LatencyTable:
        """Lay out timings, a row for TTFT and one for TPOT each; out of memory is kept.

        Several devices, engines and versions may stand in one table; a fit refuses or models that.
        ``repeat_sd`` is the interquartile range of the repeats over 1.35, in logs. Where timings
        differ in ``cuda_graph``, ``compiled`` or ``threads``, that is a further feature.

        Raises:
            InvalidInputError: There are none, or they contradict each other.
        """
        if not measurements:
            raise InvalidInputError("no measurements were given; measure, or import a table")
        columns, labels = measured_rows(measurements)
        return cls.from_columns(columns, labels, source=source)

    @classmethod
    def ask(
        cls,
        architectures: Sequence[Architecture],
        workload: Workload | Sequence[Workload],
        figure: str,
        *,
        engine_version: str = "",
        n_devices: int = 1,
    ) -> LatencyTable:
        """Ask about architectures, under one workload or one each."""
        if not len(architectures):
            raise InvalidInputError("no architectures were given")
        workloads = [workload] if isinstance(workload, Workload) else list(workload)
        if len(workloads) not in (1, len(architectures)):
            raise InvalidInputError(
                f"{len(workloads)} workloads for {len(architectures)} architectures; give one, or "
                f"one each"
            )
        workloads *= len(architectures) // len(workloads)
        columns = shape_columns(architectures) | load_columns(workloads, figure)
        labels = {
            "model": [str(architecture) for architecture in architectures],
            "figure": figure,
            "device": [w.device for w in workloads],
            "engine": [w.engine for w in workloads],
            "precision": [w.precision for w in workloads],
            "engine_version": engine_version,
        }
        return cls.from_columns({**columns, "n_devices": n_devices}, labels)

    @classmethod
    def ask_columns(
        cls,
        shape: Mapping[str, np.ndarray],
        workload: Workload,
        figure: str,
        *,
        engine_version: str = "",
        n_devices: int = 1,
    ) -> LatencyTable:
        """Ask about many architectures as columns ``(row,)``.

        Args:
            shape: Those of `SHAPE`; flags of `Architecture` and further features (`EXTRAS`) count
                where they are given, and other columns of a search space are not looked at.
            workload: Of all of them.
            figure: One of `FIGURES`.
            engine_version: Of the engine.
            n_devices: That share every layer [count].
        """
        columns = {
            name: values
            for name, values in shape.items()
            if name in SHAPE or name in FLAGS or name in EXTRAS
        }
        load = {name: values[0] for name, values in load_columns([workload], figure).items()}
        labels = {
            "figure": figure,
            "device": workload.device,
            "engine": workload.engine,
            "precision": workload.precision,
            "engine_version": engine_version,
        }
        return cls.from_columns({**columns, **load, "n_devices": n_devices}, labels)

    @classmethod
    def concat(cls, tables: Sequence[LatencyTable]) -> LatencyTable:
        """Put tables one below the other; a known extra feature that one lacks is 0 there.

        Raises:
            InvalidInputError: Some measured and others ask, an unknown feature is not in all, or
                they contradict each other.
        """
        if not tables:
            raise InvalidInputError("no latency tables were given")
        if len({table.is_query for table in tables}) > 1:
            raise InvalidInputError("a table that asks cannot stand below one that measured")
        names = list(dict.fromkeys(name for table in tables for name in table))
        columns: dict[str, np.ndarray] = {}
        for name in names:
            if name not in EXTRAS and (lack := [t for t in tables if name not in t]):
                raise InvalidInputError(
                    f"column {name!r} is missing from {lack[0]!r}; give it to every table or to none"
                )
            columns[name] = np.concatenate(
                [t.columns[name] if name in t else np.zeros(len(t)) for t in tables]
            )
        table = cls(
            columns=columns,
            labels={name: tuple(w for t in tables for w in t.labels[name]) for name in LABELS},
            source=", ".join(dict.fromkeys(t.source for t in tables if t.source)),
            notes=tuple(dict.fromkeys(note for t in tables for note in t.notes)),
        )
        if not table.is_query:
            check_one_device_a_name(table.columns, table.labels)
        return table
