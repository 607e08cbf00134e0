"""A table's rows as the tensors a fit works on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.latency.covariance import Rows
from bayeslaw.models.latency.features import feature_names, quantization_features, shape_features
from bayeslaw.models.latency.layout import FIGURES
from bayeslaw.models.latency.roofline import PassWork, Phase, count_passes, phase_shares
from bayeslaw.runs import LatencyTable

# Prior sd of the linear part: log latency a doubling, and where tiles or waves double the work.
LINEAR_SD = 0.02
QUANTIZATION_SD = 0.05

_LOAD = ("batch_size", "prompt_tokens", "output_tokens")
_FEWEST_MODELS = 2


@dataclass(frozen=True)
class Inputs:
    """Hold what is known of rows before their latency.

    Attributes:
        passes: Work of each phase.
        rows: What the covariance needs.
        figures: Place of each row's figure in `FIGURES` ``(row,)``.
    """

    passes: Mapping[Phase, PassWork]
    rows: Rows
    figures: Tensor

    def with_shares(self, log_constants: Tensor) -> Inputs:
        """Return the inputs with phases weighed by their time at ``(1, constant)``."""
        shares = phase_shares(log_constants, self.passes)
        return replace(self, rows=replace(self.rows, shares=shares))


@dataclass(frozen=True)
class Reader:
    """Turn tables into inputs, all around the table that was fitted.

    Attributes:
        names: Features, extras included.
        centre: Mean of the fitted rows' features ``(feature,)``.
        quantization_centre: The same for tiles and waves.
        low: Least of the fitted rows' features ``(feature,)``.
        high: Largest ``(feature,)``.
        models: The fitted models' numbers by name; empty where none was timed under two loads.
    """

    names: tuple[str, ...]
    centre: np.ndarray
    quantization_centre: np.ndarray
    low: np.ndarray
    high: np.ndarray
    models: Mapping[str, int]

    @classmethod
    def around(cls, table: LatencyTable) -> Reader:
        """Return the reader of tables like the fitted one."""
        features = shape_features(table)
        return cls(
            feature_names(table),
            features.mean(axis=0),
            quantization_features(table).mean(axis=0),
            features.min(axis=0),
            features.max(axis=0),
            _models_with_several_loads(table),
        )

    @property
    def n_linear(self) -> int:
        """Columns of the linear part."""
        return len(self.centre) + len(self.quantization_centre)

    def number_models(self, table: LatencyTable) -> np.ndarray:
        """Number a table's models ``(row,)``, new ones too; -1 where models are not told apart."""
        if not self.models:
            return np.full(len(table), -1)
        places = dict(self.models)
        return np.array([places.setdefault(name, len(places)) for name in table.labels["model"]])

    def read(self, table: LatencyTable, log_constants: Tensor | None = None) -> Inputs:
        """Return a table's inputs.

        Args:
            table: Measurements, or a question.
            log_constants: One setting ``(1, constant)`` by which phases are weighed; without it
                each row is of the phase its figure is named for.

        Raises:
            InvalidInputError: Other extra columns than were fitted, or an unknown figure.
        """
        if feature_names(table) != self.names:
            raise InvalidInputError(
                f"the surrogate was fitted with features {list(self.names)}, this table has "
                f"{list(feature_names(table))}; give the same extra columns"
            )
        if unknown := set(table.labels["figure"]) - set(FIGURES):
            raise InvalidInputError(f"figure must be one of {FIGURES}, got {sorted(unknown)}")
        figures = np.array([FIGURES.index(name) for name in table.labels["figure"]])
        features = shape_features(table)
        linear = np.concatenate(
            [
                LINEAR_SD * (features - self.centre),
                QUANTIZATION_SD * (quantization_features(table) - self.quantization_centre),
            ],
            axis=-1,
        )
        passes = count_passes(table)
        decode = (table.columns["decode_passes"] > 0).astype(float)
        inputs = Inputs(
            passes,
            Rows(
                torch.as_tensor(features - self.centre),
                torch.as_tensor(linear),
                torch.as_tensor(np.stack([1 - decode, decode], axis=-1)),
                torch.as_tensor(number_sessions(table)),
                torch.as_tensor(self.number_models(table)),
            ),
            torch.as_tensor(figures),
        )
        return inputs if log_constants is None else inputs.with_shares(log_constants)


def _models_with_several_loads(table: LatencyTable) -> dict[str, int]:
    """Number models by name, if enough are known by several loads to tell what is a model's own."""
    loads: dict[str, set[tuple[float, ...]]] = {}
    for name, *load in zip(table.labels["model"], *(table[c] for c in _LOAD), strict=True):
        loads.setdefault(name, set()).add(tuple(load))
    n_repeated = sum(len(found) > 1 for name, found in loads.items() if name)
    return {name: i for i, name in enumerate(loads)} if n_repeated >= _FEWEST_MODELS else {}


def number_sessions(table: LatencyTable) -> np.ndarray:
    """Number the sessions of a table, each figure's own, ``(row,)``; -1 where none is said.

    What a session shares is another offset for each figure: clocks move arithmetic, neighbours
    move bandwidth.
    """
    said = list(zip(table.labels["session"], table.labels["figure"], strict=True))
    places = {key: i for i, key in enumerate(sorted(set(said)))}
    return np.array([places[key] if key[0] else -1 for key in said])
