"""Noise of a timing with heavy tails: a normal whose variance is another one each time.

Clocks step, neighbours wake: of the public tables several have one timing in ten that is 5 to 25 %
off while the rest agree within 0.3 %. Noise is Student-t with unknown degrees of freedom, written
as a normal with variance ``sigma^2 scale``, ``1 / scale ~ Gamma(nu / 2, nu / 2)`` (Geweke 1993,
doi:10.1002/jae.3950080504), so that given the scales everything stays Gaussian.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import stats
from torch import Tensor

DEGREES = torch.tensor([2.0, 3.0, 4.0, 6.0, 10.0, 20.0, 100.0], dtype=torch.float64)
"""Degrees of freedom that are weighed, equally likely at first."""

N_NODES = 5
"""Equally likely scales by which a new timing's tail is told."""

MODE_DEGREES = 4.0
"""Degrees of freedom while a mode is looked for."""


def mode_scales(errors: Tensor, sd: Tensor) -> Tensor:
    """Return the expected scale of each row given its error (an EM step), ``(draw, row)``."""
    return (MODE_DEGREES + (errors / sd) ** 2) / (MODE_DEGREES + 1)


def log_density(errors: Tensor, sd: Tensor, degrees: Tensor) -> Tensor:
    """Return the log density of noise with the scales integrated out: Student-t, ``(draw,)``.

    Args:
        errors: ``(draw, row)``.
        sd: Its sigma ``(draw, row)``.
        degrees: Of freedom ``(draw,)``.
    """
    nu = degrees[:, None]
    constant = torch.lgamma((nu + 1) / 2) - torch.lgamma(nu / 2) - 0.5 * nu.log()
    falls = 0.5 * (nu + 1) * torch.log1p((errors / sd) ** 2 / nu)
    return (constant - sd.log() - falls).sum(-1)


def draw_degrees(standardized: Tensor, generator: torch.Generator) -> Tensor:
    """Draw degrees of freedom given noise over its sigma ``(draw, row)``, ``(draw,)``."""
    ones = torch.ones_like(standardized)
    log_weights = [log_density(standardized, ones, nu.expand(len(ones))) for nu in DEGREES]
    chances = torch.softmax(torch.stack(log_weights, dim=-1), dim=-1)
    return DEGREES[torch.multinomial(chances, 1, generator=generator)[:, 0]]


def draw_scales(standardized: Tensor, degrees: Tensor, generator: torch.Generator) -> Tensor:
    """Draw the scale of each row given its noise over its sigma, both ``(draw, row)``."""
    shape = (0.5 * (degrees + 1))[:, None].expand_as(standardized).contiguous()
    gamma = _standard_gamma(shape, generator)
    precision = gamma / (0.5 * (degrees[:, None] + standardized**2))
    return 1.0 / precision.clamp_min(1e-12)


def new_scales(degrees: Tensor, n_nodes: int) -> Tensor:
    """Return scales of a new timing at equally likely nodes, ``(node, draw)``."""
    levels = (np.arange(n_nodes) + 0.5) / n_nodes
    nu = degrees.numpy()[None]
    return torch.as_tensor(1.0 / stats.gamma.ppf(levels[:, None], nu / 2, scale=2 / nu))


def random_scales(degrees: Tensor, n_rows: int, generator: torch.Generator) -> Tensor:
    """Draw the scale of a new timing of each row, ``(draw, row)``."""
    shape = (0.5 * degrees)[:, None].expand(-1, n_rows).contiguous()
    gamma = _standard_gamma(shape, generator)
    return 0.5 * degrees[:, None] / gamma.clamp_min(1e-12)


def _standard_gamma(shape: Tensor, generator: torch.Generator) -> Tensor:
    # torch.distributions takes no generator.
    return torch._standard_gamma(shape, generator=generator)  # pyright: ignore[reportPrivateImportUsage]
