"""A machine that exists in a formula: a roofline with constants we know, and a bump it does not know."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from bayeslaw.models.latency.constants import CONSTANTS, NAMES, Ceilings
from bayeslaw.models.latency.roofline import count_passes, figure_log_seconds
from bayeslaw.runs import LatencyTable, Measurement
from bayeslaw.space import Architecture, Device, Workload

DEVICE = Device("local", {"float32": 5e10}, 1e10, 8e9)
SERVE = Workload()
NOISE = 0.01
TRUTH = {
    "matmul_rate": 0.4, "weight_rate": 0.5, "prefill_call": 80e-6, "decode_call": 80e-6,
    "prefill_layer": 120e-6, "decode_layer": 120e-6,
}  # fmt: skip


def log_constants(device=DEVICE, **changes):
    """Return the truth's log constants, ``(1, constant)``; shares of ceilings or seconds."""
    values = {c.name: c.median for c in CONSTANTS} | TRUTH | changes
    ceilings = Ceilings(device.peak("float32"), device.memory_bandwidth)
    return torch.as_tensor(np.log([values[name] for name in NAMES]) + ceilings.log_scales())[None]


def random_architecture(rng, scale=1.0):
    n_heads = int(rng.choice([2, 4, 8]))
    d_model = 64 * max(1, round(float(rng.uniform(1, 6)) * scale))
    return Architecture(
        n_layers=max(1, round(float(rng.uniform(2, 8)) * scale)),
        d_model=d_model,
        n_heads=n_heads,
        n_kv_heads=int(rng.choice([k for k in (1, 2, 4, 8) if n_heads % k == 0])),
        head_dim=int(rng.choice([16, 32, 64])),
        d_ff=int(d_model * rng.choice([2, 3, 4])),
        vocab_size=257,
    )


def true_ms(table, constants=None, bump=0.04):
    """Return the latency of each row without noise [ms]."""
    constants = log_constants() if constants is None else constants
    seconds = figure_log_seconds(constants, count_passes(table))[0].exp().numpy()
    return 1e3 * seconds * np.exp(bump * np.sin(np.log2(table["d_model"])))


def true_of(architecture, figure, workload=SERVE):
    return float(true_ms(LatencyTable.ask([architecture], workload, figure))[0])


def measure(architecture, rng, **changes):
    ttft, tpot = (
        true_of(architecture, figure) * np.exp(NOISE * rng.standard_normal())
        for figure in ("ttft_ms", "tpot_ms")
    )
    known = {"ttft_ms": ttft, "tpot_ms": tpot, "ttft_iqr_ms": 0.01 * ttft}
    known |= {"tpot_iqr_ms": 0.01 * tpot, "n_repeats": 9}
    return Measurement(architecture, SERVE, "local", "torch 2", **{**known, **changes})


def timings(n, rng, *, figure="forward_ms", device=DEVICE, constants=None, noise=None, engine="e"):
    """Return a table of n random architectures' noisy timings."""
    architectures = [random_architecture(rng) for _ in range(n)]
    asked = LatencyTable.ask(
        architectures, replace(SERVE, device=device.name, engine=engine), figure
    )
    true = true_ms(asked, constants)
    error = NOISE * rng.standard_normal(n) if noise is None else noise(rng, n)
    columns = {**asked.columns, "latency_ms": true * np.exp(error), "repeat_sd": 0.01}
    return LatencyTable.from_columns({**columns, "n_repeats": 9.0}, asked.labels), true
