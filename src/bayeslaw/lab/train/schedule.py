"""The learning rate of a step: warm-up, constant, linear decay to zero (WSD)."""

from __future__ import annotations

from bayeslaw.runs import Hyperparameters


def learning_rate(step: int, n_steps: int, hyperparameters: Hyperparameters) -> float:
    """Return the rate of optimizer step ``step`` (0 is the first) of ``n_steps``.

    Warm-up and decay are linear and never reach zero on a step that is taken, so no step is
    wasted; the decay's last step has ``1 / n_decay`` of the peak.

    Source:
        Hu et al. (2024), MiniCPM, arXiv:2404.06395, section 4 (warm-up, stable, decay).

    >>> h = Hyperparameters(1.0, 128, warmup_fraction=0.2, decay_fraction=0.4)
    >>> [round(learning_rate(step, 10, h), 2) for step in range(10)]
    [0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.75, 0.5, 0.25]
    """
    n_warmup = round(hyperparameters.warmup_fraction * n_steps)
    n_decay = round(hyperparameters.decay_fraction * n_steps)
    rising = (step + 1) / n_warmup if step < n_warmup else 1.0
    left = n_steps - step
    falling = left / n_decay if left < n_decay else 1.0
    return hyperparameters.learning_rate * min(rising, falling)
