"""Whether timings that were left out fall where they should, and by how much intervals must widen."""

from __future__ import annotations

import numpy as np
import torch
from scipy import stats
from torch import Tensor

MIN_ROWS = 64
"""Rows from which the factor is estimated: below, it adds more noise than it takes away."""


def left_out_scores(
    residual: Tensor, whitening: Tensor, timing_variance: Tensor, row_variance: Tensor
) -> np.ndarray:
    """Return each timing's normal score under the others, ``(row,)``: standard normal if calibrated.

    Args:
        residual: Log latency less log roofline ``(draw, row)``.
        whitening: Inverse Cholesky factor of the timings' covariance ``(draw, row, row)``.
        timing_variance: Of a timing, at nodes of its tail ``(node, draw, row)``.
        row_variance: Noise that each row had in the covariance ``(draw, row)``.

    Source: leave-one-out of a Gaussian process, Rasmussen and Williams 2006, equations 5.10-5.12.
    """
    inverse = whitening.transpose(-1, -2) @ whitening
    precision = inverse.diagonal(dim1=-2, dim2=-1)
    errors = (inverse @ residual[..., None])[..., 0] / precision
    latent = (1 / precision - row_variance).clamp_min(1e-12)
    below = torch.special.ndtr(errors / (latent + timing_variance).sqrt()).mean(dim=(0, 1))
    return stats.norm.ppf(below.clamp(1e-9, 1 - 1e-9).numpy())


def widening(scores: np.ndarray, level: float) -> float:
    """Return the factor by which an interval of a level must widen to hold what was left out.

    The ``ceil((n + 1) level)``-th smallest absolute score over the normal's quantile: split
    conformal prediction (Lei et al. 2018, doi:10.1080/01621459.2017.1307116) with leave-one-out
    scores. 1 for fewer than `MIN_ROWS` rows.

    >>> round(widening(stats.norm.ppf((np.arange(200) + 0.5) / 200), 0.9), 1)
    1.0
    """
    n = len(scores)
    if n < MIN_ROWS:
        return 1.0
    rank = min(int(np.ceil((n + 1) * level)), n)
    return float(np.sort(np.abs(scores))[rank - 1] / stats.norm.ppf(0.5 + level / 2))
