"""What is believed of a law's coefficients after the runs; numpy alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss.contamination import excess_of_new_runs
from bayeslaw.models.loss.diagnostics import NO_DIAGNOSTICS, Diagnostics
from bayeslaw.models.loss.discrepancy import (
    N_NODES,
    downward_basis,
    forward_error,
    sideways_basis,
)
from bayeslaw.models.loss.evidence import architecture_features, as_columns, training_cost
from bayeslaw.models.loss.laws import LAWS, Columns, LossLaw
from bayeslaw.models.loss.noise import new_run_noise
from bayeslaw.models.loss.prediction import Prediction
from bayeslaw.models.loss.scales import ScalePrior
from bayeslaw.models.notes import Note

FitMethod = Literal["nuts", "laplace", "map"]
Method = FitMethod | Literal["nuts+importance update", "laplace+importance update"]

SCALES = ("sigma", "growth", "run_share", "tau", "rho")
"""The unknowns beside a law's coefficients, one value a draw."""

BADLY_TUNED = ("badly_tuned_share", "badly_tuned_excess")
"""Those of a fit that was told of badly tuned runs."""


@dataclass(frozen=True)
class Posterior:
    """Hold draws of a law's coefficients given a run table, and everything needed to trust them.

    Attributes:
        law_name: Row of `LAWS`.
        n_column: How N is counted: ``n_params`` or ``n_params_body``.
        draws: Coefficient name to values ``(draw,)`` in the paper's units.
        sigma: Scale of one run's noise in log loss ``(draw,)``.
        run_share: Share of sigma squared that points of one training job have in common
            ``(draw,)``.
        tau: Scale of the discrepancy ``(draw,)``; see `bayeslaw.models.loss.discrepancy`.
        rho: Scale of the discrepancy along tokens per weight ``(draw,)``.
        growth: Of the log noise scale per unit of log tokens per weight away from ``centre``
            ``(draw,)``.
        badly_tuned_share: Of the runs ``(draw,)``; None unless `fit_law` was asked for it.
        badly_tuned_excess: Mean that a badly tuned run adds to log loss ``(draw,)``; None likewise.
        path: Standard-normal steps of both discrepancies inside the runs, ``(draw, node)``.
        path_ids: Which Brownian path each draw has beyond the costliest run ``(draw,)``.
        span: Log cost from the costliest to the cheapest run fitted.
        centre: Middle of the runs in log tokens per weight.
        ends: Least and greatest log tokens per weight of the runs, from ``centre``.
        scale_prior: What was believed of the scales before these runs.
        n_chains: Chains, laid end to end in ``draws``.
        method: ``nuts``, ``laplace`` or ``map``.
        seed: Of everything random.
        fingerprint: Of the run table it was fitted to.
        max_cost_flops: ``6 N D`` of the costliest run seen.
        n_runs: Runs fitted.
        diagnostics: Of the sampler.
        notes: Coded warnings of the fit.
        fitted: What `save` keeps of the data: ``loss_nats``, ``trunk``,
            ``log_likelihood`` ``(draw, run)`` and the law's inputs.
        sample_stats: Of NUTS, each ``(draw,)``.
    """

    law_name: str
    n_column: str
    draws: Mapping[str, np.ndarray]
    sigma: np.ndarray
    run_share: np.ndarray
    tau: np.ndarray
    rho: np.ndarray
    growth: np.ndarray
    path: np.ndarray
    path_ids: np.ndarray
    span: float
    centre: float
    ends: tuple[float, float]
    scale_prior: ScalePrior
    n_chains: int
    method: Method
    seed: int
    fingerprint: str
    max_cost_flops: float
    n_runs: int
    diagnostics: Diagnostics = NO_DIAGNOSTICS
    notes: tuple[Note, ...] = ()
    fitted: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)
    sample_stats: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)
    badly_tuned_share: np.ndarray | None = None
    badly_tuned_excess: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.sigma)

    def __repr__(self) -> str:
        return (
            f"Posterior({self.law_name} by {self.method}: {len(self)} draws, {self.n_runs} runs, "
            f"N = {self.n_column}, {len(self.notes)} notes)"
        )

    @property
    def law(self) -> LossLaw:
        """The law, counting N as the fit did."""
        if self.law_name not in LAWS:
            raise InvalidInputError(
                f"no law {self.law_name!r} in this version; known are {sorted(LAWS)}"
            )
        return LAWS[self.law_name].counting(self.n_column)

    @property
    def label(self) -> str:
        """The law and how it counts N, for people."""
        return f"{self.law_name} ({self.n_column})"

    @property
    def scales(self) -> dict[str, np.ndarray]:
        """Scales of noise and discrepancy by name, each ``(draw,)``."""
        names = SCALES if self.badly_tuned_share is None else (*SCALES, *BADLY_TUNED)
        return {name: getattr(self, name) for name in names}

    def log_cost_distance(self, columns: Columns) -> np.ndarray:
        """Return ``log(C / C_max)`` of each candidate, ``(candidate,)``; negative inside."""
        cost = training_cost(self.law, as_columns(self.law, columns))
        return np.log(cost / self.max_cost_flops)

    def noise_scale(self, columns: Columns) -> np.ndarray:
        """Return the scale of one new run's noise in log loss, ``(draw, candidate)``."""
        offset = np.abs(self._off_centre(as_columns(self.law, columns)))
        return self.sigma[:, None] * np.exp(self.growth[:, None] * offset)

    def losses(
        self, columns: Columns, *, discrepancy: bool = True, tau_factor: float = 1.0
    ) -> np.ndarray:
        """Return the loss of each candidate under each draw: one draw is one coherent curve.

        Args:
            columns: The law's inputs, each ``(candidate,)``, or a run table; more columns are
                fine.
            discrepancy: Whether curves carry the form's possible error.
            tau_factor: By which the error beyond the costliest run is multiplied, to see how much
                hangs on it.

        Returns:
            Loss without run-to-run noise [nats per token], ``(draw, candidate)``, float64.

        Raises:
            InvalidInputError: A column is missing or not positive.
        """
        inputs = as_columns(self.law, columns)
        theta = {name: values[:, None] for name, values in self.draws.items()}
        losses = np.asarray(self.law(theta, inputs))
        if discrepancy:
            losses = losses * np.exp(self._discrepancy(inputs, columns, tau_factor))
        return losses

    def predict(
        self,
        columns: Columns,
        *,
        level: float = 0.9,
        new_run: bool = True,
        tuned: bool = True,
        seed: int = 0,
    ) -> Prediction:
        """Predict the loss of each candidate with a central interval [nats per token].

        Args:
            columns: The law's inputs, each ``(candidate,)`` or one number:
                ``{"n_params": 1e9, "n_tokens": 2e10}``; more columns are fine.
            level: Share of belief inside the interval.
            new_run: Whether to predict one more run (with noise) or the mean curve.
            tuned: Whether that run is well tuned, or one of those that the table held; only a fit
                with ``badly_tuned=True`` knows the difference.
            seed: Of the noise.

        Returns:
            Quantiles, distances and notes.

        Raises:
            InvalidInputError: A column is missing or not positive, ``level`` is no share, or the
                fit knows nothing of badly tuned runs.
        """
        noise = 0.0
        if new_run:
            rng = np.random.default_rng([self.seed, seed])
            noise = new_run_noise(self.noise_scale(columns), rng)
        if not tuned:
            noise = noise + self._excess(noise, seed)
        return Prediction.from_draws(
            lambda factor: self.losses(columns, tau_factor=factor) * np.exp(noise),
            level=level,
            is_new_run=new_run,
            log_cost_distance=self.log_cost_distance(columns),
            carried_by={self.label: 1.0},
        )

    def thin(self, n_draws: int) -> Posterior:
        """Return evenly spaced draws, each with its own discrepancy path, as one chain.

        R-hat and ESS stay those of the whole sample.
        """
        if not 1 <= n_draws <= len(self):
            raise InvalidInputError(f"n_draws must lie in 1..{len(self)}, got {n_draws}")
        return self.taking(np.arange(n_draws) * len(self) // n_draws)

    def taking(self, kept: np.ndarray) -> Posterior:
        """Return the draws of these numbers ``(draw,)``, each with its own path, as one chain."""
        fitted = dict(self.fitted)
        if "log_likelihood" in fitted:
            fitted["log_likelihood"] = fitted["log_likelihood"][kept]
        return replace(
            self,
            draws={name: values[kept] for name, values in self.draws.items()},
            **{name: values[kept] for name, values in self.scales.items()},
            path=self.path[kept],
            path_ids=self.path_ids[kept],
            n_chains=1,
            fitted=fitted,
            sample_stats={name: values[kept] for name, values in self.sample_stats.items()},
        )

    def summary(self) -> list[dict[str, float | str]]:
        """Return a row a coefficient: mean, sd, 5/50/95 % quantiles and diagnostics."""
        rows: list[dict[str, float | str]] = []
        for name, values in {**self.draws, **self.scales}.items():
            low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
            row = {
                "name": name,
                "mean": float(values.mean()),
                "sd": float(values.std(ddof=1)) if len(values) > 1 else 0.0,
                "p05": float(low),
                "p50": float(middle),
                "p95": float(high),
            }
            if name in self.diagnostics.rhat:
                row |= {
                    "rhat": self.diagnostics.rhat[name],
                    "ess_bulk": self.diagnostics.ess_bulk[name],
                    "ess_tail": self.diagnostics.ess_tail[name],
                }
            rows.append(row)
        return rows

    def save(self, path: str | Path) -> Path:
        """Write NetCDF that `arviz.from_netcdf` reads; an existing file is replaced whole."""
        from bayeslaw.models.loss import arviz_bridge

        return arviz_bridge.save(self, Path(path))

    @classmethod
    def load(cls, path: str | Path, *, fingerprint: str | None = None) -> Posterior:
        """Read what `save` wrote.

        Args:
            path: The file.
            fingerprint: Of the run table that it must have been fitted to, if given.

        Raises:
            InvalidInputError: Not such a file, an unknown law, another format version, or fitted to
                other data.
        """
        from bayeslaw.models.loss import arviz_bridge

        return arviz_bridge.load(Path(path), fingerprint=fingerprint)

    def _excess(self, noise: np.ndarray | float, seed: int) -> np.ndarray:
        """Return what a run as the table held them adds to log loss, ``(draw, candidate)``."""
        if self.badly_tuned_share is None or self.badly_tuned_excess is None:
            raise InvalidInputError(
                "this fit knows nothing of badly tuned runs; fit with badly_tuned=True, or leave "
                "tuned=True"
            )
        if not isinstance(noise, np.ndarray):
            raise InvalidInputError(
                "the mean curve is of tuned runs; give new_run=True with tuned=False"
            )
        rng = np.random.default_rng([self.seed, seed, 1])
        return excess_of_new_runs(noise.shape, self.badly_tuned_share, self.badly_tuned_excess, rng)

    def _off_centre(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        cost = training_cost(self.law, inputs)
        return np.log(6.0 * inputs["n_tokens"] ** 2 / cost) - self.centre

    def _discrepancy(
        self, inputs: Mapping[str, np.ndarray], columns: Columns, tau_factor: float
    ) -> np.ndarray:
        distance = np.log(training_cost(self.law, inputs) / self.max_cost_flops)
        below = self.path[:, :N_NODES] @ downward_basis(-distance, self.span).T
        beyond = (
            tau_factor
            * self.scale_prior.reach
            * forward_error(
                distance, architecture_features(self.law, columns), self.path_ids, seed=self.seed
            )
        )
        sideways = self.path[:, N_NODES:] @ sideways_basis(self._off_centre(inputs), self.ends).T
        return self.tau[:, None] * (below + beyond) + self.rho[:, None] * sideways
