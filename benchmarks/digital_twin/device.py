"""The latency of a lab's device: a roofline with the quirks that real ones have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bayeslaw.runs import Measurement
from bayeslaw.space import DEVICES, Architecture, Workload

SERVING = Workload(
    batch_size=16, prompt_tokens=2048, output_tokens=256, precision="bfloat16", device="h100-sxm"
)
DEVICE = DEVICES["h100-sxm"]
_TIMING_SD = 0.01


@dataclass(frozen=True)
class TwinDevice:
    """Answer how fast a network serves.

    Quirks: matrices are padded to tiles, every layer costs a launch, attention with many query
    heads a KV head runs on another kernel, and each timing scatters by 1 %.

    Attributes:
        seed: Of efficiencies, tile, launch and switch.
    """

    seed: int

    def latencies_ms(self, architecture: Architecture) -> tuple[float, float]:
        """Return TTFT and TPOT [ms] without scatter."""
        rng = np.random.default_rng([self.seed, 11])
        flop_share, byte_share = rng.uniform(0.45, 0.65), rng.uniform(0.6, 0.85)
        tile = int(rng.choice([128, 256]))
        launch_ms, call_ms = rng.uniform(0.015, 0.05), rng.uniform(0.1, 0.4)
        switch, slow = int(rng.choice([4, 8])), rng.uniform(1.15, 1.5)
        padded = _padded(architecture, tile)
        waste = padded / (architecture.attention_params + architecture.mlp_params)
        batch, prompt = SERVING.batch_size, SERVING.prompt_tokens
        context = prompt + SERVING.output_tokens // 2
        cache_ms = 1e3 * batch * context * architecture.kv_bytes_per_token(2)
        cache_ms /= DEVICE.memory_bandwidth * byte_share
        cache_ms *= slow if architecture.gqa_group >= switch else 1.0
        weights_ms = 1e3 * 2 * (padded + architecture.head_params)
        weights_ms /= DEVICE.memory_bandwidth * byte_share
        compute_ms = 1e3 * waste * architecture.decode_flops(batch, context)
        compute_ms /= DEVICE.peak("bfloat16") * flop_share
        overhead_ms = call_ms + launch_ms * architecture.n_layers
        tpot_ms = max(weights_ms, compute_ms) + cache_ms + overhead_ms
        prefill_ms = 1e3 * waste * architecture.prefill_flops(batch, prompt)
        prefill_ms /= DEVICE.peak("bfloat16") * flop_share
        return float(prefill_ms + overhead_ms), float(tpot_ms)

    def time(self, architectures: Sequence[Architecture]) -> list[Measurement]:
        """Return one timing of each network."""
        rng = np.random.default_rng([self.seed, 12])
        found = []
        for architecture in architectures:
            scatter = np.exp(_TIMING_SD * rng.standard_normal(2))
            ttft_ms, tpot_ms = np.array(self.latencies_ms(architecture)) * scatter
            found.append(
                Measurement(
                    architecture, SERVING, SERVING.device, "twin 1", float(ttft_ms),
                    float(tpot_ms), 0.01 * float(ttft_ms), 0.01 * float(tpot_ms), 5,
                )
            )  # fmt: skip
        return found


def _padded(architecture: Architecture, tile: int) -> int:
    """Return body weights with both sides of every matrix padded to whole tiles [count]."""
    d_model, d_ff = (-(-side // tile) * tile for side in (architecture.d_model, architecture.d_ff))
    heads = architecture.head_dim * (2 * architecture.n_heads + 2 * architecture.n_kv_heads)
    return architecture.n_layers * d_model * (-(-heads // tile) * tile + 3 * d_ff)
