"""The public tables, read where they lie: one table is one dataset, one loss, one recipe.

Every reader takes a data folder and returns its tables; nothing of a row is kept in this project.
Sweeps over learning rate and batch are reduced to the best run of every size and token budget, for
a law speaks of tuned runs; logged curves are thinned, for the points of one run are correlated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bayeslaw.runs import RunTable

MAX_POINTS_A_RUN = 12
"""Of a logged curve, evenly spaced in log tokens."""


@dataclass(frozen=True)
class Table:
    """Hold one public table.

    Attributes:
        name: ``family/recipe``, such as ``gadre/rpj``.
        source_id: The folder it was read from; every table of it shares text, code and people, so
            nothing learnt on one may be used to score another.
        runs: Its rows.
    """

    name: str
    source_id: str
    runs: RunTable


def read_tables(folder: Path) -> dict[str, Table]:
    """Return every table whose file is in the folder, by name, in a fixed order."""
    tables = {}
    for source_id, (file, reader) in _READERS.items():
        if (path := folder / source_id / file).exists():
            for recipe, rows, trunks in reader(path):
                runs = _table(rows, trunks, f"{source_id}/{recipe}")
                tables[runs.source] = Table(runs.source, source_id, runs)
    return tables


Rows = Iterator[tuple[str, pd.DataFrame, "pd.Series | None"]]


def _table(rows: pd.DataFrame, trunks: pd.Series | None, name: str) -> RunTable:
    # One size and budget twice (a repeat, or an isoFLOP point in two sweeps) is two runs.
    columns = {c: rows[c].to_numpy(float) for c in rows}
    return RunTable.from_columns(
        columns,
        source=name,
        trunks=() if trunks is None else tuple(trunks.astype(str)),
    )


def _chinchilla(path: Path) -> Rows:
    rows = pd.read_csv(path)
    kept = {"n_params": rows.N.round(), "n_tokens": rows.D_tokens.round(), "loss_nats": rows.loss}
    yield "points", pd.DataFrame(kept).drop_duplicates(), None


def _gadre(path: Path) -> Rows:
    every = pd.read_csv(path)
    # The source leaves one of the two embedding matrices out; we leave out both.
    every["N_nonembed"] = every.N_total - 2 * (every.N_total - every.N_nonembed)
    for dataset, rows in every.groupby("train_dataset"):
        yield str(dataset), _frame(rows, loss="loss.c4_val"), None


def _gemstones(path: Path) -> Rows:
    every = pd.read_csv(path)
    for series in ("constant_lr", "lr_half_ablation", "cooldown_end"):
        rows = every[every.series == series]
        if len(rows):
            rows = _thinned(pd.DataFrame(rows), ["hidden_size", "n_layers"])
            trunk = rows.hidden_size.astype(str) + "x" + rows.n_layers.astype(str)
            yield series, _frame(rows, loss="train_loss"), trunk


def _marin(path: Path) -> Rows:
    for dataset, rows in pd.read_csv(path).groupby("dataset"):
        # Nominal budgets were filled twice here and there; the shape follows from width.
        yield str(dataset), _frame(rows, loss="paloma_macro_loss").drop_duplicates(), None


def _misfitting(path: Path) -> Rows:
    rows = pd.read_csv(path)
    yield (
        "best_lr",
        _frame(_best(rows, ["model", "D_tokens"], "c4_eval_loss"), "c4_eval_loss"),
        None,
    )


def _morph(path: Path) -> Rows:
    rows = pd.read_csv(path)
    frame = _frame(rows, loss="loss")
    frame["mlp_attention_ratio"] = rows.mlp_attn_param_ratio
    yield "dclm", frame, rows.variant


def _porian(path: Path) -> Rows:
    names = ["dataset", "hparams", "warmup", "decay", "param_count_def", "loss_split"]
    for recipe, rows in pd.read_csv(path).groupby(names):
        kept = {"n_tokens": rows.D_tokens.round(), "loss_nats": rows.loss}
        # Kaplan's count leaves the head out, the standard one has it: so they are all weights here.
        column = "n_params"
        frame = pd.DataFrame({column: rows.N.round(), **kept})
        # Losses of one size are read off one run's curve at each budget.
        yield (
            "_".join(map(str, np.atleast_1d(np.array(recipe, dtype=object)))),
            frame,
            rows.N.astype(int),
        )


def _steplaw(path: Path) -> Rows:
    best = _best(pd.read_csv(path), ["hidden_size", "n_layers", "D_tokens"], "loss_smooth")
    frame = _frame(best, loss="loss_smooth")
    frame["mlp_attention_ratio"] = best.mlp_attn_param_ratio
    yield "dense", frame, None


def _xlstm(path: Path) -> Rows:
    for file, rows in pd.read_csv(path).groupby("file"):
        yield str(file), _frame(rows, loss="val_loss"), None


_READERS: Mapping[str, tuple[str, Callable[[Path], Rows]]] = {
    "chinchilla_epoch": ("points.csv", _chinchilla),
    "gadre": ("runs.csv", _gadre),
    "gemstones": ("train_loss.csv", _gemstones),
    "marin_isoflop": ("runs.csv", _marin),
    "misfitting": ("final_runs.csv", _misfitting),
    "morph": ("runs.csv", _morph),
    "porian": ("isoflop_points.csv", _porian),
    "steplaw": ("dense_runs.csv", _steplaw),
    "xlstm_scaling": ("isoflop_runs.csv", _xlstm),
}


def _frame(rows: pd.DataFrame, loss: str) -> pd.DataFrame:
    """Return the columns of a run table under our names, those that the rows have."""
    names = {"N_total": "n_params", "N_nonembed": "n_params_body", "D_tokens": "n_tokens"}
    frame = pd.DataFrame({ours: rows[theirs] for theirs, ours in names.items() if theirs in rows})
    frame = frame.round()
    frame["loss_nats"] = rows[loss]
    width = next((rows[name] for name in ("hidden_size", "d_model") if name in rows), None)
    if width is not None:
        frame["aspect_ratio"] = width / rows.n_layers
        if "n_params_body" in frame:
            frame["relative_width"] = width / np.sqrt(frame.n_params_body)
    return frame


def _best(rows: pd.DataFrame, cell: list[str], loss: str) -> pd.DataFrame:
    return rows.loc[rows.groupby(cell)[loss].idxmin()]


def _thinned(rows: pd.DataFrame, run: list[str]) -> pd.DataFrame:
    """Return of every run's curve the points nearest to even steps in log tokens."""
    kept = []
    for _, curve in rows.sort_values("D_tokens").groupby(run):
        wanted = np.geomspace(curve.D_tokens.iloc[0], curve.D_tokens.iloc[-1], MAX_POINTS_A_RUN)
        nearest = np.abs(np.log(curve.D_tokens.to_numpy()[:, None] / wanted)).argmin(axis=0)
        kept.append(curve.iloc[np.unique(nearest)])
    return pd.concat(kept)
