"""Whether a posterior may carry a decision: refused, widened or taken as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss.posterior import Posterior
from bayeslaw.models.notes import Note
from bayeslaw.search.ensemble import LossBelief, PredictiveEnsemble

REFUSED_RHAT = 1.1
REFUSED_ESS = 50.0
REFUSED_DIVERGENT_SHARE = 0.05
"""Beyond any of these the draws are no sample of the posterior."""

WIDENING = 1.2
"""By how much deviations from the mean curve grow where diagnostics are bad but not that bad.

A choice, not a measurement: at R-hat 1.1, or with 50 effective draws, a spread is off by about a
tenth; this is twice as much.
"""


def trusted(ensemble: PredictiveEnsemble) -> tuple[PredictiveEnsemble, tuple[Note, ...]]:
    """Return an ensemble to decide on, and what was done to it.

    Raises:
        InvalidInputError: The chains of a posterior failed; the message names law and figure.
    """
    beliefs, notes = [], []
    for belief in ensemble.beliefs:
        posteriors = getattr(belief, "posteriors", (belief,))
        sampled = [posterior for posterior in posteriors if isinstance(posterior, Posterior)]
        doubtful = [posterior for posterior in sampled if _is_doubtful(posterior)]
        beliefs.append(WidenedBelief(belief, WIDENING) if doubtful else belief)
        notes += [_note(posterior) for posterior in doubtful]
    return replace(ensemble, beliefs=tuple(beliefs)), tuple(notes)


@dataclass(frozen=True)
class WidenedBelief:
    """Believe what another belief does, less surely.

    Attributes:
        belief: The other.
        factor: By which its log losses' deviations from their mean are multiplied.
    """

    belief: LossBelief
    factor: float

    @property
    def posteriors(self) -> tuple[LossBelief, ...]:
        """What stands behind it."""
        return getattr(self.belief, "posteriors", (self.belief,))

    @property
    def sigma(self) -> np.ndarray:
        """Scale of a typical run's noise, unchanged ``(draw,)``."""
        return self.belief.sigma

    def noise_scale(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the scale of a run's noise, unchanged ``(draw, candidate)``."""
        return self.belief.noise_scale(columns)

    def losses(self, columns: Mapping[str, np.ndarray], *, tau_factor: float = 1.0) -> np.ndarray:
        """Return coherent curves [nats per token], further apart, ``(draw, candidate)``."""
        ask: Any = self.belief.losses
        logs = np.log(ask(columns, tau_factor=tau_factor))
        centre = logs.mean(axis=0)
        return np.exp(centre + self.factor * (logs - centre))


def _is_doubtful(posterior: Posterior) -> bool:
    found = posterior.diagnostics
    effective = min(found.min_ess_bulk, found.min_ess_tail)
    # Of the draws kept: a thinned posterior keeps the whole sample's count of divergences.
    share = float(np.mean(posterior.sample_stats.get("diverging", 0.0)))
    # NaN, where nothing was sampled by chains, is above nothing and below nothing.
    if found.max_rhat > REFUSED_RHAT or effective < REFUSED_ESS or share > REFUSED_DIVERGENT_SHARE:
        raise InvalidInputError(
            f"the chains of {posterior.label} failed (R-hat {found.max_rhat:.3f}, {effective:.0f} "
            f"effective draws, {found.divergences} divergences), so nothing is recommended from "
            f"them: sample longer (n_warmup, n_draws), fit with method='laplace', or add the runs "
            f"that the fit's notes ask for"
        )
    return bool(found.notes(posterior.n_chains))


def _note(posterior: Posterior) -> Note:
    codes = [note.code for note in posterior.diagnostics.notes(posterior.n_chains)]
    return Note(
        "posterior_widened",
        "warning",
        f"the chains of {posterior.label} are not quite sound ({', '.join(codes)}), so its "
        f"predictions were spread by {WIDENING - 1:.0%}: sample longer before a decision that costs",
    )
