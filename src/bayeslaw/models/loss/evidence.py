"""A run table as a law's likelihood sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss.discrepancy import downward_basis, sideways_basis
from bayeslaw.models.loss.laws import Columns, LossLaw
from bayeslaw.models.loss.scales import ScalePrior
from bayeslaw.runs import RunTable

SMALLEST_BUCKET = 32
"""Rows that arrays are padded to at least, so that a round more or less compiles nothing new."""


@dataclass(frozen=True)
class Evidence:
    """Hold what a law is fitted to, as float64 arrays.

    Attributes:
        columns: The law's inputs, each ``(run,)``.
        loss_nats: Observed final losses ``(run,)``.
        cost_flops: ``6 N D`` of each run, N as the law counts it, ``(run,)``.
        trunk: Which training job each run branched from, numbered from 0, ``(run,)``; runs that
            stand alone have a number of their own.
        log_reference: Logarithms of the table's reference point, by letter and ``loss``.
    """

    columns: Mapping[str, np.ndarray]
    loss_nats: np.ndarray
    cost_flops: np.ndarray
    trunk: np.ndarray
    log_reference: Mapping[str, float]

    @property
    def n_runs(self) -> int:
        """Number of runs."""
        return len(self.loss_nats)

    @property
    def has_trunks(self) -> bool:
        """Whether any two runs share a training job, and so an error."""
        return bool(self.trunk.max() + 1 < self.n_runs)

    @property
    def log_tokens_per_param(self) -> np.ndarray:
        """Logarithm of tokens per weight of each run, N as the law counts it, ``(run,)``."""
        return np.log(6.0 * self.columns["n_tokens"] ** 2 / self.cost_flops)

    @property
    def centre(self) -> float:
        """Middle of the runs in log tokens per weight."""
        return float(np.median(self.log_tokens_per_param))

    @property
    def off_centre(self) -> np.ndarray:
        """Log tokens per weight of each run from the middle of them, ``(run,)``."""
        return self.log_tokens_per_param - self.centre

    @property
    def behind_frontier(self) -> np.ndarray:
        """``log(C_max / C)`` of each run, ``(run,)``, at least 0."""
        return np.log(self.cost_flops.max() / self.cost_flops)


def gather_evidence(law: LossLaw, table: RunTable) -> Evidence:
    """Take from a table what the law needs; a missing column is an error that names it."""
    variables = law.variables(table)
    columns = dict(zip(law.inputs, variables.values(), strict=True))
    return Evidence(
        columns=columns,
        loss_nats=table["loss_nats"],
        cost_flops=training_cost(law, columns),
        trunk=np.unique(table.trunks or table.run_ids, return_inverse=True)[1],
        log_reference=law.log_reference(columns, table["loss_nats"]),
    )


def training_cost(law: LossLaw, columns: Columns) -> np.ndarray:
    """Return ``6 N D`` [FLOP] as float64, N as the law counts what is trained."""
    return (
        6.0 * np.asarray(columns[law.cost_column], float) * np.asarray(columns["n_tokens"], float)
    )


def padded(
    evidence: Evidence, law: LossLaw, scales: ScalePrior, *, badly_tuned: bool = False
) -> dict[str, Any]:
    """Return the evidence as arrays padded to a bucket (a power of two) of rows.

    Rows that pad have mask 0 and the values of the first run, so they are finite and mute. The
    key ``trunk`` is there only where runs share one: the model then has a run effect. The key
    ``badly_tuned`` is there only where that was asked for: noise is then a mixture
    (`contamination`).
    """
    n_runs = evidence.n_runs
    bucket = max(SMALLEST_BUCKET, 1 << (n_runs - 1).bit_length())
    rows = np.concatenate([np.arange(n_runs), np.zeros(bucket - n_runs, int)])
    arrays = {
        "columns": {name: evidence.columns[name][rows] for name in law.inputs},
        "log_loss": np.log(evidence.loss_nats)[rows],
        "mask": (np.arange(bucket) < n_runs).astype(float),
        "along_cost": downward_basis(evidence.behind_frontier)[rows],
        "along_ratio": sideways_basis(evidence.off_centre)[rows],
        "off_centre": np.abs(evidence.off_centre)[rows],
        "reference": {name: np.float64(v) for name, v in evidence.log_reference.items()},
        "scales": {
            field.name: np.float64(getattr(scales, field.name))
            for field in fields(scales)
            if field.name.endswith(("_median", "_log_sd"))
        },
    }
    if evidence.has_trunks:
        arrays["trunk"] = evidence.trunk[rows]
    if badly_tuned:
        arrays["badly_tuned"] = np.float64(1.0)
    return arrays


def as_columns(law: LossLaw, columns: Columns) -> dict[str, np.ndarray]:
    """Return a law's inputs as checked float64 arrays of one shape ``(candidate,)``.

    Raises:
        InvalidInputError: A column is missing, or a value is not finite and positive.
    """
    law.variables(columns)
    given = {name: np.atleast_1d(np.asarray(columns[name], dtype=float)) for name in law.inputs}
    try:
        shape = np.broadcast_shapes(*(values.shape for values in given.values()))
    except ValueError:
        shape = (0, 0)
    if len(shape) != 1:
        raise InvalidInputError(
            f"columns must be 1-D and of one length, got shapes "
            f"{ {name: values.shape for name, values in given.items()} }"
        )
    for name, values in given.items():
        if (bad := ~(np.isfinite(values) & (values > 0))).any():
            raise InvalidInputError(
                f"column {name!r}, candidate {int(np.argmax(bad))}: {values[bad][0]} must be a "
                f"finite positive number"
            )
    return {name: np.broadcast_to(values, shape) for name, values in given.items()}


def architecture_features(law: LossLaw, columns: Columns) -> dict[str, np.ndarray]:
    """Return the logarithms of what tells architectures of one cost apart, those that are known."""
    size = np.asarray(columns[law.n_column], float)
    features = {"tokens_per_param": np.log(np.asarray(columns["n_tokens"], float) / size)}
    for name in ("aspect_ratio", "mlp_attention_ratio"):
        if name in columns:
            features[name] = np.log(np.asarray(columns[name], float))
    return {name: np.atleast_1d(values) for name, values in features.items()}
