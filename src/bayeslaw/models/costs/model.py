"""GPU-hours of a training run, learnt from the runs that were paid for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from bayeslaw.errors import InvalidInputError
from bayeslaw.runs import Run, candidate_columns
from bayeslaw.space import Candidate, Device, formulas

Candidates = Sequence[Candidate] | Mapping[str, np.ndarray]

# Prior on log hours = log(ideal hours) - log MFU + slopes. MFU of published runs is 0.23-0.50 on
# an H100 and far less for tiny networks; a network twice as large reaches a share more.
MFU = 0.35
LOG_MFU_SD = 0.7
# Slopes per doubling: FLOPs a token and depth move the MFU; time is linear in tokens but for start-up.
SLOPE_SD = {"flops_per_token": 0.15, "n_layers": 0.10, "n_tokens": 0.03}
NOISE_SD = 0.10
NOISE_DEGREES = 4.0


@dataclass(frozen=True)
class CostModel:
    """Predict what a run costs; build it with `fit_cost`.

    A conjugate linear regression of log hours on log FLOPs a token, depth and tokens around
    ``FLOPs / (peak x MFU)``: normal slopes, inverse-gamma noise, so a prediction is a Student t
    that widens away from the runs done (Gelman et al. 2013, section 14.8).

    Attributes:
        mean: Coefficients in log hours ``(4,)``: intercept and slopes per doubling.
        scale: Their covariance over the noise variance ``(4, 4)``.
        noise_sd: Scale of the noise in log hours.
        degrees: Degrees of freedom of the t.
        centre: log2 of FLOPs a token, layers and tokens that the intercept stands for ``(3,)``.
        log_rate: log of FLOP per hour that the intercept is relative to.
        seq_len: Tokens of a training sequence, for the attention FLOPs.
        n_runs: Runs learnt from; 0 is the prior.
    """

    mean: np.ndarray
    scale: np.ndarray
    noise_sd: float
    degrees: float
    centre: np.ndarray
    log_rate: float
    seq_len: int
    n_runs: int

    def predict(self, candidates: Candidates, level: float = 0.9) -> dict[str, np.ndarray]:
        """Return quantiles of one new run's cost [GPU-hours], keyed ``p05``, ``p50``, ``p95``.

        Candidates may be given as their columns, as `bayeslaw.runs.candidate_columns` lays them out.
        """
        if not 0 < level < 1:
            raise InvalidInputError(f"level must be between 0 and 1, got {level}")
        location, spread = self._location_and_spread(candidates)
        return {
            f"p{round(100 * tail):02d}": np.exp(location + spread * stats.t.ppf(tail, self.degrees))
            for tail in ((1 - level) / 2, 0.5, (1 + level) / 2)
        }

    def draw(self, candidates: Candidates, n_draws: int, seed: int) -> np.ndarray:
        """Draw costs of new runs [GPU-hours], ``(draw, candidate)``; a row shares its coefficients."""
        rng = np.random.default_rng(seed)
        sigma = self.noise_sd * np.sqrt(self.degrees / rng.chisquare(self.degrees, (n_draws, 1)))
        lower = np.linalg.cholesky(self.scale)
        coefficients = self.mean + sigma * (rng.standard_normal((n_draws, 4)) @ lower.T)
        design, offset = _design(candidates, self.centre, self.log_rate, self.seq_len)
        noise = sigma * rng.standard_normal((n_draws, len(design)))
        return np.exp(offset + coefficients @ design.T + noise)

    def _location_and_spread(self, candidates: Candidates) -> tuple[np.ndarray, np.ndarray]:
        design, offset = _design(candidates, self.centre, self.log_rate, self.seq_len)
        inflation = 1.0 + np.einsum("ci,ij,cj->c", design, self.scale, design)
        return offset + design @ self.mean, self.noise_sd * np.sqrt(inflation)


def fit_cost(
    runs: Sequence[Run],
    *,
    device: Device | None = None,
    precision: str = "bfloat16",
    seq_len: int = 2048,
) -> CostModel:
    """Learn the cost of runs from those that are done.

    Args:
        runs: All runs of a study; done ones with an architecture and a cost are learnt from
            (a superseded loss still had its price).
        device: Where runs train; with it there is an answer before the first run.
        precision: Of the arithmetic, to look up the device's peak.
        seq_len: Tokens of a training sequence.

    Raises:
        InvalidInputError: No run to learn from is done and no device is given.
    """
    done = [
        (Candidate(run.architecture, run.n_tokens), run.cost_gpu_hours)
        for run in runs
        if run.status == "done" and run.architecture is not None and run.cost_gpu_hours
    ]
    if not done and device is None:
        raise InvalidInputError(
            "no run with an architecture and a cost is done, so costs cannot be predicted from "
            "experience; import cost_gpu_hours with the runs, or give the device whose peak FLOP/s "
            "training runs on"
        )
    prior_sd = np.array([LOG_MFU_SD, *SLOPE_SD.values()])
    prior_mean = np.array([-np.log(MFU), 0.0, 0.0, 0.0])
    centre, log_rate = np.zeros(3), 0.0
    candidates = [candidate for candidate, _ in done]
    if device is not None:
        log_rate = float(np.log(device.peak(precision) * 3600))
    if done:
        design, offset = _design(candidates, centre, log_rate, seq_len)
        centre = design[:, 1:].mean(axis=0)
        if device is None:
            # Without a datasheet the intercept is what the runs say: a prior too wide to matter.
            log_rate = float(np.mean(offset - np.log([hours for _, hours in done])))
            prior_mean[0], prior_sd[0] = 0.0, 3.0
    precision_matrix = np.diag((NOISE_SD / prior_sd) ** 2)
    if not done:
        return CostModel(
            prior_mean,
            np.linalg.inv(precision_matrix),
            NOISE_SD,
            NOISE_DEGREES,
            # Nothing says where the prior's MFU holds, so it holds everywhere and slopes widen it
            # around a network of 1e8 weights (6e8 FLOP a token), 12 layers, 2e9 tokens.
            np.log2([6e8, 12.0, 2e9]),
            log_rate,
            seq_len,
            0,
        )
    design, offset = _design(candidates, centre, log_rate, seq_len)
    target = np.log([hours for _, hours in done]) - offset
    scale = np.linalg.inv(precision_matrix + design.T @ design)
    mean = scale @ (precision_matrix @ prior_mean + design.T @ target)
    misfit = target @ target + prior_mean @ precision_matrix @ prior_mean
    misfit -= mean @ (precision_matrix + design.T @ design) @ mean
    degrees = NOISE_DEGREES + len(done)
    noise_sd = float(np.sqrt((NOISE_DEGREES * NOISE_SD**2 + max(misfit, 0.0)) / degrees))
    return CostModel(mean, scale, noise_sd, degrees, centre, log_rate, seq_len, len(done))


def _design(
    candidates: Candidates, centre: np.ndarray, log_rate: float, seq_len: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return regressors ``(candidate, 4)`` and log ideal hours ``(candidate,)``."""
    columns = candidates if isinstance(candidates, Mapping) else candidate_columns(candidates)
    per_token = attention_aware_flops(columns, seq_len)
    tokens = columns["n_tokens"]
    doublings = np.log2(np.stack([per_token, columns["n_layers"], tokens], axis=1)) - centre
    design = np.concatenate([np.ones((len(tokens), 1)), doublings], axis=1)
    return design, np.log(per_token) + np.log(tokens) - log_rate


def attention_aware_flops(columns: Mapping[str, np.ndarray], seq_len: int) -> np.ndarray:
    """Return the FLOPs of one training token, as `Architecture.train_flops_per_token` counts them."""
    multiplied = columns["attention_params"] + columns["mlp_params"] + columns["embedding_params"]
    mix = formulas.attention_mix_flops(
        columns["n_layers"], columns["n_heads"], columns["head_dim"], seq_len
    )
    return 6.0 * multiplied + 3.0 * mix
