"""What a rate or a batch off its optimum costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import numpy as np

from bayeslaw.errors import InvalidInputError

COEFFICIENTS = (
    "rate_curvature",
    "rate_power",
    "batch_curvature",
    "batch_power",
    "correlation",
    "rate_ratio",
    "batch_ratio",
)
"""In the order of `RecipePenalty`'s formula."""

REFERENCE_TOKENS_PER_PARAM = 50.0
"""Where the curvatures are what their coefficients say."""

VALID_PENALTY = 0.05
"""The quadratic was fitted to runs at most this far above their best, in log loss."""

VALID_TOKENS_PER_PARAM = (18.0, 470.0)
VALID_PARAMS = (2.1e8, 4.3e8)
"""Body weights of the networks fitted. Held-out shapes are within it, not far beyond it."""


@dataclass(frozen=True)
class RecipePenalty:
    """Hold a quadratic in log rate and log batch around their optimum, in log loss.

    ``penalty = a u^2 + b v^2 + 2 rho sqrt(a b) u v`` with ``u = log(rate / (rate_ratio * 1.79
    N^-0.713 D^0.307))`` and ``v = log(batch / (batch_ratio * 0.58 D^0.571))``, the optimum being
    Step Law's moved by two ratios. Curvatures shrink with the tokens a weight:
    ``a = rate_curvature (D / (50 N))^-rate_power``, ``b`` likewise. N are body weights.

    Attributes:
        values: Each of `COEFFICIENTS`.
        stderr: Their standard errors, from resampled sweeps; empty where not worked out.
        source: Who fitted, to what.
    """

    values: Mapping[str, float]
    stderr: Mapping[str, float]
    source: str

    def __post_init__(self) -> None:
        if set(self.values) != set(COEFFICIENTS):
            raise InvalidInputError(
                f"a recipe penalty has coefficients {list(COEFFICIENTS)}, got {list(self.values)}"
            )

    def log_loss(
        self,
        learning_rate: np.ndarray | float,
        batch_tokens: np.ndarray | float,
        n_params_body: np.ndarray | float,
        n_tokens: np.ndarray | float,
    ) -> np.ndarray:
        """Return how much log loss a rate and a batch add to that of the best, ``(run,)``.

        Divide a badly tuned run's loss by ``exp`` of it to get what a well tuned one would have
        had. Beyond `VALID_PENALTY` the truth is worse (runs diverge): see `outside`.

        Args:
            learning_rate: AdamW's peak rate, ``(run,)`` or a number, as are all.
            batch_tokens: Tokens of an optimizer step [count].
            n_params_body: Weights without embeddings and head [count].
            n_tokens: Training tokens [count].

        Raises:
            InvalidInputError: A value is not finite and positive.

        >>> at_step_law = dict(n_params_body=3e8, n_tokens=2e10)
        >>> rate, batch = 1.79 * 3e8**-0.713 * 2e10**0.307, 0.58 * 2e10**0.571
        >>> penalty = recipe_penalty()
        >>> round(float(penalty.log_loss(rate, batch, **at_step_law)), 4)
        0.001
        >>> round(float(penalty.log_loss(4 * rate, batch, **at_step_law)), 3)
        0.021
        """
        u, v, log_ratio = offsets(learning_rate, batch_tokens, n_params_body, n_tokens)
        return quadratic(np.array([self.values[name] for name in COEFFICIENTS]), u, v, log_ratio)

    def draws(
        self,
        learning_rate: np.ndarray | float,
        batch_tokens: np.ndarray | float,
        n_params_body: np.ndarray | float,
        n_tokens: np.ndarray | float,
        *,
        n_draws: int,
        seed: int,
    ) -> np.ndarray:
        """Return the penalty under draws of the coefficients, ``(draw, run)``, in log loss.

        Errors are drawn independently: positive coefficients lognormal, the others normal.

        Raises:
            InvalidInputError: No errors are known, or a value is not finite and positive.
        """
        if set(self.stderr) != set(COEFFICIENTS):
            raise InvalidInputError(
                "this penalty has no standard errors to draw from; fit it with n_resamples above 0"
            )
        u, v, log_ratio = offsets(learning_rate, batch_tokens, n_params_body, n_tokens)
        normals = np.random.default_rng(seed).standard_normal((n_draws, len(COEFFICIENTS)))
        drawn = np.empty((len(COEFFICIENTS), n_draws, 1))
        for i, name in enumerate(COEFFICIENTS):
            value, error = self.values[name], self.stderr[name]
            if name.endswith("power") or name == "correlation":
                drawn[i, :, 0] = value + error * normals[:, i]
            else:
                drawn[i, :, 0] = value * np.exp(error / value * normals[:, i])
        drawn[4] = np.clip(drawn[4], -0.999, 0.999)
        return quadratic(drawn, *(np.atleast_1d(x) for x in (u, v, log_ratio)))

    def outside(
        self,
        learning_rate: np.ndarray | float,
        batch_tokens: np.ndarray | float,
        n_params_body: np.ndarray | float,
        n_tokens: np.ndarray | float,
    ) -> np.ndarray:
        """Return which runs lie outside what was fitted: size, tokens a weight or penalty."""
        size = np.asarray(n_params_body, float)
        per_weight = np.asarray(n_tokens, float) / size
        penalty = self.log_loss(learning_rate, batch_tokens, n_params_body, n_tokens)
        return (
            (size < VALID_PARAMS[0])
            | (size > VALID_PARAMS[1])
            | (per_weight < VALID_TOKENS_PER_PARAM[0])
            | (per_weight > VALID_TOKENS_PER_PARAM[1])
            | (penalty > VALID_PENALTY)
        )


