"""THE SEAM: what the loss laws (JAX) hand to the search (torch) is NumPy, one member a curve.

On the torch side members become a BoTorch `EnsembleModel` over the rows of a fixed pool, so that
an acquisition scores thousands of candidates from curves computed once. Two things to know:

- An `EnsembleModel` carries no observation noise: members are mean losses. A new run scatters
  around them by `PredictiveEnsemble.noise_scale`.
- BoTorch's own `IndexSampler` draws members with replacement, and other ones for every candidate
  of a batch, so a candidate would be compared with another member's front. `MemberSampler` gives
  every candidate the same members in the same order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from botorch.models.ensemble import EnsembleModel
from botorch.posteriors.ensemble import EnsemblePosterior
from botorch.sampling.base import MCSampler
from torch import Tensor

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss.posterior import Posterior
from bayeslaw.runs import candidate_columns
from bayeslaw.space import Candidate


class LossBelief(Protocol):
    """What a loss posterior must offer; `bayeslaw.models.loss.Posterior` does."""

    @property
    def sigma(self) -> np.ndarray:
        """Scale of the Student-t noise of a typical run's log loss around the curve ``(draw,)``."""
        ...

    def noise_scale(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the scale of the noise at each candidate, ``(draw, candidate)``."""
        ...

    def losses(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return coherent curves [nats per token], ``(draw, candidate)``."""
        ...


@dataclass(frozen=True)
class PredictiveEnsemble:
    """Hold weighted draws of one or several loss beliefs; build it with `from_beliefs`.

    Attributes:
        beliefs: Posteriors, one a law.
        rows: For each belief, the draws that are members.
        weights: Of all members in that order, adding up to 1 ``(member,)``.
    """

    beliefs: tuple[LossBelief, ...]
    rows: tuple[np.ndarray, ...]
    weights: np.ndarray

    @classmethod
    def from_beliefs(
        cls,
        beliefs: Sequence[LossBelief],
        weights: Sequence[float] | None = None,
        *,
        n_members: int = 256,
        seed: int = 0,
    ) -> PredictiveEnsemble:
        """Thin beliefs to members, each belief getting its share.

        Args:
            beliefs: One a law.
            weights: How much each is believed; equal when left out.
            n_members: Members in all; fewer when a belief has not that many draws, whose members
                then weigh more.
            seed: Of which draws are taken, without replacement.

        Raises:
            InvalidInputError: No belief, fewer members than beliefs, or weights that are
                negative, not finite, all zero or of another length.
        """
        if not beliefs:
            raise InvalidInputError("an ensemble needs at least one fitted law")
        shares = np.ones(len(beliefs)) if weights is None else np.asarray(weights, dtype=np.float64)
        if len(shares) != len(beliefs):
            raise InvalidInputError(f"{len(shares)} weights for {len(beliefs)} beliefs")
        if not np.isfinite(shares).all() or (shares < 0).any() or shares.sum() == 0:
            raise InvalidInputError(
                f"weights must be finite, not negative and not all zero, got {shares.tolist()}"
            )
        shares = shares / shares.sum()
        kept = [(belief, share) for belief, share in zip(beliefs, shares, strict=True) if share > 0]
        if n_members < len(kept):
            raise InvalidInputError(f"{n_members} members cannot stand for {len(kept)} beliefs")
        rng = np.random.default_rng(seed)
        members, rows, member_weights = [], [], []
        for belief, share in kept:
            n_draws = len(belief.sigma)
            n_taken = min(n_draws, max(1, round(share * n_members)))
            taken = np.sort(rng.choice(n_draws, n_taken, replace=False))
            if isinstance(belief, Posterior):
                # Curves of draws that are no members would be computed for nothing.
                belief, taken = belief.taking(taken), np.arange(n_taken)
            members.append(belief)
            rows.append(taken)
            member_weights.append(np.full(n_taken, share / n_taken))
        return cls(tuple(members), tuple(rows), np.concatenate(member_weights))

    def taking(self, members: np.ndarray) -> PredictiveEnsemble:
        """Return an ensemble of these members alone, in ascending order, each weighing the same."""
        starts = np.cumsum([0, *(len(rows) for rows in self.rows)])
        beliefs, kept = [], []
        for belief, rows, start in zip(self.beliefs, self.rows, starts, strict=False):
            chosen = rows[members[(members >= start) & (members < start + len(rows))] - start]
            if not len(chosen):
                continue
            if isinstance(belief, Posterior):
                belief, chosen = belief.taking(chosen), np.arange(len(chosen))
            beliefs.append(belief)
            kept.append(chosen)
        return PredictiveEnsemble(
            tuple(beliefs), tuple(kept), np.full(len(members), 1 / len(members))
        )

    @property
    def n_members(self) -> int:
        """Members in all [count]."""
        return len(self.weights)

    @property
    def law(self) -> np.ndarray:
        """Number of the belief that each member is of ``(member,)``."""
        return np.repeat(np.arange(len(self.rows)), [len(rows) for rows in self.rows])

    @property
    def sigma(self) -> np.ndarray:
        """Scale of a typical run's scatter in log loss around each member ``(member,)``."""
        return np.concatenate(
            [np.asarray(b.sigma)[r] for b, r in zip(self.beliefs, self.rows, strict=True)]
        )

    def noise_scale(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the scale of a new run's scatter in log loss, ``(member, candidate)``."""
        parts = zip(self.beliefs, self.rows, strict=True)
        return np.concatenate([np.asarray(b.noise_scale(columns))[rows] for b, rows in parts])

    def losses(
        self,
        candidates: Sequence[Candidate] | Mapping[str, np.ndarray],
        *,
        tau_factor: float | None = None,
    ) -> np.ndarray:
        """Return mean losses [nats per token], ``(member, candidate)``.

        A member is one curve: candidates that are to be compared must be asked for in one call,
        because a belief's discrepancy is drawn jointly over the candidates of a call.

        Args:
            candidates: Or their columns.
            tau_factor: By which the form's error beyond the costliest run is multiplied, for
                beliefs that take it (`bayeslaw.search.own_errors.tells_apart`).

        Raises:
            InvalidInputError: A belief returned another shape or something not finite.
        """
        columns = candidates if isinstance(candidates, Mapping) else candidate_columns(candidates)
        n_candidates = len(next(iter(columns.values())))
        changes = {} if tau_factor is None else {"tau_factor": tau_factor}
        parts = []
        for belief, rows in zip(self.beliefs, self.rows, strict=True):
            ask: Any = belief.losses  # with changes only where the belief takes them
            values = np.asarray(ask(columns, **changes), dtype=np.float64)
            if values.shape != (len(belief.sigma), n_candidates):
                raise InvalidInputError(
                    f"a loss belief returned shape {values.shape}, expected "
                    f"{(len(belief.sigma), n_candidates)} (draw, candidate)"
                )
            parts.append(values[rows])
        losses = np.concatenate(parts)
        if not np.isfinite(losses).all():
            column = int(np.argmin(np.isfinite(losses).all(axis=0)))
            raise InvalidInputError(
                f"the predicted loss of candidate {column} is not finite in some draws; the law "
                f"does not hold there or its posterior failed"
            )
        return losses

    def log_cost_distance(self, columns: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """Return the log of each candidate's cost over the costliest run's, ``(candidate,)``.

        Where laws count N in several ways it is the nearest; None where no belief knows its runs.
        """
        found = [
            belief.log_cost_distance(columns)
            for group in self.beliefs
            for belief in getattr(group, "posteriors", (group,))
            if isinstance(belief, Posterior)
        ]
        return np.min(found, axis=0) if found else None

    def members(self, n_draws: int, seed: int) -> np.ndarray:
        """Return member indices that give every draw equal weight ``(draw,)``, in random order.

        Systematic resampling (Kitagawa 1996): a member appears its expected number of times,
        rounded up or down. Equal weights and ``n_draws == n_members`` give each exactly once.
        """
        rng = np.random.default_rng(seed)
        grid = (np.arange(n_draws) + 0.5) / n_draws
        found = np.searchsorted(np.cumsum(self.weights), grid, side="left")
        return rng.permutation(np.minimum(found, self.n_members - 1))


class PoolModel(EnsembleModel):
    """Serve members' values over the rows of a pool to BoTorch.

    ``X`` is ``(..., q, 1)`` and holds row numbers of the pool as floats.
    """

    def __init__(self, values: np.ndarray) -> None:
        """Hold values ``(member, row)``, equally weighted."""
        super().__init__()
        self.values = torch.as_tensor(np.ascontiguousarray(values), dtype=torch.float64)
        self._num_outputs = 1

    def forward(self, X: Tensor) -> Tensor:
        """Return ``(..., member, q, 1)``."""
        return self.values[:, X[..., 0].long()].movedim(0, -2)[..., None]

    @property
    def batch_shape(self) -> torch.Size:
        """None: one model for all batches."""
        return torch.Size()


class MemberSampler(MCSampler):
    """Return all members, the same for every candidate of a batch."""

    def __init__(self, n_members: int) -> None:
        """Say how many members there are."""
        super().__init__(sample_shape=torch.Size([n_members]))

    def forward(self, posterior: Any) -> Tensor:
        """Return ``(member, ..., q, outcome)`` of an ensemble posterior or a list of them."""
        parts: list[EnsemblePosterior] = getattr(posterior, "posteriors", [posterior])
        return torch.cat([part.values.movedim(-3, 0) for part in parts], dim=-1)

    def _update_base_samples(self, posterior: Any, base_sampler: MCSampler) -> None:
        """Do nothing: members are never redrawn."""
