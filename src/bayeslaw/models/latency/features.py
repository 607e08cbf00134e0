"""What the residual over the roofline may depend on, in doublings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bayeslaw.models.latency.roofline import Phase, Work, count_work
from bayeslaw.space import Architecture, Workload

_SHAPE = ("d_model", "n_layers", "n_heads", "n_kv_heads", "head_dim", "d_ff")
_LOAD = ("batch_size", "prompt_tokens", "output_tokens")

FEATURES = (*_SHAPE, "flop_time_over_byte_time", *_LOAD)
"""Features by name, each as log2, so that 1 is a factor of two whatever was measured."""


def latency_features(
    architectures: Sequence[Architecture],
    workloads: Sequence[Workload],
    phase: Phase,
    ridge_flops_per_byte: float,
) -> np.ndarray:
    """Lay out `FEATURES` as log2, float64 ``(architecture, feature)``.

    The unit is fixed rather than standardised on the data: a candidate four times wider than
    anything measured is two doublings away, however narrow the data.
    """
    if len(workloads) == 1:
        workloads = [workloads[0]] * len(architectures)
    work: Work = count_work(architectures, workloads, phase)
    shape = [[float(getattr(a, name)) for name in _SHAPE] for a in architectures]
    load = [[float(getattr(w, name)) for name in _LOAD] for w in workloads]
    balance = (work.flops / work.bytes / ridge_flops_per_byte)[:, None]
    return np.log2(np.concatenate([np.array(shape), balance, np.array(load)], axis=1))
