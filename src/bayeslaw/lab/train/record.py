"""What a training run leaves on record besides its losses."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, get_args

from bayeslaw.lab.code_version import code_version
from bayeslaw.lab.corpus import Corpus
from bayeslaw.lab.machine import device_name, versions
from bayeslaw.lab.network import Network
from bayeslaw.lab.train.plan import Plan
from bayeslaw.lab.train.progress import Progress
from bayeslaw.lab.train.schedule import rate_fraction
from bayeslaw.lab.train.world import World
from bayeslaw.runs import Job
from bayeslaw.space import DEVICES
from bayeslaw.space.architecture import TrainFlopsFormula


def training_record(
    job: Job, plan: Plan, progress: Progress, corpus: Corpus, network: Network, world: World
) -> dict[str, Any]:
    """Collect counts, hashes, schedule, versions and machine of a run, as JSON-ready values."""
    architecture, hyperparameters = job.architecture, plan.hyperparameters
    attention, seq_len = network.attention, hyperparameters.seq_len
    tokens_seen = plan.tokens_after(progress.step)
    trained = _tokens_trained(plan, progress)
    train_seconds = max(progress.seconds["train"], 1e-9)
    device = device_name(job.device, job.threads)
    flops_per_token = {
        formula: architecture.train_flops_per_token(formula, seq_len)
        for formula in get_args(TrainFlopsFormula)
    }
    flops_per_second = flops_per_token["attention_aware"] * trained / train_seconds
    return {
        "params_by_group": architecture.params_by_group,
        "n_params": architecture.n_params,
        "n_params_body": architecture.n_params_body,
        "n_steps": plan.n_steps,
        "steps": progress.step,
        "n_restarts": progress.n_restarts,
        "n_loss_spikes": progress.n_spikes,
        "tokens_seen": tokens_seen,
        "tokens_trained": trained,
        "epochs": tokens_seen / (corpus.sequences_per_epoch(seq_len) * seq_len),
        "seconds_by_work": progress.seconds,
        "tokens_per_second": trained / train_seconds,
        "flops_per_second": flops_per_second,
        "mfu": _utilisation(flops_per_second, device, job.precision, world.size),
        "final_learning_rate": hyperparameters.learning_rate
        * rate_fraction(max(progress.step - 1, 0), plan.n_steps, hyperparameters),
        "seed": job.seed,
        "corpus": corpus.manifest.fingerprint,
        "corpus_source": corpus.manifest.source,
        "tokenizer_sha256": corpus.manifest.tokenizer_sha256,
        "hyperparameters": asdict(hyperparameters),
        "attention": attention.name,
        "attention_version": attention.version,
        "precision": job.precision,
        "compile": job.compile,
        "recompute_activations": job.recompute_activations,
        "micro_batch_tokens": job.micro_batch_tokens,
        "device": device,
        "threads": job.threads,
        "processes": world.size,
        "train_flops": {name: each * tokens_seen for name, each in flops_per_token.items()},
        "code": code_version(),
        **versions(),
    }


def _tokens_trained(plan: Plan, progress: Progress) -> int:
    """Count the trunk's tokens and those of the branches' decays."""
    decays = sum(
        branch.n_sequences - branch.leaves_at * plan.batch_sequences
        for branch in plan.finishes[: len(progress.branches)]
    )
    return plan.tokens_after(progress.step) + decays * plan.hyperparameters.seq_len


def _utilisation(
    flops_per_second: float, device: str, precision: str, n_devices: int
) -> float | None:
    """Return the share of the datasheet's peak; None for a device or precision without one."""
    if device not in DEVICES or precision not in DEVICES[device].peak_flops:
        return None
    return flops_per_second / (DEVICES[device].peak_flops[precision] * n_devices)
