"""The same question for everyone: n runs are done, 8 are under way, name 4 more.

Depth 4-40, ten widths, a free MLP ratio, three kinds of attention, tokens; loss and time per output
token are wanted, memory and training cost are limited. It is the space and the objectives that the
peers were timed on before (four outcomes, five choices).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bayeslaw.models.latency import roofline_ms
from bayeslaw.models.loss.laws import LAWS
from bayeslaw.runs import Measurement, Run, candidate_columns
from bayeslaw.search import CandidatePool
from bayeslaw.space import DEVICES, Architecture, Candidate, Workload

N_ASKED = 4
N_PENDING = 8
WIDTHS = (256, 384, 512, 640, 768, 1024, 1280, 1536, 1792, 2048)
QUERIES_A_KEY = {"multi_head": 1, "grouped": 4, "multi_query": None}
TOKENS = (1e9, 1e11)
HEAD_DIM = 64
VOCAB_SIZE = 50_304
SEQ_LEN = 2048
DEVICE = DEVICES["h100-sxm"]
SERVE = Workload(
    batch_size=8, prompt_tokens=1024, output_tokens=128, precision="bfloat16", device="h100-sxm"
)
MAX_MEMORY_GB = 2.0
MAX_GPU_HOURS = 100.0

SPACE: list[dict[str, Any]] = [
    {"name": "n_layers", "kind": "int", "low": 4, "high": 40},
    {"name": "d_model", "kind": "ordered", "values": list(WIDTHS)},
    {"name": "mlp_ratio", "kind": "float", "low": 1.0, "high": 8.0},
    {"name": "attention", "kind": "choice", "values": list(QUERIES_A_KEY)},
    {"name": "log10_tokens", "kind": "float", "low": 9.0, "high": 11.0},
]
OBJECTIVES = ("loss", "tpot_ms")
LIMITS = {"memory_gb": MAX_MEMORY_GB, "log10_hours": float(np.log10(MAX_GPU_HOURS))}

_TRUTH = {
    "E": 1.7, "A": 410.0, "alpha": 0.34, "B": 410.0, "beta": 0.28,
    "x_star": 0.08, "a1": 0.1, "r_star": 1.5, "b1": 0.05,
}  # fmt: skip
_LOSS_NOISE = 0.003
_MFU = 0.35


def draw_parameters(n: int, seed: int) -> list[dict[str, Any]]:
    """Draw members of `SPACE`, each axis evenly."""
    rng = np.random.default_rng([seed, n])
    return [
        {
            "n_layers": int(rng.integers(4, 41)),
            "d_model": int(rng.choice(WIDTHS)),
            "mlp_ratio": float(rng.uniform(1, 8)),
            "attention": str(rng.choice(list(QUERIES_A_KEY))),
            "log10_tokens": float(rng.uniform(9, 11)),
        }
        for _ in range(n)
    ]


def candidate(parameters: Mapping[str, Any]) -> Candidate:
    """Return what they describe."""
    width = parameters["d_model"]
    heads = width // HEAD_DIM
    group = QUERIES_A_KEY[parameters["attention"]] or heads
    return Candidate(
        Architecture(
            n_layers=parameters["n_layers"],
            d_model=width,
            n_heads=heads,
            n_kv_heads=max(1, heads // group),
            head_dim=HEAD_DIM,
            d_ff=HEAD_DIM * max(1, round(parameters["mlp_ratio"] * width / HEAD_DIM)),
            vocab_size=VOCAB_SIZE,
        ),
        round(10 ** parameters["log10_tokens"]),
    )


def draw_pool(n: int, seed: int) -> CandidatePool:
    """Draw a pool as columns, from the same space."""
    rng = np.random.default_rng([seed, n, 1])
    width = rng.choice(WIDTHS, n).astype(float)
    heads = width / HEAD_DIM
    group = rng.choice([1.0, 4.0, np.inf], n)
    return CandidatePool.from_axes(
        {
            "n_layers": rng.integers(4, 41, n),
            "d_model": width,
            "n_heads": heads,
            "n_kv_heads": np.maximum(1, np.where(heads % group == 0, heads / group, 1)),
            "head_dim": np.full(n, HEAD_DIM),
            "d_ff": HEAD_DIM * np.maximum(1, np.round(rng.uniform(1, 8, n) * width / HEAD_DIM)),
            "vocab_size": np.full(n, VOCAB_SIZE),
            "tied_embeddings": np.zeros(n),
            "gated_mlp": np.ones(n),
            "qk_norm": np.zeros(n),
            "post_norm": np.zeros(n),
            "n_tokens": np.round(10 ** rng.uniform(9, 11, n)),
        }
    )


def outcomes(candidates: list[Candidate], seed: int) -> list[dict[str, float]]:
    """Return what runs and timings of them say, from a known law and a roofline."""
    law = LAWS["conditional_multiplicative"]
    columns = candidate_columns(candidates)
    rng = np.random.default_rng([seed, 2])
    noise = np.exp(_LOSS_NOISE * rng.standard_normal(len(candidates)))
    losses = np.asarray(law(_TRUTH, {name: columns[name] for name in law.inputs})) * noise
    shapes = [c.architecture for c in candidates]
    return [
        {
            "loss": float(loss),
            "tpot_ms": latency_ms(shape, "decode"),
            "memory_gb": float(SERVE.memory_bytes(shape)) / 1e9,
            "log10_hours": float(np.log10(gpu_hours(c))),
        }
        for loss, shape, c in zip(losses, shapes, candidates, strict=True)
    ]


def latency_ms(shape: Architecture, phase: Any) -> float:
    """Return a roofline at shares of the peaks, and 10 us a layer."""
    (ideal,) = roofline_ms(
        [shape], SERVE, DEVICE, phase=phase, flop_efficiency=0.5, byte_efficiency=0.7
    )
    return float(ideal) + 0.01 * shape.n_layers


def gpu_hours(of: Candidate) -> float:
    """Return what a run costs."""
    flops = of.architecture.train_flops_per_token("attention_aware", SEQ_LEN) * of.n_tokens
    return flops / (DEVICE.peak("bfloat16") * _MFU * 3600)


def finished_runs(n: int, seed: int) -> list[Run]:
    """Return n done runs."""
    candidates = [candidate(p) for p in draw_parameters(n, seed)]
    return [
        Run(f"r{i}", c.n_tokens, c.architecture)
        .advance("running")
        .complete(loss_nats=found["loss"], cost_gpu_hours=gpu_hours(c))
        for i, (c, found) in enumerate(zip(candidates, outcomes(candidates, seed), strict=True))
    ]


def timings(n: int, seed: int) -> list[Measurement]:
    """Return the latencies of n architectures."""
    shapes = [candidate(p).architecture for p in draw_parameters(n, seed)]
    return [
        Measurement(
            shape, SERVE, "h100-sxm", "engine 1", latency_ms(shape, "prefill"),
            latency_ms(shape, "decode"), 1e-3, 1e-3, 9,
        )
        for shape in dict.fromkeys(shapes)
    ]  # fmt: skip
