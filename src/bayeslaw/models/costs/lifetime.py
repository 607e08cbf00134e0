"""What a model costs over its life: training it once and serving it for as long as it is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bayeslaw.errors import InvalidInputError

_BISECTIONS = 100


@dataclass(frozen=True)
class Demand:
    """Hold the tokens that a model will read and write while it serves.

    Attributes:
        input_tokens: Prompt tokens over the model's life [count].
        output_tokens: Generated tokens over the model's life [count].
    """

    input_tokens: float
    output_tokens: float

    def __post_init__(self) -> None:
        for name in ("input_tokens", "output_tokens"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value >= 0):
                raise InvalidInputError(f"{name} must be finite and at least 0, got {value}")


@dataclass(frozen=True)
class Prices:
    """Hold what a FLOP costs; `FLOPS_ONLY` counts FLOPs instead of money.

    Attributes:
        train: Of one FLOP at the training device's peak, in any currency.
        serve: Of one FLOP at the serving device's peak.
        mfu_train: Share of the peak that training reaches.
        mfu_input: Share that reading prompts reaches.
        mfu_output: Share that generating reaches; far less, as it waits for memory.

    >>> prices = Prices.hourly(2.0, 989e12, 2.0, 989e12, 0.4, 0.5, 0.01)
    >>> round(prices.train * 1e21 / prices.mfu_train)  # dollars of 1e21 FLOP
    1404
    """

    train: float
    serve: float
    mfu_train: float = 1.0
    mfu_input: float = 1.0
    mfu_output: float = 1.0

    def __post_init__(self) -> None:
        for name in ("train", "serve"):
            if not (np.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise InvalidInputError(
                    f"the price {name} must be positive and finite, got {getattr(self, name)}"
                )
        for name in ("mfu_train", "mfu_input", "mfu_output"):
            if not 0 < getattr(self, name) <= 1:
                raise InvalidInputError(
                    f"{name} must be a share of the peak in (0, 1], got {getattr(self, name)}"
                )

    @classmethod
    def hourly(
        cls,
        train_per_hour: float,
        train_peak: float,
        serve_per_hour: float,
        serve_peak: float,
        mfu_train: float,
        mfu_input: float,
        mfu_output: float,
    ) -> Prices:
        """Return prices from what a device-hour costs and its peak [FLOP/s] (`Device.peak`)."""
        return cls(
            train_per_hour / 3600 / train_peak,
            serve_per_hour / 3600 / serve_peak,
            mfu_train,
            mfu_input,
            mfu_output,
        )


FLOPS_ONLY = Prices(1.0, 1.0)
"""Cost in FLOP: every one counts the same."""


@dataclass(frozen=True)
class LifetimeOptimum:
    """Hold the cheapest size and data that reach a loss, each ``(draw,)``.

    Attributes:
        n_params: Weights, as the law counts them [count].
        n_tokens: Training tokens [count].
        train_cost: Of training, in the prices' unit (FLOP with `FLOPS_ONLY`).
        serve_cost: Of serving the demand.
    """

    n_params: np.ndarray
    n_tokens: np.ndarray
    train_cost: np.ndarray
    serve_cost: np.ndarray

    @property
    def cost(self) -> np.ndarray:
        """Of both."""
        return self.train_cost + self.serve_cost


def lifetime_cost(
    n_params: np.ndarray | float,
    n_tokens: np.ndarray | float,
    demand: Demand,
    prices: Prices = FLOPS_ONLY,
) -> np.ndarray:
    """Return what training and serving cost together, in FLOP or in money.

    ``6 N D_train`` and ``2 N D_served`` FLOP, each times its price over its utilisation.

    Args:
        n_params: Weights [count].
        n_tokens: Training tokens [count].
        demand: Tokens served.
        prices: Of a FLOP.

    Source:
        Sardana et al. (2024), arXiv:2401.00448: FLOPs and, with ``Prices.hourly``, dollars.

    >>> float(lifetime_cost(7e9, 2e12, Demand(0, 2e12)))
    1.12e+23
    """
    n = np.asarray(n_params, float)
    return n * (_train_price(prices) * np.asarray(n_tokens, float) + _serve_price(demand, prices))


def cheapest_for_loss(
    theta: Mapping[str, np.ndarray | float],
    loss_nats: float,
    demand: Demand,
    prices: Prices = FLOPS_ONLY,
) -> LifetimeOptimum:
    """Return the size and data that reach a loss at the least cost over the model's life.

    With ``t = (A / N^alpha) / (l - E)``, the share of the excess loss that size leaves, training
    alone is cheapest at ``t = beta / (alpha + beta)``; every token served moves ``t`` up, to a
    smaller network trained for longer. The optimum is the only root above that, found by bisection
    for all draws at once.

    Args:
        theta: Chinchilla's ``E, A, alpha, B, beta``, each a number or ``(draw,)``.
        loss_nats: To be reached [nats per token]; every draw's E must lie below it.
        demand: Tokens served.
        prices: Of a FLOP.

    Raises:
        InvalidInputError: A coefficient is missing, or the loss lies under a draw's floor.

    Source:
        Sardana et al. (2024), arXiv:2401.00448: the problem; there a Newton iteration.

    >>> theta = {"E": 1.69, "A": 406.4, "alpha": 0.34, "B": 410.7, "beta": 0.28}
    >>> none, much = (cheapest_for_loss(theta, 2.0, Demand(0, d)) for d in (0, 1e14))
    >>> [f"{float(best.n_params[0]):.2g} {float(best.n_tokens[0]):.2g}" for best in (none, much)]
    ['1.5e+10 1.2e+12', '3.8e+09 1.5e+13']
    """
    names = ("E", "A", "alpha", "B", "beta")
    if missing := [name for name in names if name not in theta]:
        raise InvalidInputError(
            f"the lifetime's optimum is known for Chinchilla's coefficients {list(names)}, "
            f"{missing} missing"
        )
    floor, a, alpha, b, beta = np.broadcast_arrays(
        *(np.atleast_1d(np.asarray(theta[name], float)) for name in names)
    )
    excess = loss_nats - floor
    if (short := excess <= 0).any():
        raise InvalidInputError(
            f"a loss of {loss_nats} nats is at or under the floor E of {short.mean():.0%} of the "
            f"draws (up to {floor.max():.4g}), so no size and data reach it; ask for a higher loss"
        )
    train, serve = _train_price(prices), _serve_price(demand, prices)

    def slope(log_left: np.ndarray) -> np.ndarray:
        left = np.exp(log_left)  # 1 - t
        log_tokens = (np.log(b / excess) - log_left) / beta
        return train * (1 - alpha / beta * (1 - left) / left) + serve * np.exp(-log_tokens)

    # The slope over D falls with t; at training's own optimum it is the serving term, positive.
    high = np.log(alpha / (alpha + beta))
    low = high - 1.0
    while (slope(low) > 0).any():
        low = np.where(slope(low) > 0, low - 1.0, low)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        above = slope(middle) > 0
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    left = np.exp((low + high) / 2)
    n_params = (a / (excess * (1 - left))) ** (1 / alpha)
    n_tokens = (b / (excess * left)) ** (1 / beta)
    return LifetimeOptimum(n_params, n_tokens, train * n_params * n_tokens, serve * n_params)


def _train_price(prices: Prices) -> float:
    return 6 * prices.train / prices.mfu_train


def _serve_price(demand: Demand, prices: Prices) -> float:
    served = demand.input_tokens / prices.mfu_input + demand.output_tokens / prices.mfu_output
    return 2 * prices.serve * served
