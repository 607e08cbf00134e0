"""BoTorch's multi-fidelity hypervolume knowledge gradient, as a reference to measure ours against.

It knows no law: Gaussian processes over size, tokens and shape are fitted to the done runs (loss as
measured, the second objective as predicted at them), with compute as the fidelity, and a run is worth
what the front at the target is expected to gain (Daulton, Balandat and Bakshy 2023,
proceedings.mlr.press/v202/daulton23a). Values are BoTorch's own. Three things are ours, because the
pool is discrete: the designs of each fantasy are its best of `MAX_DESIGNS` of the target's candidates
instead of optimised ones; only the `MAX_SCORED` candidates that would lower the loss process's
variance at the target most per hour are scored, others get minus infinity; and hours are divided out by
the planner. BoTorch's class takes no constraints (github.com/meta-pytorch/botorch/issues/2159), so
neither does this.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from botorch.acquisition.multi_objective.hypervolume_knowledge_gradient import (
    qMultiFidelityHypervolumeKnowledgeGradient,
)
from botorch.exceptions.warnings import BotorchWarning
from botorch.fit import fit_gpytorch_mll
from botorch.models import ModelListGP, SingleTaskMultiFidelityGP
from botorch.models.transforms import Standardize
from botorch.posteriors.gpytorch import GPyTorchPosterior
from botorch.sampling.list_sampler import ListSampler
from botorch.sampling.normal import SobolQMCNormalSampler
from gpytorch.mlls import SumMarginalLogLikelihood
from torch import Tensor

from bayeslaw.errors import InvalidInputError, NotEnoughRunsError
from bayeslaw.models.latency.threads import one_thread
from bayeslaw.search.acquisition.problem import Acquisition, Problem
from bayeslaw.search.acquisition.target_designs import best_sets
from bayeslaw.search.front import reference_and_ideal

LEAST_RUNS = 5
MAX_SCORED = 64
MAX_DESIGNS = 48
N_FANTASIES = 8
# BoTorch counts the hypervolume of a set through its subsets, 2**N_PARETO of them.
N_PARETO = 6
_CHUNK = 16
_FLOOR = 1e-12
_FIDELITIES = ("n_params_body", "n_params", "n_tokens")


def score(problem: Problem, taken: Sequence[int]) -> np.ndarray:
    """Return the log of the expected gain in the target front's hypervolume, a share of its box.

    Raises:
        InvalidInputError: There are limits, other than two objectives, no target, or neither size
            nor tokens among the features.
        NotEnoughRunsError: Fewer than `LEAST_RUNS` runs are done.
    """
    objectives = _objectives(problem)
    inputs = torch.as_tensor(_inputs(problem), dtype=torch.float64)
    rng = np.random.default_rng(problem.seed)
    designs = inputs[torch.as_tensor(_some(problem.target, MAX_DESIGNS, rng))]
    with warnings.catch_warnings(), one_thread():
        # BoTorch advises other scalings and its log acquisitions; both are chosen here.
        warnings.simplefilter("ignore", BotorchWarning)
        model = _fit(inputs[torch.as_tensor(problem.done)], torch.as_tensor(objectives))
        with torch.no_grad():
            means = cast(GPyTorchPosterior, model.posterior(designs)).mean
            reference, ideal = reference_and_ideal(
                means.numpy()[None], np.ones((1, len(means)), dtype=bool)
            )
            rows = _screened(model, inputs, designs, problem, taken)
            waiting = inputs[np.concatenate([problem.pending, np.asarray(taken, dtype=int)])]
            gains = _gains(model, inputs[rows], designs, waiting, reference, problem.seed)
    scores = np.full(problem.n_candidates, -np.inf)
    scores[rows] = np.log(np.maximum(gains / np.prod(ideal - reference), _FLOOR))
    return scores


def _objectives(problem: Problem) -> np.ndarray:
    """Return what was measured or is predicted at done runs, more is better ``(done, 2)``."""
    if problem.utilities is None or problem.done_log_losses is None:
        raise InvalidInputError("hvkg needs done runs, objectives and a fitted loss law for them")
    if problem.utilities.shape[-1] != 2:
        raise InvalidInputError(
            f"hvkg is a reference for two objectives, loss first, got {problem.utilities.shape[-1]}"
        )
    if any(m is not None and m.shape[-1] for m in (problem.margins, problem.target_margins)):
        raise InvalidInputError(
            "hvkg takes no limits (BoTorch issue 2159); leave them out, or use target_lookahead"
        )
    if not len(problem.target):
        raise InvalidInputError("hvkg asks what the target is: give target_candidates")
    if problem.n_done < LEAST_RUNS:
        raise NotEnoughRunsError(
            f"hvkg fits Gaussian processes to done runs and needs {LEAST_RUNS}, got {problem.n_done}"
        )
    second = problem.utilities[:, problem.done, 1].mean(axis=0)
    return np.stack([-problem.done_log_losses, second], axis=1)


def _inputs(problem: Problem) -> np.ndarray:
    """Return features scaled to 0..1 over all rows, compute as the last one, its top the target's."""
    fidelities = [name in _FIDELITIES for name in problem.feature_names]
    if not any(fidelities):
        raise InvalidInputError(
            f"hvkg takes compute for the fidelity and needs one of {list(_FIDELITIES)} among the "
            f"features, got {list(problem.feature_names)}"
        )
    compute = problem.features[:, fidelities].sum(axis=1, keepdims=True)
    values = np.concatenate([problem.features, compute], axis=1)
    low, high = values.min(axis=0), values.max(axis=0)
    varies = high - low > 1e-9
    varies[-1] = True
    return (values - low)[:, varies] / np.maximum(high - low, 1e-9)[varies]


