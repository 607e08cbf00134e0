"""What it costs to think at test time: compute and memory traffic of long generations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.space import Architecture

FLOPS_PER_ELEMENT = 562.5
"""FLOPs a device could do while one cached number is moved (the source's constant)."""


@dataclass(frozen=True)
class TestTimeCost:
    """Hold what a task costs, in FLOP and FLOP equivalents.

    Attributes:
        compute_flops: Arithmetic.
        memory_eflops: Memory traffic, as the FLOPs that fit into its time.
    """

    __test__ = False  # no test, whatever pytest makes of the name

    compute_flops: np.ndarray
    memory_eflops: np.ndarray

    @property
    def eflops(self) -> np.ndarray:
        """Both together [FLOP equivalents]."""
        return self.compute_flops + self.memory_eflops


def kinetics_cost(
    architecture: Architecture,
    context_tokens: np.ndarray | float,
    generated_tokens: np.ndarray | float,
    n_trials: np.ndarray | float = 1.0,
    *,
    flops_per_element: float = FLOPS_PER_ELEMENT,
) -> TestTimeCost:
    """Return the cost of ``n_trials`` generations after one shared context.

    Compute is ``[2 P g + 2 (2c + g) g n_q d_h L] n`` and memory
    ``I * 2 (2c + g n) g n_kv d_h L``, for c tokens of context, g generated ones and n trials. As in
    the source, reading the weights is left out (many requests share it) and so is the prompt's own
    forward pass.

    Where it may surprise: keys and values of all earlier tokens, read once a step, are
    ``(2c + g n) g n_kv d_h L`` numbers by our count, half of what the source charges.

    Args:
        architecture: P is all of its weights, n_q, n_kv, d_h and L its heads and layers.
        context_tokens: Prompt [count].
        generated_tokens: Of each trial [count].
        n_trials: Independent generations, whose tokens are cached apart [count].
        flops_per_element: I; a device's peak [FLOP/s] over its numbers moved a second.

    Raises:
        InvalidInputError: A count is negative or not finite.

    Source:
        Kinetics (2025), arXiv:2506.05333, the authors' code as research/laws.md gives it.

    >>> llama_1b = Architecture(
    ...     n_layers=16, d_model=2048, n_heads=32, n_kv_heads=8, head_dim=64, d_ff=8192,
    ...     vocab_size=128256, tied_embeddings=True)
    >>> cost = kinetics_cost(llama_1b, 1024, 8192)
    >>> [f"{float(x) / 1e12:.4g}" for x in (cost.compute_flops, cost.memory_eflops)]
    ['25.75', '773.1']
    """
    counts = {
        "context_tokens": context_tokens,
        "generated_tokens": generated_tokens,
        "n_trials": n_trials,
        "flops_per_element": flops_per_element,
    }
    arrays = {name: np.asarray(value, float) for name, value in counts.items()}
    for name, values in arrays.items():
        if (bad := ~(np.isfinite(values) & (values >= 0))).any():
            raise InvalidInputError(f"{name} must be finite and at least 0, got {values[bad][0]}")
    context, generated, trials, intensity = arrays.values()
    per_head = architecture.head_dim * architecture.n_layers
    arithmetic = 2.0 * architecture.n_params * generated
    attention = 2.0 * (2 * context + generated) * generated * architecture.n_heads * per_head
    traffic = 2.0 * (2 * context + generated * trials) * generated
    return TestTimeCost(
        compute_flops=(arithmetic + attention) * trials,
        memory_eflops=intensity * traffic * architecture.n_kv_heads * per_head,
    )