@cache
def recipe_penalty() -> RecipePenalty:
    """Return the penalty that ships: `models/step_law_penalty.yaml`."""
    from bayeslaw.models.loss.cards import published_formulas

    card = published_formulas()["step_law_penalty"]
    return RecipePenalty(
        MappingProxyType(dict(card.values)), MappingProxyType(dict(card.stderr)), card.source
    )


def offsets(
    learning_rate: np.ndarray | float,
    batch_tokens: np.ndarray | float,
    n_params_body: np.ndarray | float,
    n_tokens: np.ndarray | float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return log rate and log batch over Step Law's, and log of tokens a weight over 50."""
    given = {
        "learning_rate": learning_rate,
        "batch_tokens": batch_tokens,
        "n_params_body": n_params_body,
        "n_tokens": n_tokens,
    }
    arrays = {name: np.asarray(values, float) for name, values in given.items()}
    for name, values in arrays.items():
        if (bad := ~(np.isfinite(values) & (values > 0))).any():
            raise InvalidInputError(f"{name}: {values[bad][0]} must be a finite positive number")
    n, d = arrays["n_params_body"], arrays["n_tokens"]
    u = np.log(arrays["learning_rate"] / (1.79 * n**-0.713 * d**0.307))
    v = np.log(arrays["batch_tokens"] / (0.58 * d**0.571))
    return u, v, np.log(d / n / REFERENCE_TOKENS_PER_PARAM)


def quadratic(
    coefficients: np.ndarray, u: np.ndarray, v: np.ndarray, log_ratio: np.ndarray
) -> np.ndarray:
    """Return the penalty at offsets from Step Law; coefficients in `COEFFICIENTS`' order first."""
    a0, a_power, b0, b_power, correlation, rate_ratio, batch_ratio = coefficients
    a, b = a0 * np.exp(-a_power * log_ratio), b0 * np.exp(-b_power * log_ratio)
    du, dv = u - np.log(rate_ratio), v - np.log(batch_ratio)
    return a * du**2 + b * dv**2 + 2 * correlation * np.sqrt(a * b) * du * dv
