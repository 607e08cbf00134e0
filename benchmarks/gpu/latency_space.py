"""The cases of the open latency table: which networks, under which workloads, in which order.

The list depends on a seed alone, not on the device, so tables of several devices hold the same
cases. It is made of blocks, each a mixture of everything: what a cut leaves is balanced.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from bayeslaw.space import DEVICES, Architecture, Device, Workload
from benchmarks.gpu.latency_shapes import OTHERS, P1, P1_MANNER, P2, P2_SWEEP

SEED = 20261122
N_SPREAD = 184
N_BLOCKS = 12
OUTPUT_TOKENS = 16  # a graph is captured for each, for the one true generation
MEMORY_LIMIT_BYTES = 60e9  # fits an 80 GB card with room for what no formula counts
CASE_SECONDS_LIMIT = 2.5
N_REPEATS = 37  # thirty, and a warm-up of two windows of three
N_STEPS = 6  # decode steps in a repeat
FIXED_SECONDS = 0.3  # a network's start and end: nvidia-smi twice, memory given back
ENOUGH_SECONDS = 0.45  # repeats of one kind take no less, warm-up included
_PLANNED_FOR = DEVICES["h100-sxm"]

VOCABULARIES = (32_000, 50_432, 128_256, 151_936, 256_000)
HEAD_DIMS = (64, 80, 96, 128, 192, 256)
GQA_GROUPS = (1, 2, 4, 8, 16)


@dataclass(frozen=True, slots=True)
class NamedCase:
    """Say what is timed and why it is in the table.

    Attributes:
        name: Of the network, or its number in the spread.
        family: ``P1``, ``P2``, ``published``, ``P1's manner``, ``P2's sweep``, ``spread``, or
            ``too large``: on purpose, for no card of today holds it.
        architecture: The network.
        workload: What it serves.
    """

    name: str
    family: str
    architecture: Architecture
    workload: Workload


def blocks(n_blocks: int = N_BLOCKS, seed: int = SEED) -> list[list[NamedCase]]:
    """Return all cases in the order of their measurement.

    First every architecture once, dealt out over ``n_blocks`` so that each has its share of every
    family; then one block of second workloads for the networks that papers compare.
    """
    dealt: list[list[NamedCase]] = [[] for _ in range(n_blocks)]
    for i, case in enumerate([*_spread(N_SPREAD, seed), *_named(), *_too_large()]):
        dealt[i % n_blocks].append(case)
    return [*dealt, _second_workloads()]


def anchor() -> NamedCase:
    """Return the case that is repeated to see drift."""
    return NamedCase("LLaMA-3.2-1B", "P1", P1["LLaMA-3.2-1B"], _workload(1, 512))


def smoke_blocks() -> list[list[NamedCase]]:
    """Return two blocks of tiny networks for a CPU, one case too large for any memory."""
    shapes = [
        Architecture(n_layers, d_model, 4, kv, 16, 2 * d_model, 256, tied_embeddings=True)
        for n_layers, d_model, kv in ((1, 32, 1), (2, 32, 2), (1, 64, 4))
    ]
    tiny = [
        NamedCase(f"tiny {i}", "spread", shape, _workload(1 + i, 16, 4, "float32"))
        for i, shape in enumerate(shapes)
    ]
    giant = Workload(2**20, 2**20, 4, "float32")
    return [tiny[:2], [tiny[2], NamedCase("giant", "too large", shapes[0], giant)]]


def estimate_seconds(case: NamedCase, device: Device = _PLANNED_FOR) -> float:
    """Guess what one case takes, from the roofline and guessed overheads [s].

    Weights are drawn on the device; prefill and decode are repeated; the true generations need a
    graph captured, from three eager steps, for each token. Sixty per cent of the matmul peak, 75 %
    of the bandwidth, 25 us a layer in a graph and 400 us without.
    """
    a, w = case.architecture, case.workload
    flops, bandwidth = 0.6 * device.peak(w.precision), 0.75 * device.memory_bandwidth
    eager = 400e-6 * a.n_layers
    prefill = eager + max(
        a.prefill_flops(w.batch_size, w.prompt_tokens) / flops,
        a.prefill_bytes(w.batch_size, w.prompt_tokens, w.bytes_per_value) / bandwidth,
    )
    decode = 25e-6 * a.n_layers + max(
        a.decode_flops(w.batch_size, w.context) / flops,
        a.decode_bytes(w.batch_size, w.context, w.bytes_per_value) / bandwidth,
    )
    repeats = max(ENOUGH_SECONDS, N_REPEATS * prefill)
    repeats += max(ENOUGH_SECONDS, N_REPEATS * N_STEPS * decode)
    captures = 3 * w.output_tokens * max(eager, decode)
    generations = 4 * (prefill + w.output_tokens * decode)
    draw = a.n_params / 20e9
    return FIXED_SECONDS + draw + captures + repeats + generations


def _workload(
    batch_size: int, prompt_tokens: int, output_tokens: int = OUTPUT_TOKENS,
    precision: str = "bfloat16",
) -> Workload:  # fmt: skip
    return Workload(batch_size, prompt_tokens, output_tokens, precision)


def _named() -> list[NamedCase]:
    """Each named network once: one prompt of 512, P2's as P2 did (one of 128), small ones eight."""
    families = (
        ("P1", P1, 512), ("P2", P2, 128), ("published", OTHERS, 512),
        ("P1's manner", P1_MANNER, 512), ("P2's sweep", P2_SWEEP, 128),
    )  # fmt: skip
    return [
        NamedCase(name, family, architecture, _workload(_batch_size(family, architecture), prompt))
        for family, shapes, prompt in families
        for name, architecture in shapes.items()
    ]


