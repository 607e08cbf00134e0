"""The learning rate of a step, as a share of its peak."""

from __future__ import annotations

import math

from bayeslaw.runs import Hyperparameters


def rate_fraction(step: int, n_steps: int, hyperparameters: Hyperparameters) -> float:
    """Return the share of the peak rate that optimizer step ``step`` (0 is the first) takes.

    Warm-up and decay never reach zero on a step that is taken, so no step is wasted; a linear
    decay's last step has ``1 / n_decay`` of the peak where it ends at zero. The warm-up is counted
    in tokens, not as a share, so runs of all lengths start alike and a branch is a shorter run.

    Args:
        step: Number of the step.
        n_steps: Steps of the whole run, or of the branch that is being finished.
        hyperparameters: Of the run.

    Source:
        Hu et al. (2024), MiniCPM, arXiv:2404.06395, section 4 (warm-up, stable, decay);
        Loshchilov & Hutter (2017), arXiv:1608.03983, eq. 5 (cosine).

    >>> h = Hyperparameters(1.0, 128, warmup_tokens=256, decay_fraction=0.4)
    >>> [round(rate_fraction(step, 10, h), 2) for step in range(10)]
    [0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.75, 0.5, 0.25]
    """
    n_warmup = warmup_steps(hyperparameters)
    rising = (step + 1) / n_warmup if step < n_warmup else 1.0
    left, n_falling = n_steps - step, n_steps - falls_from(n_steps, hyperparameters)
    falling = min(1.0, left / n_falling) if n_falling else 1.0
    if hyperparameters.schedule == "cosine":
        falling = 0.5 - 0.5 * math.cos(math.pi * falling)
    final = hyperparameters.final_rate_fraction
    return min(rising, final + (1 - final) * falling)


def warmup_steps(hyperparameters: Hyperparameters) -> int:
    """Return over how many of the first steps the rate rises [count]."""
    return math.ceil(hyperparameters.warmup_tokens / hyperparameters.batch_tokens)


def falls_from(n_steps: int, hyperparameters: Hyperparameters) -> int:
    """Return the first step of a run of ``n_steps`` whose rate is past its peak."""
    if hyperparameters.schedule == "cosine":
        return min(n_steps, warmup_steps(hyperparameters))
    return n_steps - round(hyperparameters.decay_fraction * n_steps)
