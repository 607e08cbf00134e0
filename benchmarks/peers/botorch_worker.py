"""BoTorch's qLogNEHVI over a finite pool: a Gaussian process an objective; see `optimiser_worker`.

The models, their priors and the acquisition are BoTorch's defaults. The reference point is what
its own heuristic infers from the front told so far.
"""

from __future__ import annotations

import random
from typing import Any

import torch
from botorch.acquisition.multi_objective.logei import qLogNoisyExpectedHypervolumeImprovement
from botorch.fit import fit_gpytorch_mll
from botorch.models import ModelListGP, SingleTaskGP
from botorch.models.transforms import Normalize, Standardize
from botorch.sampling import SobolQMCNormalSampler
from botorch.utils.multi_objective.hypervolume import infer_reference_point
from botorch.utils.multi_objective.pareto import is_non_dominated
from gpytorch.mlls import SumMarginalLogLikelihood

Run = dict[str, Any]
# As many random runs as Ax's default begins with.
N_INITIAL = 5
_N_DRAWS = 128
_CHUNK = 256


def start(
    optimiser: str, seed: int, space: list[Run], objectives: list[str], limits: dict[str, float]
) -> PoolOptimiser:
    if limits:
        raise ValueError("the pool's peer takes no limits")
    return PoolOptimiser(seed, space[0]["features"], objectives)


class PoolOptimiser:
    """One pool; all objectives are minimised."""

    def __init__(self, seed: int, features: list[list[float]], objectives: list[str]) -> None:
        torch.manual_seed(seed)
        self.features = torch.tensor(features, dtype=torch.float64)
        spread = self.features.max(dim=0).values - self.features.min(dim=0).values
        self.features = self.features[:, spread > 0]
        self.chance = random.Random(seed)
        self.objectives = objectives
        self.rows: list[int] = []
        self.values: list[list[float]] = []
        self.waiting: list[int] = []
        self.ended: set[int] = set()

    def tell(self, runs: list[Run]) -> None:
        for run in runs:
            row = run["parameters"]["row"]
            self.ended.add(row)
            if row in self.waiting:
                self.waiting.remove(row)
            if run["values"] is not None:
                self.rows.append(row)
                self.values.append([-run["values"][name] for name in self.objectives])

    def wait(self, runs: list[Run]) -> None:
        self.waiting += [run["parameters"]["row"] for run in runs]

    def ask(self, n: int) -> list[Run]:
        asked = []
        for _ in range(n):
            row = self._choose()
            self.waiting.append(row)
            asked.append({"token": row, "parameters": {"row": row}})
        return asked

    def _choose(self) -> int:
        taken = self.ended | set(self.waiting)
        still_open = [row for row in range(len(self.features)) if row not in taken]
        if len(self.rows) < N_INITIAL:
            return self.chance.choice(still_open)
        x = self.features[self.rows]
        y = torch.tensor(self.values, dtype=torch.float64)
        bounds = torch.stack([self.features.min(dim=0).values, self.features.max(dim=0).values])
        model = ModelListGP(
            *(
                SingleTaskGP(
                    x,
                    y[:, k : k + 1],
                    outcome_transform=Standardize(m=1),
                    input_transform=Normalize(d=x.shape[-1], bounds=bounds),
                )
                for k in range(y.shape[-1])
            )
        )
        fit_gpytorch_mll(SumMarginalLogLikelihood(model.likelihood, model))
        acquisition = qLogNoisyExpectedHypervolumeImprovement(
            model=model,
            ref_point=infer_reference_point(y[is_non_dominated(y)]),
            X_baseline=x,
            sampler=SobolQMCNormalSampler(torch.Size([_N_DRAWS])),
            X_pending=self.features[self.waiting] if self.waiting else None,
            prune_baseline=True,
        )
        candidates = self.features[still_open][:, None, :]
        with torch.no_grad():
            scores = torch.cat([acquisition(chunk) for chunk in candidates.split(_CHUNK)])
        return still_open[int(scores.argmax())]
