"""The networks that the latency table names: published shapes, and two papers' sweeps of a shape."""

from __future__ import annotations

from collections.abc import Mapping

from bayeslaw.space import Architecture

MAX_HEAD_DIM = 256
"""FlashAttention takes no wider head, so some of P2's widest shapes cannot be timed."""


def _llama(d: int, ff: int, layers: int, heads: int, kv: int, head_dim: int) -> Architecture:
    return Architecture(layers, d, heads, kv, head_dim, ff, 128_256, tied_embeddings=True)


def _p2(layers: int, d: int, vocab_size: int = 32_000) -> Architecture:
    """P2's rule: 16 heads whatever the width, no GQA, untied, SwiGLU of 8/3 rounded up to 256s."""
    ff = 256 * -(-int(8 * d / 3) // 256)
    return Architecture(layers, d, 16, 16, d // 16, ff, vocab_size)


P1: Mapping[str, Architecture] = {
    "LLaMA-3.2-1B": _llama(2048, 8192, 16, 32, 8, 64),
    "Panda-1B": _llama(2560, 4096, 16, 72, 18, 64),
    "Surefire-1B": _llama(2560, 6144, 16, 36, 4, 64),
    "LLaMA-3.2-1B, GQA 8": _llama(2048, 8192, 16, 32, 4, 64),
    "LLaMA-3.2-3B": _llama(3072, 8192, 28, 24, 8, 128),
    "Panda-3B": _llama(4096, 4096, 28, 36, 12, 128),
    "Surefire-3B": _llama(4096, 4096, 28, 42, 6, 128),
    "Panda-3B°": _llama(4096, 4608, 28, 33, 11, 128),
}
"""P1's headline shapes (arXiv 2510.18245, Table 1), and the control it lacks: LLaMA's with GQA 8."""

P2: Mapping[str, Architecture] = {
    "Open-LM-1B": _p2(24, 2048, 50_432),
    "Morph-1B-v2": _p2(16, 2560, 50_432),
    "Morph-1B": _p2(12, 3072, 50_432),
}
"""P2's trained 1B shapes (arXiv 2501.18107), without their QK-norm hooks."""

OTHERS: Mapping[str, Architecture] = {
    "LLaMA-3.1-8B": Architecture(32, 4096, 32, 8, 128, 14_336, 128_256),
    "Qwen3-0.6B": Architecture(28, 1024, 16, 8, 128, 3072, 151_936, True, qk_norm=True),
    "Qwen3-1.7B": Architecture(28, 2048, 16, 8, 128, 6144, 151_936, True, qk_norm=True),
    "Qwen3-4B": Architecture(36, 2560, 32, 8, 128, 9728, 151_936, True, qk_norm=True),
    "Qwen3-8B": Architecture(36, 4096, 32, 8, 128, 12_288, 151_936, qk_norm=True),
    "Gemma-2-2B": Architecture(26, 2304, 8, 4, 256, 9216, 256_000, True, post_norm=True),
    "Gemma-3-1B": Architecture(
        26, 1152, 4, 1, 256, 6912, 262_144, True, qk_norm=True, post_norm=True
    ),
    "Gemma-3-4B": Architecture(
        34, 2560, 8, 4, 256, 10_240, 262_208, True, qk_norm=True, post_norm=True
    ),
}
"""As on their model pages. Gemma's are timed with full attention and SiLU: shapes, not copies."""


def _p2_sweep() -> dict[str, Architecture]:
    listed = {
        "1B": ((24, 2048), (28, 1920), (32, 1792), (10, 3072), (6, 4096), (20, 2304), (16, 2560),
               (36, 1536), (80, 1024), (12, 3072), (20, 2432), (16, 2688)),
        "3B": ((28, 3072), (36, 2688), (48, 2304), (12, 4608), (6, 6144), (18, 3840)),
        "7B": ((32, 4096), (40, 3584), (60, 3072), (14, 6144), (8, 8192), (48, 3328), (20, 5120),
               (16, 5888), (48, 3072), (64, 2560), (9, 8192), (16, 6144), (20, 5632)),
    }  # fmt: skip
    return {
        f"P2 {size} {layers}x{d}": _p2(layers, d)
        for size, shapes in listed.items()
        for layers, d in shapes
        if d // 16 <= MAX_HEAD_DIM
    }


def _p1_manner() -> dict[str, Architecture]:
    """Hold N and depth, vary r and GQA, as P1's sweeps do; its own list was never published.

    N is without embeddings. Depths below 1B are ours, for P1 states none.
    """
    #         N         layers   d  head_dim
    scales = {
        "80M": (80e6, 10, 768, 64),
        "145M": (145e6, 12, 960, 64),
        "297M": (297e6, 14, 1408, 64),
        "1B": (0.97e9, 16, 2560, 64),
        "3B": (2.82e9, 28, 3584, 128),
    }
    found = {}
    for size, (n, layers, d, head_dim) in scales.items():
        for r, gqa in ((0.5, 4), (1, 4), (2, 4), (5, 4), (2, 1), (2, 2), (1, 8)):
            of_layer = n / layers
            kv = max(1, round(of_layer / (1 + r) / (d * head_dim * (2 * gqa + 2))))
            attention = d * head_dim * (2 * gqa + 2) * kv
            ff = max(64, 64 * round((of_layer - attention) / (3 * d) / 64))
            found[f"P1's manner {size} r~{r} GQA {gqa}"] = _llama(
                d, ff, layers, kv * gqa, kv, head_dim
            )
    return found


P1_MANNER: Mapping[str, Architecture] = _p1_manner()
"""Sweeps of r and GQA at five sizes."""

P2_SWEEP: Mapping[str, Architecture] = _p2_sweep()
"""The shapes P2 timed, but for those with heads wider than `MAX_HEAD_DIM`."""
