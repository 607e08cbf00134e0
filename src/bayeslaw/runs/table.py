"""Runs as aligned, named columns: what a law is fitted to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from bayeslaw.errors import InvalidInputError, RunTableError
from bayeslaw.runs.checks import check_columns
from bayeslaw.runs.columns import ARCHITECTURE_FIELDS, COLUMNS, SHAPE_COLUMNS
from bayeslaw.runs.run import Run
from bayeslaw.runs.shapes import shape_columns
from bayeslaw.space import Architecture, Candidate


@dataclass(frozen=True)
class RunTable:
    """Hold finished runs as columns, each of shape ``(run,)`` and float64.

    Columns carry their unit in their name (`bayeslaw.runs.COLUMNS` lists them): ``n_params``
    counts all weights and ``n_params_body`` all but embeddings and head, so a table says which
    it has. Where the shape is known, everything that follows from it is filled in. Build one
    with `from_columns`, `from_runs` or `bayeslaw.read_runs`.

    Attributes:
        columns: Column name to values.
        run_ids: A name for each row, unique.
        source: Where the rows came from, for people.
        left_out: Columns that the table does not have: those that only some of the runs have, and
            what a file says in words (`bayeslaw.runs.LABELS`).
        trunks: For each run the training job it branched from, where that is known; runs of one
            trunk share weights and text, so their errors are correlated. Empty otherwise.

    >>> table = RunTable.from_columns(
    ...     {"n_params": [1e6, 2e6], "n_tokens": [2e7, 4e7], "loss_nats": [3.1, 2.9]})
    >>> len(table), table["n_params"].tolist()
    (2, [1000000.0, 2000000.0])
    """

    columns: Mapping[str, np.ndarray]
    run_ids: tuple[str, ...]
    source: str = field(default="", compare=False)
    left_out: tuple[str, ...] = field(default=(), compare=False)
    trunks: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.run_ids)

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.columns:
            raise InvalidInputError(
                f"this table has no column {name!r}, only {sorted(self.columns)}; "
                f"{_how_to_get(name)}"
            )
        return self.columns[name]

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def select(self, rows: np.ndarray) -> RunTable:
        """Return the rows of a boolean mask or an index array, in that order."""
        index = np.arange(len(self))[rows]
        return RunTable(
            columns={name: values[index] for name, values in self.columns.items()},
            run_ids=tuple(self.run_ids[i] for i in index),
            source=self.source,
            left_out=self.left_out,
            trunks=tuple(self.trunks[i] for i in index) if self.trunks else (),
        )

    def __repr__(self) -> str:
        origin = f" from {self.source}" if self.source else ""
        return f"RunTable({len(self)} runs{origin}: {', '.join(self)})"

    @property
    def train_flops(self) -> np.ndarray:
        """Return ``6 N D`` of each run [FLOP], N as the table counts it (total where it can)."""
        n_params = self["n_params"] if "n_params" in self else self["n_params_body"]
        return 6.0 * n_params * self["n_tokens"]

    @property
    def fingerprint(self) -> str:
        """Return a hash of all names and values: the same data, the same fingerprint."""
        digest = hashlib.sha256()
        for name in sorted(self.columns):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(self.columns[name]).tobytes())
        if self.trunks:
            digest.update("\0".join(("trunks", *self.trunks)).encode())
        return digest.hexdigest()[:16]

    @classmethod
    def from_columns(
        cls,
        columns: Mapping[str, Sequence[float] | np.ndarray],
        *,
        run_ids: Sequence[str] | None = None,
        source: str = "",
        trunks: Sequence[str] = (),
    ) -> RunTable:
        """Check columns and derive what follows from the shape.

        Args:
            columns: Known column names to values of one length. ``n_tokens``, ``loss_nats`` and
                one of ``n_params``, ``n_params_body`` or a whole shape are required.
            run_ids: Names of the rows; ``row0``, ``row1`` ... when left out.
            source: Where the rows came from.
            trunks: The training job of each row, where rows share one.

        Raises:
            RunTableError: An unknown or missing column, lengths that differ, a value that is
                not finite or not positive, a duplicate row, or an N that contradicts the shape.
        """
        arrays = {name: np.asarray(values) for name, values in columns.items()}
        lengths = {name: len(values) for name, values in arrays.items()}
        if len(set(lengths.values())) > 1:
            raise RunTableError(f"columns must have one length, got {lengths}")
        n_rows = next(iter(lengths.values()), 0)
        names = tuple(run_ids) if run_ids is not None else tuple(f"row{i}" for i in range(n_rows))
        if trunks and len(trunks) != len(names):
            raise RunTableError(f"{len(trunks)} trunks for {len(names)} rows; name one a row")
        columns = check_columns(arrays, names)
        return cls(columns=columns, run_ids=names, source=source, trunks=tuple(trunks))

    @classmethod
    def from_runs(cls, runs: Iterable[Run], *, source: str = "") -> RunTable:
        """Keep the runs that are evidence (done, not superseded) and lay them out as columns.

        A column that a run lacks cannot be laid out; the table's ``left_out`` names it.

        Raises:
            RunTableError: No run is evidence.
        """
        kept = [run for run in runs if run.is_evidence]
        if not kept:
            raise RunTableError(
                "no run is done and unsuperseded, so there is no evidence yet; train runs, observe "
                "their results or import a table first"
            )
        rows = [_row(run) for run in kept]
        shared = set(rows[0]).intersection(*rows[1:])
        table = cls.from_columns(
            {name: [row[name] for row in rows] for name in sorted(shared)},
            run_ids=[run.run_id for run in kept],
            source=source,
        )
        return replace(table, left_out=tuple(sorted(set().union(*rows) - set(table.columns))))


def architecture_columns(architectures: Sequence[Architecture]) -> dict[str, np.ndarray]:
    """Lay out architectures as every column that follows from a shape, float64, ``(run,)``."""
    return shape_columns(
        {name: np.array([getattr(a, name) for a in architectures]) for name in ARCHITECTURE_FIELDS}
    )


def candidate_columns(candidates: Sequence[Candidate]) -> dict[str, np.ndarray]:
    """Lay out candidates as every column a law may ask for, float64 ``(candidate,)``.

    Raises:
        InvalidInputError: There are none.

    >>> shape = Architecture(2, 64, 4, 2, 16, 128, 256)
    >>> candidate_columns([Candidate(shape, 10**6)])["n_tokens"].tolist()
    [1000000.0]
    """
    if not len(candidates):
        raise InvalidInputError("no candidates were given")
    columns = architecture_columns([candidate.architecture for candidate in candidates])
    columns["n_tokens"] = np.array([float(candidate.n_tokens) for candidate in candidates])
    return columns


def _row(run: Run) -> dict[str, float]:
    row: dict[str, float] = {**run.columns, "n_tokens": run.n_tokens}
    if run.architecture is not None:
        row |= {name: float(getattr(run.architecture, name)) for name in SHAPE_COLUMNS}
    for name in ("loss_nats", "loss_stderr", "cost_gpu_hours"):
        if (value := getattr(run, name)) is not None:
            row[name] = value
    return row


def _how_to_get(name: str) -> str:
    if name in SHAPE_COLUMNS:
        return "give the column, or the architecture's shape (n_layers, d_model, ...) to derive it"
    if name in COLUMNS:
        return f"give it [{COLUMNS[name].unit}]"
    return f"known columns are {sorted(COLUMNS)}"
