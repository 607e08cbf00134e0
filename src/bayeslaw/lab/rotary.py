"""Rotary positions: the table of angles, and turning heads by it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bayeslaw.lab.settings import NetworkSettings, RopeScaling


def rotate(heads: Tensor, rotations: Tensor) -> Tensor:
    """Turn pairs of ``(batch, time, heads, head_dim)`` by their position's angles (RoPE).

    Source:
        Su et al. (2021), arXiv:2104.09864, eq. 34, with halves as pairs (GPT-NeoX's layout).
    """
    cosine, sine = rotations.to(heads.dtype).unbind(dim=1)  # each (time, 1, head_dim)
    swapped = heads.roll(
        heads.shape[-1] // 2, dims=-1
    )  # its gradient is one roll, a slice's is not
    return heads * cosine + swapped * sine


def rotation_table(
    max_context: int, head_dim: int, settings: NetworkSettings | None = None
) -> Tensor:
    """Tabulate cosines and signed sines, ``(time, 2, 1, head_dim)``, in float32.

    Angles are computed in float64: at position 100,000 float32 is already off by 0.01 radians.

    Source:
        Su et al. (2021), arXiv:2104.09864, section 3.2.2.
    """
    settings = settings or NetworkSettings()
    frequencies = settings.rope_base ** (
        -torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim
    )
    if settings.rope_scaling is not None:
        frequencies = _stretch(frequencies, settings.rope_scaling)
    angles = torch.arange(max_context, dtype=torch.float64)[:, None] * frequencies
    cosine = angles.cos().repeat(1, 2)
    sine = torch.cat((-angles.sin(), angles.sin()), dim=-1)
    return torch.stack((cosine, sine), dim=1)[:, :, None].to(torch.float32)


def _stretch(frequencies: Tensor, scaling: RopeScaling) -> Tensor:
    """Divide slow frequencies by the factor, keep fast ones, blend those between."""
    turns = scaling.original_context * frequencies / (2 * math.pi)  # in the original context
    low, high = scaling.low_frequency_factor, scaling.high_frequency_factor
    kept = ((turns - low) / (high - low)).clamp(0.0, 1.0)
    return frequencies * (kept + (1 - kept) / scaling.factor)
