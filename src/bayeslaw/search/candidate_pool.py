"""Candidates as columns: a million of them without a million objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.runs import ARCHITECTURE_FIELDS, candidate_columns
from bayeslaw.runs.shapes import shape_columns
from bayeslaw.space import Architecture, Candidate

_AXES = (*ARCHITECTURE_FIELDS, "n_tokens")


@dataclass(frozen=True, eq=False)
class CandidatePool:
    """Hold candidates as every column that a law may ask for; build it with a ``from_`` method.

    Attributes:
        columns: By name, float64 ``(candidate,)``.

    >>> axes = dict(n_layers=[2, 4], d_model=[64, 64], n_heads=[4, 4], n_kv_heads=[2, 2],
    ...             head_dim=[16, 16], d_ff=[128, 128], vocab_size=[256, 256], tied_embeddings=[0, 0],
    ...             gated_mlp=[1, 1], qk_norm=[0, 0], post_norm=[0, 0], n_tokens=[1e6, 1e6])
    >>> pool = CandidatePool.from_axes(axes)
    >>> len(pool), pool[1].architecture.n_layers
    (2, 4)
    """

    columns: Mapping[str, np.ndarray]

    @classmethod
    def from_candidates(cls, candidates: Sequence[Candidate]) -> CandidatePool:
        """Lay candidates out as columns."""
        if not len(candidates):
            raise InvalidInputError("no candidates were given to choose runs from")
        return cls(candidate_columns(candidates))

    @classmethod
    def from_axes(cls, axes: Mapping[str, np.ndarray | Sequence[float]]) -> CandidatePool:
        """Derive all columns from architectures' fields and ``n_tokens``, each ``(candidate,)``.

        Raises:
            InvalidInputError: An axis is missing, empty or of another length.
        """
        if missing := [name for name in _AXES if name not in axes]:
            raise InvalidInputError(f"a pool needs the axes {list(_AXES)}, {missing} missing")
        arrays = {name: np.asarray(axes[name], dtype=np.float64) for name in _AXES}
        lengths = {len(values) for values in arrays.values()}
        if len(lengths) != 1 or 0 in lengths:
            raise InvalidInputError(
                f"axes must be of one length, at least 1, got {sorted(lengths)}"
            )
        return cls({**shape_columns(arrays), "n_tokens": arrays["n_tokens"]})

    def __len__(self) -> int:
        return len(self.columns["n_tokens"])

    def __getitem__(self, row: int) -> Candidate:
        """Return one candidate."""
        fields = {name: float(self.columns[name][row]) for name in ARCHITECTURE_FIELDS}
        return Candidate(Architecture.from_numbers(fields), int(self.columns["n_tokens"][row]))

    def take(self, rows: np.ndarray) -> CandidatePool:
        """Return the candidates of these rows, in that order."""
        return CandidatePool({name: values[rows] for name, values in self.columns.items()})

    def without(self, known: Sequence[Candidate]) -> CandidatePool:
        """Return the pool less the candidates given, and each of its own once, the first kept."""
        keys = _keys(self.columns)
        first, one_of = np.unique(keys, return_index=True, return_inverse=True)[1:]
        # Rows of one key are one candidate; 64 bits make another case unlikely, not impossible.
        for name in _AXES:
            values = self.columns[name]
            if (values != values[first][one_of]).any():
                raise InvalidInputError(
                    "two different candidates of this pool have one key; leave one of them out"
                )
        is_new = np.ones(len(first), dtype=bool)
        if known:
            is_new = ~np.isin(keys[first], _keys(candidate_columns(known)))
        kept = np.sort(first[is_new])
        return self if len(kept) == len(self) else self.take(kept)


def _keys(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return 64 bits that tell candidates apart ``(candidate,)``, mixed as by splitmix64."""
    keys = np.zeros(len(columns["n_tokens"]), dtype=np.uint64)
    for name in _AXES:
        keys ^= (columns[name] + 0.0).view(np.uint64)
        keys *= np.uint64(0x9E3779B97F4A7C15)
        keys ^= keys >> np.uint64(29)
        keys *= np.uint64(0xBF58476D1CE4E5B9)
        keys ^= keys >> np.uint64(32)
    return keys
