"""The door of the latency fit: what does not belong together, and what cannot be."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.notes import Note
from bayeslaw.runs import LatencyTable
from bayeslaw.runs.latency.floor import check_floor
from bayeslaw.space import Device

MIN_CASES = 4
ONE_OF = ("device", "engine", "engine_version", "precision")
"""Labels that must not be mixed in one fit."""


def check_table(table: LatencyTable, device: Device | None) -> None:
    """Refuse timings that are too few, do not belong together or cannot be true."""
    if table.is_query:
        raise InvalidInputError("this table asks, it has no latencies to fit; give measurements")
    check_one_of(table)
    cases = {
        (table.labels["model"][i], *load)
        for i, load in enumerate(
            zip(*(table[c] for c in ("batch_size", "prompt_tokens", "output_tokens")), strict=True)
        )
    }
    if len(cases) < MIN_CASES:
        raise InvalidInputError(
            f"a latency surrogate needs at least {MIN_CASES} measurements of different "
            f"architectures or workloads, got {len(cases)}; time more architectures, or start "
            f"from what other devices taught (fit_devices)"
        )
    if device is not None:
        check_floor(table, device)


def check_one_of(table: LatencyTable) -> None:
    """Refuse a table of several devices, engines, engine versions or precisions."""
    for name in ONE_OF:
        if len(values := set(table.labels[name])) > 1:
            raise InvalidInputError(
                f"measurements mix {name} {sorted(values)}; fit one surrogate for each, as in "
                f"table.select({name}={min(values)!r}), or teach a new device by fit_devices"
            )


def check_served(asked: LatencyTable, fitted: Mapping[str, str]) -> None:
    """Refuse a question about another device, engine, version or precision than was measured."""
    for name in ONE_OF:
        words = (
            set(asked.labels[name]) - {""} if name == "engine_version" else set(asked.labels[name])
        )
        if other := words - {fitted[name]}:
            raise InvalidInputError(
                f"latency was measured with {name}={fitted[name]!r}, asked for {sorted(other)}; "
                f"measure it, or carry the surrogate over by fit_devices"
            )


def unmeasured_notes(asked: LatencyTable, fitted: LatencyTable) -> list[Note]:
    """Return a note on a figure that was not measured: only its roofline predicts it."""
    known = set(fitted.labels["figure"])
    missing = sorted(set(asked.labels["figure"]) - known - {"e2el_ms"})
    if not missing:
        return []
    return [
        Note(
            "latency_figure_not_measured",
            "warning",
            f"{missing} was never measured, only {sorted(known)}; it is predicted by the roofline "
            f"that the others taught and its intervals are wide: time it",
        )
    ]


def far_notes(
    names: tuple[str, ...], at: np.ndarray, low: np.ndarray, high: np.ndarray
) -> list[Note]:
    """Return a note for each feature beyond what was measured by a fifth or more.

    Args:
        names: Of the features.
        at: What is asked ``(row, feature)``, in doublings.
        low: Least that was measured ``(feature,)``.
        high: Most ``(feature,)``.
    """
    notes = []
    for column, name in enumerate(names):
        beyond = np.maximum(at[:, column] - high[column], low[column] - at[:, column])
        if (far := beyond > _FAR_DOUBLINGS).any():
            notes.append(
                Note(
                    "latency_extrapolated",
                    "warning",
                    f"{int(far.sum())} of {len(at)} have {name} up to {2 ** float(beyond.max()):.2g}x "
                    f"outside the measured range [{2 ** low[column]:.4g}, {2 ** high[column]:.4g}]; "
                    f"there the roofline and its linear trend predict: time one of them",
                )
            )
    return notes


_FAR_DOUBLINGS = 0.25
