"""What others would use: regressions of log latency on a network's summary.

Each takes the timings it may see and the rows to predict, and returns a `Forecast`.
"""

from __future__ import annotations

import warnings

import numpy as np
import torch
from botorch.fit import fit_gpytorch_mll
from botorch.models import SingleTaskGP
from botorch.models.transforms import Normalize, Standardize
from gpytorch.mlls import ExactMarginalLogLikelihood
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.model_selection import KFold

from bayeslaw.models.latency.features import shape_features
from bayeslaw.runs import LatencyTable
from bayeslaw.space import Device
from benchmarks.latency_surrogate.scores import Forecast

_PHASES = ("prefill", "decode")
_N_TREES = 200
_FOLDS = 5


def log_ms(table: LatencyTable) -> np.ndarray:
    """Return log latency [log ms], ``(row,)``."""
    return np.log(table["latency_ms"])


def total(table: LatencyTable, *kinds: str) -> np.ndarray:
    """Return the work of a row's figure on one device, ``(row,)``."""
    done = sum(table[f"{p}_passes"] * table[f"{p}_{kind}"] for p in _PHASES for kind in kinds)
    return np.asarray(done) / table["n_devices"]


def flops(table: LatencyTable) -> np.ndarray:
    """Return the FLOPs of a row's figure on one device, ``(row,)``."""
    return total(table, "gemm_flops", "attention_flops")


def gp(train: LatencyTable, test: LatencyTable, device: Device | None) -> Forecast:
    """Fit BoTorch's SingleTaskGP with its default priors to the surrogate's summary features."""
    return _gp(*_designs(train, test), train)


def gp_log_flops(train: LatencyTable, test: LatencyTable, device: Device | None) -> Forecast:
    """Fit the same GP with log FLOPs as one more feature, which often helps it."""
    left, right = _designs(train, test)
    left, right = (
        np.column_stack([design, np.log(flops(table))])
        for design, table in ((left, train), (right, test))
    )
    return _gp(left, right, train)


def _gp(left: np.ndarray, right: np.ndarray, train: LatencyTable) -> Forecast:
    model = SingleTaskGP(
        torch.as_tensor(left),
        torch.as_tensor(log_ms(train))[:, None],
        input_transform=Normalize(left.shape[1]),
        outcome_transform=Standardize(1),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a restart that failed, jitter: the best fit stands
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        posterior = model.posterior(torch.as_tensor(right), observation_noise=True)
    mean, variance = posterior.mean.detach(), posterior.variance.detach()
    return Forecast.normal(mean[:, 0].numpy(), variance[:, 0].sqrt().numpy())


def random_forest(train: LatencyTable, test: LatencyTable, device: Device | None) -> Forecast:
    """Fit 200 trees; the interval is conformal, from out-of-bag errors."""
    left, right = _rich_designs(train, test)
    forest = RandomForestRegressor(_N_TREES, oob_score=True, random_state=0)
    forest.fit(left, log_ms(train))
    return Forecast.conformal(forest.predict(right), log_ms(train) - forest.oob_prediction_)


def gradient_boosting(train: LatencyTable, test: LatencyTable, device: Device | None) -> Forecast:
    """Fit 200 boosted trees; the interval is conformal, from errors of five-fold cross-validation."""
    left, right = _rich_designs(train, test)
    target = log_ms(train)
    errors = np.empty(len(target))
    folds = KFold(min(_FOLDS, len(target)), shuffle=True, random_state=0)
    for rest, fold in folds.split(left):
        errors[fold] = target[fold] - _boosted(left[rest], target[rest]).predict(left[fold])
    return Forecast.conformal(_boosted(left, target).predict(right), errors)


def linear_flops(train: LatencyTable, test: LatencyTable, device: Device | None) -> Forecast:
    """Regress log latency on log FLOPs, each figure by itself; the interval is normal."""
    median, sd = np.empty(len(test)), np.empty(len(test))
    fitted, asked = np.array(train.labels["figure"]), np.array(test.labels["figure"])
    for figure in np.unique(asked):
        rows, target = fitted == figure, log_ms(train)[fitted == figure]
        x = np.log(flops(train))[rows]
        centre, slope = x.mean(), 1.0
        if np.ptp(x) > 0:
            slope = float(((x - centre) * target).sum() / ((x - centre) ** 2).sum())
        errors = target - target.mean() - slope * (x - centre)
        at = asked == figure
        median[at] = target.mean() + slope * (np.log(flops(test))[at] - centre)
        sd[at] = np.sqrt((errors**2).sum() / max(len(errors) - 2, 1))
    return Forecast.normal(median, sd)


def boosted_fill(train: LatencyTable, asked: LatencyTable) -> np.ndarray:
    """Return what boosted trees say of rows that a device was not timed on [log ms], ``(row,)``."""
    left, right = _rich_designs(train, asked)
    return _boosted(left, log_ms(train)).predict(right)


def _boosted(left: np.ndarray, target: np.ndarray) -> GradientBoostingRegressor:
    model = GradientBoostingRegressor(
        n_estimators=_N_TREES, learning_rate=0.07, max_depth=3, subsample=0.8, random_state=0
    )
    return model.fit(left, target)


def _designs(train: LatencyTable, test: LatencyTable) -> tuple[np.ndarray, np.ndarray]:
    """Return the summary features that vary among the fitted rows, ``(row, feature)`` each."""
    figures = sorted(set(train.labels["figure"]))[1:]
    left, right = (
        np.column_stack(
            [shape_features(t), *([word == f for word in t.labels["figure"]] for f in figures)]
        ).astype(float)
        for t in (train, test)
    )
    varies = np.ptp(left, axis=0) > 0
    if not varies.any():
        varies[0] = True  # one case timed again and again: a constant
    return left[:, varies], right[:, varies]


def _rich_designs(train: LatencyTable, test: LatencyTable) -> tuple[np.ndarray, np.ndarray]:
    """Return the summary features and the logs of FLOPs and bytes, which trees cannot multiply."""
    left, right = _designs(train, test)
    return tuple(
        np.column_stack(
            [
                design,
                np.log(flops(table)),
                np.log(total(table, "weight_bytes", "cache_bytes")),
                np.log(total(table, "activation_bytes")),
            ]
        )
        for design, table in ((left, train), (right, test))
    )  # pyright: ignore[reportReturnType]
