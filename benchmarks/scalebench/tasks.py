"""ScaleBench's tasks: how each table's columns are the library's, and what a run of it costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

Columns = Mapping[str, np.ndarray]

# Where all runs of a task saw as much text, how much is a constant that no prediction depends on.
_CLARK_TOKENS = 1.3e11
_PARSCALE_TOKENS = 4.2e10
_UPCYCLED_TOKENS = 1e11
# The tables' batches are sequences of so many tokens (Step Law's data).
_STEPLAW_SEQUENCE = 2048.0
# Rough: they only say what of the text a token is, and how wide an embedding is.
_CHARACTERS_PER_TOKEN = 4.0
_EMBEDDING_WIDTH = 1024.0
UNIGRAM_LOSS_NATS = 8.0
"""What is added to `vocab`'s losses, which are less those of token frequencies and so negative.

About the loss of token frequencies over some ten thousand tokens. Laws are of positive losses.
"""


@dataclass(frozen=True)
class Task:
    """Say how a table of ScaleBench is read.

    Attributes:
        name: Of its folder, without the suffix ``_scaling_law``.
        loss: Its column of losses.
        inputs: The columns that a law may use.
        columns: From the table's columns to the library's, each ``(run,)``.
        cost: Of each run, in the benchmark's own units ``(run,)``.
        law: The one law that part A fits.
        further: Columns that only the cost needs.
        shift_nats: Added to the losses before a fit, and taken off predictions.
        checkpoints: Shares of the pool's cost at which the target is predicted.
    """

    name: str
    loss: str
    inputs: tuple[str, ...]
    columns: Callable[[Columns], dict[str, np.ndarray]]
    cost: Callable[[Columns], np.ndarray]
    law: str
    further: tuple[str, ...] = ()
    shift_nats: float = 0.0
    checkpoints: tuple[float, ...] = (0.01, 0.05, 0.1)


def _like(values: np.ndarray, constant: float) -> np.ndarray:
    return np.full(len(values), constant)


def _moe(t: Columns) -> dict[str, np.ndarray]:
    return {
        "n_params_body_active": t["dense_parameter_count"],
        "n_tokens": _like(t["num_experts"], _CLARK_TOKENS),
        "n_experts": t["num_experts"],
    }


def _parallel(t: Columns) -> dict[str, np.ndarray]:
    return {
        "n_params_body": t["num_params"],
        "n_tokens": _like(t["num_params"], _PARSCALE_TOKENS),
        "n_streams": t["parallel_size"],
    }


def _vocab(t: Columns) -> dict[str, np.ndarray]:
    return {
        "n_params_body": t["non_vocab_parameters"],
        "n_tokens": t["num_characters"] / _CHARACTERS_PER_TOKEN,
        "vocab_params": t["vocab_size"] * _EMBEDDING_WIDTH,
        "n_characters": t["num_characters"],
        "unigram_loss_nats": _like(t["vocab_size"], UNIGRAM_LOSS_NATS),
    }


def _lr_bsz(t: Columns) -> dict[str, np.ndarray]:
    return {
        "n_params_body": t["non_embedding_param_size"],
        "n_tokens": t["data_size"],
        "learning_rate": t["lr"],
        "batch_tokens": t["bsz"] * _STEPLAW_SEQUENCE,
    }


def _data_constrained(t: Columns) -> dict[str, np.ndarray]:
    return {
        "n_params": t["params"],
        "n_tokens": t["tokens"],
        "unique_tokens": t["unique_tokens"],
    }


def _farseer(t: Columns) -> dict[str, np.ndarray]:
    return {"n_params": t["N"], "n_tokens": t["D"]}


def _sparsity(t: Columns) -> dict[str, np.ndarray]:
    # The table counts weights in billions.
    active = t["N_active"] * 1e9
    return {
        "n_params_active": active,
        "n_tokens": _like(active, _UPCYCLED_TOKENS),
        "n_params": t["P"] * active,
    }


TASKS: Mapping[str, Task] = {
    task.name: task
    for task in (
        Task(
            "moe",
            "loss_validation",
            ("num_experts", "dense_parameter_count"),
            _moe,
            lambda t: t["dense_parameter_count"] * t["num_experts"],
            "routed_floor",
        ),
        Task(
            "parallel",
            "loss",
            ("num_params", "parallel_size"),
            _parallel,
            lambda t: t["num_params"],
            "parallel_scaling",
        ),
        Task(
            "vocab",
            "unigram_normalized_loss",
            ("non_vocab_parameters", "vocab_size", "num_characters"),
            _vocab,
            lambda t: t["non_vocab_parameters"] * t["num_characters"],
            "vocabulary_rows",
            shift_nats=UNIGRAM_LOSS_NATS,
        ),
        Task(
            "lr_bsz",
            "lm_loss",
            ("lr", "bsz", "data_size", "non_embedding_param_size"),
            _lr_bsz,
            lambda t: 6.0 * t["non_embedding_param_size"] * t["data_size"],
            "tuned",
        ),
        Task(
            "data_constrained",
            "loss",
            ("unique_tokens", "params", "tokens"),
            _data_constrained,
            lambda t: 6.0 * t["params"] * t["tokens"],
            "data_constrained",
        ),
        Task(
            "farseer",
            "loss",
            ("N", "D"),
            _farseer,
            lambda t: 6.0 * t["N"] * t["D"],
            "farseer",
        ),
        Task(
            "sparsity",
            "loss",
            ("P", "N_active"),
            _sparsity,
            lambda t: 6.0 * t["N_dense"] * t["D1"] + 6.0 * t["N_active"] * t["D2"],
            "upcycled",
            further=("N_dense", "D1", "D2"),
            checkpoints=(0.2, 0.35, 0.5),
        ),
    )
}
"""Every task that a law of the library can be asked, by name."""
