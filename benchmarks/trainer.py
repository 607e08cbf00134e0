"""Tokens per second of training on one CPU thread: ours, a plain nanoGPT-style loop, transformers.

The three have the same weights at the start, the same batches, optimizer and thread. They take
turns: each round every trainer has a block of steps, in a shuffled order, so that a busy machine
hits all alike; a round gives one ratio and the median over rounds counts. Before that all three
train from the same weights on the same batches, and their losses must agree: none does less work.
"""

from __future__ import annotations

import itertools
import json
import math
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bayeslaw.lab.corpus import Corpus, build_corpus
from bayeslaw.lab.network import Network
from bayeslaw.lab.train.optimizer import build_optimizer
from bayeslaw.lab.train.step import TrainingStep
from bayeslaw.lab.train.world import World
from bayeslaw.runs import Hyperparameters
from bayeslaw.space import Architecture
from benchmarks.harness import WORK, circumstances, run_benchmark
from benchmarks.peers import PlainNetwork, hf_llama, plain_batch, plain_optimizer, plain_step

OURS, PEERS = "ours", ("plain", "transformers")
ALIKE_STEPS = 30
ALIKE_NATS = 0.01
_CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Shape:
    """Name one network and its batch."""

    name: str
    n_layers: int
    d_model: int
    n_heads: int
    n_kv_heads: int
    head_dim: int
    d_ff: int
    seq_len: int = 128
    batch_tokens: int = 1024

    @property
    def architecture(self) -> Architecture:
        return Architecture(
            n_layers=self.n_layers, d_model=self.d_model, n_heads=self.n_heads,
            n_kv_heads=self.n_kv_heads, head_dim=self.head_dim, d_ff=self.d_ff,
            vocab_size=256, tied_embeddings=True,
        )  # fmt: skip

    @property
    def n_sequences(self) -> int:
        return self.batch_tokens // self.seq_len

    @property
    def hyperparameters(self) -> Hyperparameters:
        return Hyperparameters(
            learning_rate=0.35 / self.d_model * (4 / self.n_layers) ** 0.3,
            batch_tokens=self.batch_tokens,
            seq_len=self.seq_len,
        )


# Wide ones have a KV head a query head, deep ones four query heads to one.
SHAPES = (
    Shape("20k wide", 1, 48, 3, 3, 16, 72),
    Shape("20k deep", 4, 24, 4, 1, 8, 40),
    Shape("50k wide", 2, 48, 3, 3, 16, 112),
    Shape("50k deep", 3, 48, 4, 1, 16, 64),
    Shape("150k wide", 2, 96, 6, 6, 16, 136),
    Shape("150k deep", 8, 48, 4, 1, 16, 80),
    Shape("300k wide", 2, 160, 5, 5, 32, 96),
    Shape("300k deep", 8, 64, 4, 1, 16, 144),
    Shape("5M", 6, 256, 8, 2, 32, 888, seq_len=256),
)


@dataclass(frozen=True, slots=True)
class Trainer:
    """One way to train.

    Attributes:
        network: What is trained.
        fetch: Returns the next batch of the trainer's own making from the corpus.
        learn: Takes a step on a batch and returns its loss.
        batch_of: Makes the trainer's own kind of batch from tokens ``(sequence, seq_len + 1)``.
    """

    network: torch.nn.Module
    fetch: Callable[[], Any]
    learn: Callable[[Any], torch.Tensor]
    batch_of: Callable[[np.ndarray], Any]


def trainers(shape: Shape, corpus: Corpus) -> dict[str, Trainer]:
    """Build all three from the same weights."""
    a = shape.architecture
    network = Network(a, max_context=shape.seq_len)
    found = {OURS: _ours(shape, network, corpus)}
    tokens = np.asarray(corpus.train)
    for name, build in (("plain", PlainNetwork), ("transformers", hf_llama)):
        peer = build(a, shape.seq_len)
        peer.copy_from(network)
        found[name] = _peer(shape, peer, tokens)
    counts = {
        name: sum(weight.numel() for weight in trainer.network.parameters())
        for name, trainer in found.items()
    }
    if set(counts.values()) != {a.n_params}:
        raise ValueError(f"the networks differ in size: {counts}, should be {a.n_params}")
    return found


def _ours(shape: Shape, network: Network, corpus: Corpus) -> Trainer:
    h, n_sequences = shape.hyperparameters, shape.n_sequences
    step = TrainingStep(
        network,
        build_optimizer(network, h),
        World(0, 1, _CPU),
        grad_clip=h.grad_clip,
        autocast=torch.autocast("cpu", dtype=torch.bfloat16, enabled=False),
    )
    numbers = itertools.count(0, n_sequences)
    return Trainer(
        network,
        fetch=lambda: corpus.training_batch(0, next(numbers), n_sequences, shape.seq_len),
        learn=lambda batch: step(batch, 1.0),
        batch_of=lambda tokens: tokens,
    )


def _peer(shape: Shape, peer: torch.nn.Module, tokens: np.ndarray) -> Trainer:
    h = shape.hyperparameters
    optimizer = plain_optimizer(peer, h)

    def fetch() -> Any:
        starts = torch.randint(len(tokens) - shape.seq_len, (shape.n_sequences,))
        return plain_batch(tokens, starts, shape.seq_len, _CPU)

    def batch_of(rows: np.ndarray) -> Any:
        whole = torch.from_numpy(rows.astype(np.int64))
        return whole[:, :-1].contiguous(), whole[:, 1:].contiguous()

    return Trainer(peer, fetch, lambda batch: plain_step(peer, optimizer, [batch], 1, h), batch_of)


