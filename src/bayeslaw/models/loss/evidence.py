"""A run table as a law's likelihood sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss.laws import Columns, LossLaw
from bayeslaw.runs import RunTable

SMALLEST_BUCKET = 32
"""Rows that arrays are padded to at least, so that a round more or less compiles nothing new."""


@dataclass(frozen=True)
class Evidence:
    """Hold what a law is fitted to, as float64 arrays.

    Attributes:
        columns: The law's inputs, each ``(run,)``.
        loss_nats: Observed final losses ``(run,)``.
        weights: Frontier weights in (0, 1], ``(run,)``; see `frontier_weights`.
        cost_flops: ``6 N D`` of each run, N as the law counts it, ``(run,)``.
        log_reference: Logarithms of the table's reference point, by letter and ``loss``.
    """

    columns: Mapping[str, np.ndarray]
    loss_nats: np.ndarray
    weights: np.ndarray
    cost_flops: np.ndarray
    log_reference: Mapping[str, float]

    @property
    def n_runs(self) -> int:
        """Number of runs."""
        return len(self.loss_nats)


def gather_evidence(law: LossLaw, table: RunTable) -> Evidence:
    """Take from a table what the law needs; a missing column is an error that names it."""
    variables = law.variables(table)
    columns = dict(zip(law.inputs, variables.values(), strict=True))
    cost = training_cost(law, columns)
    return Evidence(
        columns=columns,
        loss_nats=table["loss_nats"],
        weights=frontier_weights(cost),
        cost_flops=cost,
        log_reference=law.log_reference(columns, table["loss_nats"]),
    )


def training_cost(law: LossLaw, columns: Columns) -> np.ndarray:
    """Return ``6 N D`` [FLOP] as float64, N as the law counts it."""
    return 6.0 * np.asarray(columns[law.n_column], float) * np.asarray(columns["n_tokens"], float)


def frontier_weights(cost_flops: np.ndarray) -> np.ndarray:
    """Return ``1 / (1 + log(C_max / C))``: how much each run's log likelihood counts.

    A law's form is wrong by more, the further from the frontier, so cheap runs say less about what
    comes beyond it. On 14 public tables this cut the error of predictions at 2-20 times the cost
    to .87 of an unweighted fit's (research/statistics.md, section 3; three shapes were tried).

    >>> frontier_weights(np.array([1.0, np.e, np.e**3])).round(3).tolist()
    [0.25, 0.333, 1.0]
    """
    return 1.0 / (1.0 + np.log(cost_flops.max() / cost_flops))


def padded(evidence: Evidence, law: LossLaw) -> dict[str, Any]:
    """Return the evidence as arrays padded to a bucket (a power of two) of rows.

    Rows that pad have weight 0 and the values of the first run, so they are finite and mute.
    """
    n_runs = evidence.n_runs
    bucket = max(SMALLEST_BUCKET, 1 << (n_runs - 1).bit_length())
    rows = np.concatenate([np.arange(n_runs), np.zeros(bucket - n_runs, int)])
    return {
        "columns": {name: evidence.columns[name][rows] for name in law.inputs},
        "log_loss": np.log(evidence.loss_nats)[rows],
        "weights": np.where(np.arange(bucket) < n_runs, evidence.weights[rows], 0.0),
        "reference": {name: np.float64(v) for name, v in evidence.log_reference.items()},
    }


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
