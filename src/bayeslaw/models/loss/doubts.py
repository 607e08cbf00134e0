"""What in a table a law would believe and should not: rows that are not what they are taken for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss.laws import LossLaw
from bayeslaw.models.loss.robust_surface import RobustSurface, fit_surface
from bayeslaw.models.notes import Note
from bayeslaw.runs import RunTable

MANY_RUNS = 5_000
"""Rows from which a fit takes long and its draws much memory; no study of runs has as many."""

MAX_CELLS = 1e8
"""Runs times draws that a fit may hold.

Measured with 2,000 Laplace draws of Chinchilla's law on two shared cores: 1,000 runs took .55 GB,
10,000 runs 2.2 GB and three minutes, so about 80 bytes a run and draw: 8 GB at this limit.
"""

_BYTES_A_CELL = 80
# Padding a vocabulary to a multiple of 128 moves it by less; another tokenizer by more.
_VOCABULARY = 0.02
# Text per token as bits_per_byte / loss_nats gives it; rounding moves it by less.
_BYTES_PER_TOKEN = 0.02
_COUNTS = 0.02
# d log loss / d log tokens between points of one run, beyond 1e9 tokens and ten a weight. Medians of
# nine public sources of final losses: .025-.06; of morph's, which are averages over the run: .12.
_FAST_FALL = 0.09
_SHAPE = ("n_layers", "d_model", "n_heads", "n_kv_heads", "head_dim", "d_ff", "vocab_size",
          "aspect_ratio", "mlp_attention_ratio", "tied_embeddings", "gated_mlp",
          "n_experts", "n_active_experts", "granularity", "vocab_params")  # fmt: skip


def doubts(law: LossLaw, table: RunTable) -> list[Note]:
    """Name rows that are probably not what the law takes them for.

    `RunTable` refuses what cannot be (NaN, a row twice, a body heavier than its network), and
    `check_identifiability` says what a sound design cannot tell. This looks for what lies between:
    repeats under other names, several tokenizers or ways of counting N in one table, losses that
    are averages over a run, runs far under all others, under the floor even, and groups of runs
    apart for no reason that the table gives. Notes, not errors: a table may have its reasons.

    Args:
        law: Formula; what it takes as input is no reason for doubt.
        table: Finished runs with the law's columns.

    Returns:
        Coded warnings; empty when nothing looks wrong.
    """
    law.variables(table)
    notes = [
        *_many_runs(table),
        *_repeats(law, table),
        *_tokenizers(law, table),
        *_counts(law, table),
        *_averages(law, table),
    ]
    surface = fit_surface(law, table)
    if surface is not None:
        notes += [*_groups(table, surface), *_far_below(table, surface)]
    return notes


def refuse_too_many(table: RunTable, n_draws: int) -> None:
    """Raise before a fit would fill the memory.

    Raises:
        InvalidInputError: Runs times draws are more than `MAX_CELLS`.
    """
    if len(table) * n_draws > MAX_CELLS:
        raise InvalidInputError(
            f"{len(table):,} runs times {n_draws:,} draws would take about "
            f"{_BYTES_A_CELL * len(table) * n_draws / 1e9:,.0f} GB of memory; at most "
            f"{MAX_CELLS / n_draws:,.0f} runs do with so many draws: {_aggregate()}"
        )


def _many_runs(table: RunTable) -> list[Note]:
    if len(table) <= MANY_RUNS:
        return []
    what = f"{len(table):,} rows: a fit takes long, and rows of one run are no new evidence; "
    return [Note("many_runs", "warning", what + _aggregate())]


def _aggregate() -> str:
    return (
        "keep at most three finished points a run, average repeats of one size and budget, or "
        "fit a sample (table.select)"
    )


def _repeats(law: LossLaw, table: RunTable) -> list[Note]:
    """Find rows with one place and one loss, to the last digit, that differ elsewhere."""
    values = [table[name] for name in (*law.inputs, "loss_nats")]
    order = np.lexsort(values)
    same = np.logical_and.reduce([v[order][1:] == v[order][:-1] for v in values])
    if not same.any():
        return []
    at = int(np.argmax(same))
    pair = _names(table, order[at : at + 2])
    return [
        Note(
            "repeated_loss",
            "warning",
            f"{int(same.sum())} of {len(table)} rows repeat another's {', '.join(law.inputs)} and "
            f"loss to the last digit ({pair}): one run logged twice counts twice and narrows every "
            f"interval. Keep one of each, or give losses with more digits",
        )
    ]


def _tokenizers(law: LossLaw, table: RunTable) -> list[Note]:
    signs = []
    if "vocab_size" in table and not {"vocab_size", "vocab_params"} & set(law.inputs):
        sizes = table["vocab_size"]
        if sizes.max() / sizes.min() > 1 + _VOCABULARY:
            signs.append(f"vocabularies range from {sizes.min():.0f} to {sizes.max():.0f}")
    if "bits_per_byte" in table:
        per_byte = table["bits_per_byte"] / table["loss_nats"]
        if per_byte.max() / per_byte.min() > 1 + _BYTES_PER_TOKEN:
            tokens = per_byte * np.log(2)
            signs.append(f"a byte is {tokens.min():.3g} to {tokens.max():.3g} tokens")
    if not signs:
        return []
    return [
        Note(
            "mixed_tokenizers",
            "warning",
            f"{' and '.join(signs)}: losses per token of several tokenizers, or on several texts, "
            f"do not compare. Fit them apart, or give loss_nats per byte for all "
            f"(bits_per_byte * ln 2)",
        )
    ]


def _counts(law: LossLaw, table: RunTable) -> list[Note]:
    """Find one shape with two N, or embeddings that are counted in some rows only."""
    notes = []
    known = [name for name in _SHAPE if name in table]
    n = table[law.n_column]
    if {"n_layers", "d_model"} <= set(known):
        _, shape = np.unique(np.stack([table[name] for name in known]), axis=1, return_inverse=True)
        shape = shape.ravel()
        low, high = np.full(shape.max() + 1, np.inf), np.zeros(shape.max() + 1)
        np.minimum.at(low, shape, n)
        np.maximum.at(high, shape, n)
        if (apart := high / low > 1 + _COUNTS).any():
            rows = np.flatnonzero(shape == int(np.argmax(apart)))
            ends = rows[[int(np.argmin(n[rows])), int(np.argmax(n[rows]))]]
            what = (
                f"one shape has {law.n_column} = {n[ends[0]]:.6g} and {n[ends[1]]:.6g} "
                f"({_names(table, ends)}), as have {int(apart.sum())} of {len(apart)} shapes"
            )
            notes.append(_mixed_counts(what))
    if {"n_params", "n_params_body", "vocab_size", "d_model"} <= set(table):
        one_table = table["vocab_size"] * table["d_model"]
        tables = (table["n_params"] - table["n_params_body"]) / one_table
        if np.ptp(tables) > 0.5 and not _has_both_ties(table):
            ends = np.array([np.argmin(tables), np.argmax(tables)])
            what = (
                f"n_params - n_params_body is {tables.min():.2g} to {tables.max():.2g} tables of "
                f"vocab_size x d_model ({_names(table, ends)})"
            )
            notes.append(_mixed_counts(what))
    return notes


def _has_both_ties(table: RunTable) -> bool:
    return "tied_embeddings" in table and np.ptp(table["tied_embeddings"]) > 0


def _mixed_counts(what: str) -> Note:
    return Note(
        "mixed_counts",
        "warning",
        f"{what}: N is counted in several ways. Count it one way (n_params: all weights; "
        f"n_params_body: without embeddings and head), or give the shape and leave N out",
    )


def _averages(law: LossLaw, table: RunTable) -> list[Note]:
    """Find losses that fall too fast along a run to be final ones."""
    if not table.trunks:
        return []
    n, d, log_loss = table[law.n_column], table["n_tokens"], np.log(table["loss_nats"])
    trunk = np.unique(table.trunks, return_inverse=True)[1]
    order = np.lexsort((d, trunk))
    here, after = order[:-1], order[1:]
    in_one = (trunk[here] == trunk[after]) & (n[here] == n[after]) & (d[after] > 1.3 * d[here])
    is_late = (d[here] >= 1e9) & (d[here] >= 10 * n[here])
    here, after = here[in_one & is_late], after[in_one & is_late]
    if len(here) < 5:
        return []
    falls = (log_loss[here] - log_loss[after]) / np.log(d[after] / d[here])
    if np.median(falls) < _FAST_FALL:
        return []
    return [
        Note(
            "averaged_losses",
            "warning",
            f"between points of one run the loss falls as tokens**-{np.median(falls):.2f} (median "
            f"of {len(here)}, beyond 1e9 tokens), where final losses fall as **-.02 to **-.06: are "
            f"these averages over the run, from its first steps on, or schedules cut short? Give "
            f"the loss at the end of a finished schedule",
        )
    ]


def _groups(table: RunTable, surface: RobustSurface) -> list[Note]:
    split = surface.two_groups()
    if split is None:
        return []
    is_low, gap = split
    low, high = np.flatnonzero(is_low), np.flatnonzero(~is_low)
    is_bits = abs(gap + np.log(np.log(2))) < 0.06
    cause = (
        "their ratio is that of bits to nats"
        if is_bits
        else "tokenizers, texts, units of loss or recipes may differ"
    )
    return [
        Note(
            "two_groups",
            "warning",
            f"{len(low)} runs ({_names(table, low)}) have losses {np.expm1(-gap):.0%} from those "
            f"of the other {len(high)} ({_names(table, high)}) at like sizes and budgets: {cause}. "
            f"Fit them apart, or give the column that says why",
        )
    ]


def _far_below(table: RunTable, surface: RobustSurface) -> list[Note]:
    notes = []
    loss = table["loss_nats"]
    rows = surface.far_below()
    under = rows[loss[rows] < surface.floor_nats]
    if len(under):
        notes.append(
            Note(
                "loss_under_floor",
                "warning",
                f"{len(under)} runs ({_names(table, under)}) have losses down to "
                f"{loss[under].min():.4g}, under the floor of about {surface.floor_nats:.4g} that "
                f"the others agree on: no size and no data lead there. Check unit, evaluation text "
                f"(is it in the training data?) and row, or leave them out",
            )
        )
    above = rows[loss[rows] >= surface.floor_nats]
    if len(above):
        notes.append(
            Note(
                "loss_far_below",
                "warning",
                f"{len(above)} runs ({_names(table, above)}) have losses "
                f"{np.expm1(surface.residuals[above].min()):.0%} from where the others put them; "
                f"bad luck does not make a run that good. Check unit, evaluation text and row",
            )
        )
    return notes


def _names(table: RunTable, rows: Sequence[int] | np.ndarray) -> str:
    names = [repr(table.run_ids[int(row)]) for row in rows[:3]]
    return ", ".join(names) + (" ..." if len(rows) > 3 else "")