def losses_after(found: Mapping[str, Trainer], shape: Shape, corpus: Corpus) -> dict[str, float]:
    """Train all on the same batches; return each one's mean loss over the last five [nats]."""
    losses: dict[str, list[float]] = {name: [] for name in found}
    for number in range(ALIKE_STEPS):
        first = number * shape.n_sequences
        batch = corpus.training_batch(1, first, shape.n_sequences, shape.seq_len)
        for name, trainer in found.items():
            losses[name].append(float(trainer.learn(trainer.batch_of(batch))))
    return {name: statistics.fmean(values[-5:]) for name, values in losses.items()}


def measure_shape(shape: Shape, corpus: Corpus, rounds: int, seconds: float) -> dict[str, Any]:
    """Race the three on one shape.

    Args:
        shape: To train.
        corpus: To train on.
        rounds: Each has one block of steps a trainer [count].
        seconds: Of a block, about [s].
    """
    found = trainers(shape, corpus)
    losses = losses_after(found, shape, corpus)
    apart = max(losses.values()) - min(losses.values())
    if not apart < ALIKE_NATS:
        raise ValueError(f"{shape.name}: the losses differ by {apart:.3g} nats: {losses}")
    n_steps = max(2, math.ceil(seconds / min(_block(t, 2)["wall"] / 2 for t in found.values())))
    turns = random.Random(0)
    blocks: dict[str, list[dict[str, float]]] = {name: [] for name in found}
    for _ in range(rounds):
        for name in turns.sample(list(found), len(found)):
            blocks[name].append(_block(found[name], n_steps))
    n_tokens = n_steps * shape.batch_tokens
    return {
        **asdict(shape),
        "n_params": shape.architecture.n_params,
        "n_params_body": shape.architecture.n_params_body,
        "steps_per_block": n_steps,
        "rounds": rounds,
        "losses_nats": losses,
        "tokens_per_second": {
            name: _quantiles([n_tokens / block["wall"] for block in rows])
            for name, rows in blocks.items()
        },
        "ratio": {peer: _ratios(blocks, peer, "wall") for peer in PEERS},
        "ratio_of_processor_time": {peer: _ratios(blocks, peer, "processor") for peer in PEERS},
    }


def _block(trainer: Trainer, n_steps: int) -> dict[str, float]:
    wall, processor = time.perf_counter(), time.process_time()
    for _ in range(n_steps):
        trainer.learn(trainer.fetch())
    return {"wall": time.perf_counter() - wall, "processor": time.process_time() - processor}


def _ratios(
    blocks: Mapping[str, list[dict[str, float]]], peer: str, clock: str
) -> dict[str, float]:
    pairs = zip(blocks[OURS], blocks[peer], strict=True)
    return _quantiles([theirs[clock] / ours[clock] for ours, theirs in pairs])


def _quantiles(values: Sequence[float]) -> dict[str, float]:
    low, median, high = np.quantile(values, (0.1, 0.5, 0.9)).tolist()
    return {"median": median, "q10": low, "q90": high}


def headline(shapes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return ours over the better peer: the geometric mean over shapes, and the least."""
    best = {row["name"]: min(row["ratio"][peer]["median"] for peer in PEERS) for row in shapes}
    slowest = min(best, key=lambda name: best[name])
    return {
        "ratio_to_best_peer": statistics.geometric_mean(best.values()),
        "min_ratio_to_best_peer": best[slowest],
        "min_at": slowest,
        **{
            f"ratio_to_{peer}": statistics.geometric_mean(
                row["ratio"][peer]["median"] for row in shapes
            )
            for peer in PEERS
        },
    }


def measure(quick: bool, folder: Path) -> tuple[dict[str, Any], Sequence[Sequence[Any]]]:
    torch.set_num_threads(1)
    corpus_folder = WORK / "corpus-python-sources"
    build_corpus("python-sources", corpus_folder)
    corpus = Corpus.open(corpus_folder)
    rounds, seconds = (7, 0.7) if quick else (21, 1.5)
    here = circumstances()
    shapes = []
    for shape in SHAPES:
        cell = folder / f"{shape.name.replace(' ', '-')}.json"
        row = json.loads(cell.read_text()) if cell.exists() else {}
        if row.get("circumstances", {}).get("commit") != here["commit"]:  # other code
            row = measure_shape(shape, corpus, rounds, seconds) | {"circumstances": here}
            cell.write_text(json.dumps(row, indent=2))
        shapes.append(row)
        print(shape.name, {peer: shapes[-1]["ratio"][peer]["median"] for peer in PEERS}, flush=True)
    figures = {
        "headline": headline(shapes),
        "method": {
            "threads": 1,
            "precision": "float32",
            "optimizer": "AdamW, fused, gradients clipped, for all three",
            "ratio": "median over rounds of the peer's seconds over ours, wall clock",
            "versions_of_peers": {"transformers": metadata.version("transformers")},
            "corpus": corpus.manifest.fingerprint,
        },
        "shapes": shapes,
    }
    rows = [
        [
            row["name"],
            row["n_params_body"],
            *(round(row["tokens_per_second"][name]["median"]) for name in (OURS, *PEERS)),
            *(row["ratio"][peer]["median"] for peer in PEERS),
        ]
        for row in shapes
    ]
    return figures, rows


if __name__ == "__main__":
    run_benchmark(
        "trainer",
        measure,
        ["shape", "body", OURS, *PEERS, *(f"ours / {peer}" for peer in PEERS)],
        __doc__ or "",
    )
