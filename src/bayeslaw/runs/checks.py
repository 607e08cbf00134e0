"""The door of a run table: every complaint names a row and a column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bayeslaw.errors import InvalidInputError, RunTableError
from bayeslaw.runs.columns import ARCHITECTURE_FIELDS, COLUMNS, SHAPE_COLUMNS
from bayeslaw.space import Architecture

_FLAGS = ("tied_embeddings", "gated_mlp", "qk_norm", "post_norm")
_DEFAULTS = {"qk_norm": 0.0, "post_norm": 0.0}
_ZERO_ALLOWED = (
    *_FLAGS, "loss_stderr", "cost_gpu_hours", "head_params", "seed", "warmup_tokens",
    "decay_fraction", "weight_decay", "sparsity",
)  # fmt: skip
_RATIOS = {
    "aspect_ratio": ("d_model", "n_layers", 1.0),
    "relative_width": ("d_model", "n_params_body", 0.5),
    "active_expert_share": ("n_active_experts", "n_experts", 1.0),
}
# Where a weight or an expert is one of those that the other column counts.
_AT_MOST = {
    "n_params_body": "n_params",
    "n_params_active": "n_params",
    "n_params_body_active": "n_params_body",
    "n_active_experts": "n_experts",
}
# A stated N may be rounded ("0.97B"); more than this contradicts the shape.
N_TOLERANCE = 0.02


def check_columns(
    arrays: Mapping[str, np.ndarray], run_ids: Sequence[str]
) -> dict[str, np.ndarray]:
    """Return clean float64 columns, shape-derived ones included, or raise `RunTableError`."""
    if unknown := sorted(set(arrays) - set(COLUMNS)):
        raise RunTableError(
            f"unknown column(s) {unknown}; known are {sorted(COLUMNS)}. A name carries its unit "
            f"and its way of counting N: 'loss' is loss_nats, 'N' is n_params (all weights) or "
            f"n_params_body (without embeddings and head)"
        )
    for required in ("n_tokens", "loss_nats"):
        if required not in arrays:
            raise RunTableError(f"column {required!r} [{COLUMNS[required].unit}] is missing")
    if len(run_ids) != len(arrays["n_tokens"]):
        raise RunTableError(f"{len(run_ids)} run_ids for {len(arrays['n_tokens'])} rows")
    if not len(run_ids):
        raise RunTableError("the table has no rows")
    _check_unique_ids(run_ids)
    columns = {name: _as_floats(name, values, run_ids) for name, values in arrays.items()}
    columns = _with_shape(_with_active_experts(columns, run_ids), run_ids)
    _check_parts(columns, run_ids)
    if "n_params" not in columns and "n_params_body" not in columns:
        raise RunTableError(
            "the table does not say how large the networks are: give n_params (all weights), "
            "n_params_body (without embeddings and head), or the whole shape"
        )
    _check_duplicates(columns, run_ids)
    return columns


def _as_floats(name: str, values: np.ndarray, run_ids: Sequence[str]) -> np.ndarray:
    unit = COLUMNS[name].unit
    try:
        floats = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        row = next(i for i, value in enumerate(values) if not _is_number(value))
        raise RunTableError(
            f"row {run_ids[row]!r}, column {name!r}: {values[row]!r} is not a number [{unit}]"
        ) from None
    bad = ~np.isfinite(floats) | (floats < 0 if name in _ZERO_ALLOWED else floats <= 0)
    if bad.any():
        row = int(np.argmax(bad))
        raise RunTableError(
            f"row {run_ids[row]!r}, column {name!r}: {floats[row]} must be a finite "
            f"{'non-negative' if name in _ZERO_ALLOWED else 'positive'} number [{unit}]; "
            f"leave out runs that did not finish"
        )
    if COLUMNS[name].is_count and (uneven := floats != np.round(floats)).any():
        row = int(np.argmax(uneven))
        raise RunTableError(
            f"row {run_ids[row]!r}, column {name!r}: {floats[row]} is not a whole number; if it "
            f"is in billions say --column {name}=NAME:billion, and if it was read off a plot or "
            f"computed say --column {name}=NAME:rounded"
        )
    return floats


def _is_number(value: object) -> bool:
    try:
        float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return True


def _with_shape(columns: dict[str, np.ndarray], run_ids: Sequence[str]) -> dict[str, np.ndarray]:
    """Derive what follows from a whole shape and check what was stated against it."""
    given = {name for name in ARCHITECTURE_FIELDS if name in columns}
    needed = set(ARCHITECTURE_FIELDS) - set(_DEFAULTS)
    if not needed <= given:
        return _with_ratios(columns, run_ids)
    shape = {
        name: columns[name] if name in columns else np.full(len(run_ids), _DEFAULTS[name])
        for name in ARCHITECTURE_FIELDS
    }
    derived: dict[str, list[float]] = {name: [] for name in SHAPE_COLUMNS}
    built: dict[tuple[float, ...], tuple[Architecture, list[float]]] = {}
    for row, run_id in enumerate(run_ids):
        fields = {name: float(values[row]) for name, values in shape.items()}
        if (key := tuple(fields.values())) not in built:
            architecture = _architecture(fields, run_id)
            follows = [float(getattr(architecture, name)) for name in SHAPE_COLUMNS]
            built[key] = architecture, follows
        architecture, follows = built[key]
        for name, exact in zip(SHAPE_COLUMNS, follows, strict=True):
            if (
                name in columns
                and abs(columns[name][row] / exact - 1 if exact else 0) > N_TOLERANCE
            ):
                raise RunTableError(
                    f"row {run_id!r}, column {name!r}: {columns[name][row]:.6g} contradicts the "
                    f"shape ({architecture}), which gives {exact:.6g}; is N counted with or "
                    f"without embeddings?"
                )
            derived[name].append(exact)
    return {**columns, **{name: np.array(values) for name, values in derived.items()}}


def _with_ratios(columns: dict[str, np.ndarray], run_ids: Sequence[str]) -> dict[str, np.ndarray]:
    """Derive what follows from two columns alone, where a shape is known in part."""
    columns = dict(columns)
    for name, (above, below, power) in _RATIOS.items():
        if above not in columns or below not in columns:
            continue
        exact = columns[above] / columns[below] ** power
        stated = columns.setdefault(name, exact)
        if (wrong := np.abs(stated / exact - 1) > N_TOLERANCE).any():
            row = int(np.argmax(wrong))
            raise RunTableError(
                f"row {run_ids[row]!r}, column {name!r}: {stated[row]:.6g} contradicts {above} and "
                f"{below}, which give {exact[row]:.6g}"
            )
    return columns


def _with_active_experts(
    columns: dict[str, np.ndarray], run_ids: Sequence[str]
) -> dict[str, np.ndarray]:
    """Derive ``active_expert_share = 1 - sparsity``: laws take it, because its log exists."""
    if "sparsity" not in columns:
        return columns
    exact = 1 - columns["sparsity"]
    stated = columns.get("active_expert_share", exact)
    if (wrong := (exact <= 0) | (np.abs(stated - exact) > N_TOLERANCE * exact)).any():
        row = int(np.argmax(wrong))
        raise RunTableError(
            f"row {run_ids[row]!r}, column 'sparsity': {columns['sparsity'][row]:.6g} must be 0 "
            f"(dense) or more, below 1, and leave active_expert_share, here {stated[row]:.6g}"
        )
    return {**columns, "active_expert_share": stated}


def _check_parts(columns: Mapping[str, np.ndarray], run_ids: Sequence[str]) -> None:
    """Refuse a part that is larger than its whole (beyond rounding)."""
    for part, whole in _AT_MOST.items():
        if part not in columns or whole not in columns:
            continue
        if (wrong := columns[part] > (1 + N_TOLERANCE) * columns[whole]).any():
            row = int(np.argmax(wrong))
            raise RunTableError(
                f"row {run_ids[row]!r}, column {part!r}: {columns[part][row]:.6g} is more than "
                f"{whole}, {columns[whole][row]:.6g}, of which it is a part; are the two swapped?"
            )


def _architecture(fields: Mapping[str, float], run_id: str) -> Architecture:
    try:
        return Architecture.from_numbers(fields)
    except InvalidInputError as error:
        raise RunTableError(f"row {run_id!r}: {error}") from error


def _check_unique_ids(run_ids: Sequence[str]) -> None:
    seen: set[str] = set()
    for run_id in run_ids:
        if run_id in seen:
            raise RunTableError(
                f"row {run_id!r} appears twice in column 'run_id'; names are unique"
            )
        seen.add(run_id)


def _check_duplicates(columns: Mapping[str, np.ndarray], run_ids: Sequence[str]) -> None:
    """Refuse a row that repeats another, loss included: one run counted twice narrows intervals."""
    values = [columns[name] for name in sorted(columns)]
    order = np.lexsort(values)
    # Sorted, a repeat stands beside what it repeats; `lexsort` keeps equals in their order.
    repeats = np.logical_and.reduce([v[order][1:] == v[order][:-1] for v in values])
    if repeats.any():
        later = int(np.argmin(np.where(repeats, order[1:], len(order))))
        first, again = run_ids[order[later]], run_ids[order[later + 1]]
        raise RunTableError(
            f"row {again!r} repeats row {first!r} in every column; remove one (a repeat with "
            f"another seed has another loss)"
        )
