"""The names a latency table uses, and their units."""

from __future__ import annotations

from collections.abc import Mapping

from bayeslaw.runs.columns import COLUMNS, Column

FIGURES: Mapping[str, str] = {
    "ttft_ms": "time to the first token: one prefill",
    "tpot_ms": "time per output token after the first: one decode step, the mean of a request",
    "e2el_ms": "a whole request: one prefill and a step for every later token",
    "forward_ms": "one forward pass over a whole sequence, logits of every position",
}
"""What a row's latency is of. Two figures are never averaged: they are different quantities."""

LABELS: Mapping[str, str] = {
    "model": "the network's name, or its shape",
    "figure": "one of `FIGURES`",
    "device": "by name; one name is one kind of device",
    "engine": "what runs the network",
    "engine_version": "of the engine; empty when unknown",
    "precision": "of the arithmetic, a key of `bayeslaw.space.BYTES_PER_VALUE`",
    "session": "one process's timings share it; empty when unknown",
}
"""What a row says in words; every table has all of them."""

MEASURED: Mapping[str, Column] = {
    "latency_ms": Column("ms", "the figure, median where there are repeats; NaN out of memory"),
    "repeat_sd": Column("log", "standard deviation of one repeat in log latency; NaN unknown"),
    "n_repeats": Column("count", "timed repeats; 0 out of memory"),
    "out_of_memory": Column("0 or 1", "whether the case did not fit"),
    "memory_bytes": Column("byte", "peak memory; NaN unknown"),
}
"""What only a measurement has; a table of questions has none of them."""

LOAD: Mapping[str, Column] = {
    "batch_size": Column("count", "sequences served together; a mean where they come and go"),
    "prompt_tokens": Column("count", "tokens read before the first output"),
    "output_tokens": Column("count", "tokens written by each sequence; 1 for a forward pass"),
    "n_devices": Column("count", "devices that share every layer (tensor parallel)"),
}
"""What was served, on how many devices."""

SHAPE: Mapping[str, Column] = {
    name: COLUMNS[name]
    for name in (
        "d_model", "n_layers", "n_heads", "n_kv_heads", "head_dim", "d_ff", "vocab_size",
    )
}  # fmt: skip
"""The network; where layers differ, means over layers (counts are linear in them)."""

_KINDS = {
    "gemm_flops": Column("FLOP", "products with weights"),
    "attention_flops": Column("FLOP", "scores and mixing"),
    "weight_bytes": Column("byte", "weights read"),
    "cache_bytes": Column("byte", "cache read or written"),
    "activation_bytes": Column("byte", "elementwise traffic of an unfused block"),
    "score_bytes": Column("byte", "score matrices, where an engine stores them"),
}

WORK: Mapping[str, Column] = {
    "prefill_passes": Column("count", "prefills in the figure"),
    "decode_passes": Column("count", "decode steps in the figure"),
    **{
        f"{phase}_{kind}": Column(column.unit, f"{column.meaning}, of one {phase} pass")
        for phase in ("prefill", "decode")
        for kind, column in _KINDS.items()
    },
}
"""Passes in the figure, and the work of each (`bayeslaw.space.Work`), over all devices."""

EXTRAS: Mapping[str, Column] = {
    "bias": Column("0 or 1", "whether products add a bias"),
    "is_recurrent": Column("0 or 1", "whether a state of fixed size takes the cache's place"),
    "is_train": Column("0 or 1", "whether the forward pass kept what a backward pass needs"),
    "request_rate": Column("1/s", "requests that arrive a second; 0 for a static batch"),
    "is_saturated": Column("0 or 1", "whether all requests came at once"),
    "cuda_graph": Column("0 or 1", "whether decode steps are replayed graphs"),
    "compiled": Column("0 or 1", "whether blocks are compiled"),
    "threads": Column("count", "CPU threads; 0 where it does not matter or is not known"),
}
"""Features that some tables have; a table without one has 0. Readers may name others. A model takes
them as they are, unlike counts, which it takes in doublings."""

LATENCY_COLUMNS: Mapping[str, Column] = {**MEASURED, **LOAD, **SHAPE, **WORK, **EXTRAS}
"""Every column, by name."""