def _batch_size(family: str, architecture: Architecture) -> int:
    return 8 if family == "P1's manner" and architecture.n_params_body < 2e9 else 1


def _second_workloads() -> list[NamedCase]:
    """Compare published networks in batches, and P1's 1B networks near its own 4096 tokens in."""
    families = (("P1", P1), ("P2", P2), ("published", OTHERS))
    batched = [
        NamedCase(name, family, architecture, _workload(16, 256))
        for family, shapes in families
        for name, architecture in shapes.items()
        if architecture.n_params < 6e9
    ]
    long = [
        NamedCase(name, "P1", P1[name], _workload(4, 4096))
        for name in ("LLaMA-3.2-1B", "Panda-1B", "Surefire-1B", "LLaMA-3.2-1B, GQA 8")
    ]
    return batched + long


def _too_large() -> list[NamedCase]:
    """Ask for caches of 215 GB and more; a card that has them will say so."""
    asked: Sequence[tuple[str, Architecture, int, int]] = (
        ("P2 7B 32x4096", P2_SWEEP["P2 7B 32x4096"], 64, 8192),
        ("Panda-3B", P1["Panda-3B"], 256, 8192),
        ("LLaMA-3.1-8B", OTHERS["LLaMA-3.1-8B"], 256, 8192),
        ("LLaMA-3.2-1B", P1["LLaMA-3.2-1B"], 1024, 8192),
    )
    return [
        NamedCase(name, "too large", architecture, _workload(batch_size, prompt_tokens))
        for name, architecture, batch_size, prompt_tokens in asked
    ]


def _spread(n: int, seed: int) -> list[NamedCase]:
    """Fill the space evenly with a scrambled Sobol sequence; skip what is too big or too slow."""
    points = torch.quasirandom.SobolEngine(dimension=10, scramble=True, seed=seed)
    found: dict[Architecture, NamedCase] = {}
    while len(found) < n:
        case = _case_at(points.draw(1, dtype=torch.float64)[0].tolist(), f"spread {len(found)}")
        if case is not None:
            found.setdefault(case.architecture, case)
    return list(found.values())


def _case_at(point: list[float], name: str) -> NamedCase | None:
    """Map a point of the unit cube to a case, or None where it would not fit memory or time."""
    size, aspect, wide, mlp, head, group, vocabulary, tied, batch, prompt = point
    head_dim, gqa = _pick(HEAD_DIMS, head), _pick(GQA_GROUPS, group)
    of_attention, of_mlp = _between(0.5, 2.0, wide), _between(1.0, 8.0, mlp)  # widths over d_model
    ratio = _between(16, 256, aspect)
    per_layer = of_attention * (2 + 2 / gqa) + 3 * of_mlp  # weights over d_model squared
    exact = (_between(30e6, 7e9, size) * ratio / per_layer) ** (1 / 3)
    d_model = max(256, 128 * round(exact / 128))
    n_layers = round(exact / ratio)
    n_kv_heads = max(1, round(of_attention * d_model / head_dim / gqa))
    if not 4 <= n_layers <= 80:
        return None
    architecture = Architecture(
        n_layers=n_layers, d_model=d_model, n_heads=n_kv_heads * gqa, n_kv_heads=n_kv_heads,
        head_dim=head_dim, d_ff=128 * max(1, round(of_mlp * d_model / 128)),
        vocab_size=_pick(VOCABULARIES, vocabulary), tied_embeddings=tied < 0.5,
    )  # fmt: skip
    workload = _workload(
        round(_between(1, 64, batch)), 32 * round(_between(128, 8192, prompt) / 32)
    )
    case = NamedCase(name, "spread", architecture, workload)
    fits = workload.memory_bytes(architecture) <= MEMORY_LIMIT_BYTES
    return case if fits and estimate_seconds(case) <= CASE_SECONDS_LIMIT else None


def _between(low: float, high: float, share: float) -> float:
    return low * math.exp(share * math.log(high / low))


def _pick(choices: Sequence[int], share: float) -> int:
    return choices[min(int(share * len(choices)), len(choices) - 1)]
