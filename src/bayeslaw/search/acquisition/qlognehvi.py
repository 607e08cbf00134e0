"""Noisy expected hypervolume improvement over the pool.

Ament et al. 2023 (arXiv:2310.20708) on Daulton, Balandat and Bakshy 2021 (arXiv:2105.08195):
how much of the box between the reference point and the ideal point a run is expected to add to
what done, pending and already chosen runs cover, counted only where all limits hold.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np
import torch
from botorch.acquisition.multi_objective import logei
from botorch.acquisition.multi_objective.objective import GenericMCMultiOutputObjective
from botorch.exceptions.warnings import NumericsWarning
from botorch.models.model import ModelList
from torch import Tensor

from bayeslaw.errors import InvalidInputError
from bayeslaw.search.acquisition.problem import Acquisition, Problem
from bayeslaw.search.ensemble import MemberSampler, PoolModel

# BoTorch 0.18 compiles a C++ kernel when the first of its acquisitions is built: 30 s, a compiler
# needed, and never used here because each draw has its own front. This says it was tried.
if hasattr(logei, "_load_attempted"):
    logei._load_attempted = True

CHUNK = 64
# Objectives are shares of the box and limits are in units of their own spread.
_SMOOTHING = 1e-3


def score(problem: Problem, taken: Sequence[int]) -> np.ndarray:
    """Return the log of the share of the box that each candidate is expected to add."""
    utilities, reference, ideal = problem.utilities, problem.reference_point, problem.ideal_point
    if utilities is None or problem.margins is None or reference is None or ideal is None:
        raise InvalidInputError("qlognehvi needs a fitted loss law; start with space_filling")
    if utilities.shape[-1] < 2:
        raise InvalidInputError(
            "qlognehvi weighs two or more objectives against each other, got one; name a second "
            "one, such as '-tpot_ms', or use space_filling"
        )
    scaled = (utilities - reference) / (ideal - reference)
    spread = problem.margins.std(axis=(0, 1))
    margins = problem.margins / np.where(spread > 0, spread, 1.0)
    outputs = np.concatenate([scaled, margins], axis=-1)
    n_objectives = scaled.shape[-1]
    waiting = np.concatenate([problem.pending, np.asarray(taken, dtype=int)])
    with warnings.catch_warnings():
        # BoTorch advises log-based acquisitions when it sees their base class; this is one.
        warnings.simplefilter("ignore", NumericsWarning)
        acquisition = logei.qLogNoisyExpectedHypervolumeImprovement(
            model=ModelList(*(PoolModel(outputs[..., k]) for k in range(outputs.shape[-1]))),
            ref_point=torch.zeros(n_objectives, dtype=torch.float64),
            X_baseline=_rows(problem.done),
            sampler=MemberSampler(len(outputs)),
            objective=GenericMCMultiOutputObjective(lambda y, X=None: y[..., :n_objectives]),
            constraints=[_limit(n_objectives + k) for k in range(margins.shape[-1])] or None,
            X_pending=_rows(waiting) if len(waiting) else None,
            eta=_SMOOTHING,
            tau_max=_SMOOTHING,
            cache_root=False,
        )
    rows = _rows(np.arange(problem.n_candidates))[:, None, :]
    with torch.no_grad():
        return torch.cat([acquisition(chunk) for chunk in rows.split(CHUNK)]).numpy()


def _rows(rows: np.ndarray) -> Tensor:
    return torch.as_tensor(rows, dtype=torch.float64)[:, None]


def _limit(column: int) -> Callable[[Tensor], Tensor]:
    # BoTorch calls negative feasible, bayeslaw's margins are positive inside.
    return lambda outputs: -outputs[..., column]


QLOGNEHVI = Acquisition(
    name="qlognehvi",
    score=score,
    is_per_hour=True,
    needs_beliefs=True,
    needs_front=True,
    summary="expected growth of the front of objectives, within the limits",
)
