"""The rows that a published fit was made from, as far as they are public, read where they lie."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from bayeslaw.runs import RunTable

DATA = Path(os.environ.get("BAYESLAW_DATA", Path(__file__).parents[3] / "shared" / "data"))
# Clark et al. train with batches of 256 sequences of 2,048 tokens.
_ROUTED_TOKENS_PER_STEP = 256 * 2048
# ParScale's files do not say how many tokens; the law has no term for them, a table must name some.
_ANY_TOKENS = 1e9


def _table(source: str, trunks: pd.Series | None = None, **columns: pd.Series) -> RunTable:
    # Counts that were read off a figure or computed are rounded; rows that repeat are one row.
    frame = pd.DataFrame(columns)
    counts = [name for name in frame if name.startswith("n_")]
    frame[counts] = frame[counts].round()
    kept = ~frame.duplicated()
    return RunTable.from_columns(
        {name: frame.loc[kept, name].to_numpy(float) for name in frame},
        source=source,
        trunks=() if trunks is None else tuple(trunks[kept].astype(str)),
    )


def chinchilla_points() -> RunTable:
    """Epoch's points less the five of fewest tokens a weight, which its authors leave out."""
    rows = pd.read_csv(DATA / "chinchilla_epoch" / "points.csv")
    rows = rows.iloc[np.argsort((rows.D_tokens / rows.N).to_numpy())[5:]]
    return _table("chinchilla_epoch", n_params=rows.N, n_tokens=rows.D_tokens, loss_nats=rows.loss)


def gadre(dataset: str) -> RunTable:
    """Every run on one corpus, under-trained ones too; loss on C4."""
    rows = pd.read_csv(DATA / "gadre" / "runs.csv")
    rows = rows[rows.train_dataset == dataset]
    loss = pd.Series(rows["loss.c4_val"])
    return _table(f"gadre {dataset}", n_params=rows.N_total, n_tokens=rows.D_tokens, loss_nats=loss)


def gemstones(series: str, least_tokens: float = 0.0, most_tokens: float = np.inf) -> RunTable:
    """Logged training losses of one series, a row every two billion tokens."""
    rows = pd.read_csv(DATA / "gemstones" / "train_loss.csv")
    inside = (rows.D_tokens >= least_tokens) & (rows.D_tokens <= most_tokens)
    rows = rows[(rows.series == series) & inside]
    return _table(
        f"gemstones {series}",
        trunks=rows.hidden_size.astype(str) + "x" + rows.n_layers.astype(str),
        n_params=rows.N_total, n_tokens=rows.D_tokens, loss_nats=rows.train_loss,
        d_model=rows.hidden_size, n_layers=rows.n_layers,
    )  # fmt: skip


def morph() -> RunTable:
    """The rows of figure 7 that are public: 20 tokens a weight, and 80M at 160."""
    rows = pd.read_csv(DATA / "morph" / "runs.csv")
    long = (rows.size_group == "80M") & (rows.token_regime == "160N")
    fitted = rows.size_group.isin(["80M", "116M", "164M", "237M", "313M"])
    rows = rows[long | (fitted & (rows.token_regime == "20N"))]
    return _table(
        "morph", n_params=rows.N_total, n_tokens=rows.D_tokens, loss_nats=rows.loss,
        aspect_ratio=rows.aspect_ratio,
    )  # fmt: skip


def parallel(group: str) -> RunTable:
    """ParScale's losses with up to four streams."""
    rows = pd.read_parquet(DATA / "scalebench" / "parallel" / "train.parquet")
    rows = rows[rows.group == group]
    return _table(
        f"parallel {group}", n_params_body=rows.num_params, n_streams=rows.parallel_size,
        n_tokens=pd.Series(_ANY_TOKENS, rows.index), loss_nats=rows.loss,
    )  # fmt: skip


def routed() -> RunTable:
    """Last losses of S-Base runs with one active expert."""
    curves = pd.read_parquet(DATA / "routed_lm" / "curves.parquet")
    rows = curves.sort_values("step").groupby("hyper_id").last()
    rows = rows[(rows.router_type == "S-Base") & (rows.k == 1)]
    return _table(
        "routed_lm S-Base", n_params_body=rows.total_parameter_count,
        n_params_body_active=rows.dense_parameter_count, n_experts=rows.num_experts,
        n_tokens=rows.step * _ROUTED_TOKENS_PER_STEP, loss_nats=rows.loss_validation,
    )  # fmt: skip


TABLES: Mapping[str, Callable[[], RunTable]] = {
    "epoch_2024": chinchilla_points,
    "gadre_c4": lambda: gadre("c4_original"),
    "gadre_rpj": lambda: gadre("rpj"),
    "gadre_rw": lambda: gadre("rw_original"),
    "gemstones_hot_100b": lambda: gemstones("constant_lr", most_tokens=1e11),
    "gemstones_100b_on": lambda: gemstones("constant_lr", least_tokens=1e11),
    "gemstones_120b_on": lambda: gemstones("constant_lr", least_tokens=1.2e11),
    "gemstones_cooldown": lambda: gemstones("cooldown_end"),
    "gemstones_width_depth": lambda: gemstones("constant_lr", least_tokens=1e11),
    "gemstones_width_depth_params": lambda: gemstones("constant_lr", least_tokens=1e11),
    "p2_chinchilla": morph,
    "p2_tied": morph,
    "p2_free_gamma": morph,
    "parscale_stack": lambda: parallel("stack"),
    "parscale_pile": lambda: parallel("pile"),
    "clark_2022_s_base": routed,
}
"""Published fit to the rows at hand that its source fitted."""