def _fit(inputs: Tensor, objectives: Tensor) -> ModelListGP:
    fidelity = inputs.shape[-1] - 1
    model = ModelListGP(
        *(
            SingleTaskMultiFidelityGP(
                inputs, objectives[:, [k]], data_fidelities=[fidelity],
                outcome_transform=Standardize(m=1),
            )
            for k in range(objectives.shape[1])
        )
    )  # fmt: skip
    fit_gpytorch_mll(SumMarginalLogLikelihood(model.likelihood, model))
    return model


def _screened(
    model: ModelListGP, inputs: Tensor, designs: Tensor, problem: Problem, taken: Sequence[int]
) -> np.ndarray:
    """Return the candidates worth a look: most variance of loss taken off the designs per hour."""
    rng = np.random.default_rng(problem.seed)
    candidates = np.setdiff1d(np.arange(problem.n_candidates), np.asarray(taken, dtype=int))
    rows = _some(candidates, 16 * MAX_SCORED, rng)
    loss = cast(SingleTaskMultiFidelityGP, model.models[0])
    curves = cast(GPyTorchPosterior, loss.posterior(torch.cat([inputs[rows], designs])))
    joint = cast(Tensor, curves.distribution.covariance_matrix)
    shared, variance = joint[: len(rows), len(rows) :], joint.diagonal()[: len(rows)]
    noisy = cast(GPyTorchPosterior, loss.posterior(inputs[rows[:1]], observation_noise=True))
    noise = noisy.variance.squeeze() - variance[0]
    taught = ((shared**2).sum(dim=1) / (variance + noise.clamp_min(0.0) + _FLOOR)).numpy()
    if problem.hours is not None:
        taught = taught / problem.hours[rows]
    return np.sort(rows[np.argsort(-taught, kind="stable")[:MAX_SCORED]])


def _gains(
    model: ModelListGP,
    candidates: Tensor,
    designs: Tensor,
    waiting: Tensor,
    reference: np.ndarray,
    seed: int,
) -> np.ndarray:
    """Return the hypervolume each candidate's result adds to that of the designs' expected front."""

    def sampler() -> ListSampler:
        return ListSampler(
            *(
                SobolQMCNormalSampler(torch.Size([N_FANTASIES]), seed=seed + k)
                for k in range(model.num_outputs)
            )
        )

    def fantasies(points: Tensor) -> np.ndarray:
        """Return expected objectives of the designs ``(fantasy, batch, design, objective)``."""
        told = model.fantasize(points, sampler=sampler())
        asked = designs.expand(*points.shape[:-2], *designs.shape)
        return cast(GPyTorchPosterior, told.posterior(asked)).mean.numpy()

    if len(waiting):
        now = float(best_sets(fantasies(waiting[None]), reference, N_PARETO)[1].mean())
    else:
        means = cast(GPyTorchPosterior, model.posterior(designs)).mean.numpy()
        now = float(best_sets(means[None], reference, N_PARETO)[1].mean())
    gains = []
    for chunk in candidates[:, None, :].split(_CHUNK):
        points = torch.cat([chunk, waiting.expand(len(chunk), *waiting.shape)], dim=-2)
        sets, _ = best_sets(fantasies(points), reference, N_PARETO)  # (fantasy, batch, pareto)
        chosen = designs[torch.as_tensor(sets).movedim(0, 1)].flatten(1, 2)
        value = qMultiFidelityHypervolumeKnowledgeGradient(
            model=model,
            ref_point=torch.as_tensor(reference),
            target_fidelities={candidates.shape[-1] - 1: 1.0},
            num_fantasies=N_FANTASIES,
            num_pareto=N_PARETO,
            sampler=sampler(),
            X_pending=waiting if len(waiting) else None,
            current_value=torch.tensor(now, dtype=torch.float64),
        )
        gains.append(value(torch.cat([chunk, chosen], dim=-2)).numpy())
    return np.concatenate(gains)


def _some(rows: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    return rows if len(rows) <= n else np.sort(rng.choice(rows, n, replace=False))


HVKG = Acquisition(
    name="hvkg",
    score=score,
    is_per_hour=True,
    needs_beliefs=True,
    needs_target=True,
    needs_front=True,
    summary="BoTorch's multi-fidelity hypervolume knowledge gradient, a reference",
)
