"""What a training run leaves on record besides its losses."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from bayeslaw.lab.corpus import Corpus
from bayeslaw.lab.machine import device_name, versions
from bayeslaw.lab.network import Network
from bayeslaw.lab.train.checkpoint import Progress
from bayeslaw.lab.train.plan import Plan
from bayeslaw.lab.train.schedule import learning_rate
from bayeslaw.runs import Job


def training_record(
    job: Job, plan: Plan, progress: Progress, corpus: Corpus, network: Network
) -> dict[str, Any]:
    """Collect counts, hashes, schedule, versions and machine of a run, as JSON-ready values."""
    architecture, hyperparameters = job.architecture, plan.hyperparameters
    attention, seq_len = network.attention, hyperparameters.seq_len
    tokens_seen = plan.tokens_after(progress.step)
    last_step = max(progress.step - 1, 0)
    return {
        "params_by_group": architecture.params_by_group,
        "n_params": architecture.n_params,
        "n_params_body": architecture.n_params_body,
        "n_steps": plan.n_steps,
        "steps": progress.step,
        "n_restarts": progress.n_restarts,
        "tokens_seen": tokens_seen,
        "epochs": tokens_seen / (corpus.sequences_per_epoch(seq_len) * seq_len),
        "tokens_per_second": tokens_seen / max(progress.seconds, 1e-9),
        "final_learning_rate": learning_rate(last_step, plan.n_steps, hyperparameters),
        "seed": job.seed,
        "corpus": corpus.manifest.fingerprint,
        "corpus_source": corpus.manifest.source,
        "hyperparameters": asdict(hyperparameters),
        "schedule": "warm-up, constant, linear decay to zero",
        "optimizer": "AdamW, decay on matrices only",
        "attention": attention.name,
        "attention_version": attention.version,
        "precision": job.precision,
        "device": device_name(job.device, job.threads),
        "threads": job.threads,
        "train_flops": architecture.train_flops_per_token("attention_aware", seq_len) * tokens_seen,
        "train_flops_formula": "attention_aware",
        **versions(),
    }
