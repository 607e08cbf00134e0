"""A trunk's finished points as rows of a run table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bayeslaw.runs import COLUMNS, LABELS, SHAPE_COLUMNS, Job, JobResult
from bayeslaw.study.suite.jobs import trained_tokens

# What the lab's record calls what a row says in words.
_RECORDED = {
    "attention": "attention",
    "attention_version": "attention_version",
    "device": "device",
    "torch": "torch",
    "corpus": "corpus",
    "tokenizer": "tokenizer_sha256",
    "code": "code",
}
_FLOPS = ("6n_params", "6n_params_body", "attention_aware")


def rows_of(job: Job, result: JobResult) -> list[dict[str, Any]]:
    """Return one row a finished point, branches first, by column name.

    A trunk that failed gives the branches that it had finished. What the lab did not tell (another
    lab than ours need not) is None.
    """
    points: list[Mapping[str, Any]] = list(result.branches)
    if result.status == "done":
        # Of the job's time, the trunk's own end gets the share of its own tokens.
        share = (job.n_tokens or 0) / trained_tokens(job)
        points.append(
            {
                "n_tokens": job.n_tokens,
                "loss_nats": result.loss_nats,
                "loss_stderr": result.loss_stderr,
                "bits_per_byte": result.bits_per_byte,
                "seconds": result.seconds * share,
            }
        )
    return [_row(job, result, point) for point in points]


def _row(job: Job, result: JobResult, point: Mapping[str, Any]) -> dict[str, Any]:
    shape, hyperparameters, record = job.architecture, job.hyperparameters, result.record
    assert hyperparameters is not None
    n_tokens = int(point["n_tokens"])
    values: dict[str, Any] = {
        "trunk": job.run_id,
        "finished": True,
        "n_tokens": n_tokens,
        "loss_nats": point["loss_nats"],
        "loss_stderr": point.get("loss_stderr"),
        "bits_per_byte": point.get("bits_per_byte"),
        "cost_gpu_hours": point["seconds"] / 3600,
        "epochs": _epochs(record, n_tokens),
        "seed": job.seed,
        "threads": job.threads,
        "precision": job.precision,
        "optimizer": hyperparameters.optimizer,
        "schedule": hyperparameters.schedule,
        **{name: record.get(theirs) for name, theirs in _RECORDED.items()},
    }
    values |= {name: getattr(shape, name) for name in SHAPE_COLUMNS}
    for name in (
        "learning_rate", "batch_tokens", "seq_len", "warmup_tokens", "decay_fraction",
        "weight_decay",
    ):  # fmt: skip
        values[name] = getattr(hyperparameters, name)
    for formula in _FLOPS:
        per_token = shape.train_flops_per_token(formula, hyperparameters.seq_len)
        values[f"train_flops_{formula}"] = per_token * n_tokens
    ordered = {name: values[name] for name in (*COLUMNS, *LABELS) if name in values}
    return {"run_id": f"{job.run_id}-{n_tokens}", **ordered}


def _epochs(record: Mapping[str, Any], n_tokens: int) -> float | None:
    if not record.get("epochs") or not record.get("tokens_seen"):
        return None
    return record["epochs"] * n_tokens / record["tokens_seen"]
