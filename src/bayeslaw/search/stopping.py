"""Whether a run under way can still change the decision at the target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from bayeslaw.errors import InvalidInputError
from bayeslaw.search.early_loss import EarlyLoss

# Slopes are covariances over some hundreds of draws; more near-equal alternatives would let the
# noise in them pass for decisions that might change.
MAX_ALTERNATIVES = 64
# Outcomes of a law's normal, up to five standard deviations: far ones decide rarely, but gain most.
OUTCOMES = np.linspace(-5.0, 5.0, 401)
N_GROUPS = 10
LEAST_DRAWS = 30
LEAST_PROBABILITY = 0.02


@dataclass(frozen=True)
class StopAdvice:
    """Say whether to stop a run, and on what grounds.

    Attributes:
        stop: Whether the rest of the run is not worth its hours.
        p_changes_decision: P(its final loss makes another alternative the best).
        gain_left: Expected gain of the decision from its final loss, in units of the utilities.
        gain_per_hour_left: The same per hour that is left [1 / GPU-hour].
        p_error: Monte Carlo standard error of the probability.
        gain_error: Monte Carlo standard error of the gain.
        reason: For a person, in a sentence; what a stopped run's record should say.
    """

    stop: bool
    p_changes_decision: float
    gain_left: float
    gain_per_hour_left: float
    p_error: float
    gain_error: float
    reason: str


def should_stop(
    final_log_losses: np.ndarray,
    utilities: np.ndarray,
    early: EarlyLoss,
    *,
    noise_sd: float,
    hours_left: float,
    law: np.ndarray | None = None,
    decisions: np.ndarray | None = None,
    evidence_power: float = 1.0,
    tolerance: float = 0.0,
    least_probability: float = LEAST_PROBABILITY,
) -> StopAdvice:
    """Decide whether a run's remaining hours can still change which alternative is chosen.

    Within each law everything is taken as jointly normal. The partial curve is a noisy reading of
    the final loss, so it is conditioned on first; what is left of the final loss's variance then
    moves every alternative along one line (Frazier, Powell and Dayanik 2009,
    doi:10.1287/ijoc.1080.0314), and it reweighs the laws by how well they had predicted it. A run
    is stopped where P(decision changes), two Monte Carlo standard errors added, stays below
    ``least_probability``. That is a look one run ahead, at this decision: what the finished run
    would add to later ones (a longer curve, a better law) is not counted.

    Args:
        final_log_losses: Of this run, as the law draws its mean log loss ``(draw,)``; the run's own
            noise not in it.
        utilities: Of each alternative at the target, one number each, more is better, 0 or less
            where limits break ``(draw, alternative)``; the same draws.
        early: What its curve so far says.
        noise_sd: Of a run's final log loss around the law's mean.
        hours_left: Until it ends [GPU-hours].
        law: Number of the law each draw is of ``(draw,)``; one law when left out.
        decisions: Which decision each alternative belongs to, ascending ``(alternative,)``, as in
            `Aims`; where left out all belong to one, and the best `MAX_ALTERNATIVES` take part.
            Any decision that changes counts, gains are averaged over decisions.
        evidence_power: How far a law's predictions change its weight: 1 is Bayes' rule, 0 not.
        tolerance: A change of decision that gains no more than this does not count, in units of the
            utilities.
        least_probability: Below it the run is stopped.

    Raises:
        InvalidInputError: Shapes disagree, fewer than `LEAST_DRAWS` draws in a law, something is
            not finite, or a number is out of its range.
    """
    law = np.zeros(len(final_log_losses), dtype=int) if law is None else np.asarray(law)
    _check(final_log_losses, utilities, law, noise_sd, hours_left, tolerance, least_probability)
    if not 0 <= evidence_power <= 1:
        raise InvalidInputError(f"evidence_power is from 0 to 1, got {evidence_power}")
    if decisions is None:
        best = np.argsort(-utilities.mean(axis=0), kind="stable")[:MAX_ALTERNATIVES]
        utilities, decisions = utilities[:, best], np.zeros(len(best), dtype=int)
    starts = np.flatnonzero(np.diff(decisions, prepend=-1))
    if len(decisions) != utilities.shape[1] or (np.diff(decisions) < 0).any():
        raise InvalidInputError(
            f"decisions must be ascending, one for each of {utilities.shape[1]} alternatives, got "
            f"{decisions.tolist()}"
        )

    def look(kept: np.ndarray) -> tuple[float, float]:
        stories = [
            _Story.of(final_log_losses[kept & (law == k)], utilities[kept & (law == k)], noise_sd)
            for k in np.unique(law)
        ]
        weights = np.array([np.mean(law[kept] == k) for k in np.unique(law)])
        return _look_ahead(stories, weights, early, starts, evidence_power, tolerance)

    everyone = np.ones(len(law), dtype=bool)
    p, gain = look(everyone)
    # Draws of a law may lie in order of anything; every tenth of them is a group of the jackknife.
    group = np.empty(len(law), dtype=int)
    for k in np.unique(law):
        group[law == k] = np.arange((law == k).sum()) % N_GROUPS
    without = np.array([look(group != g) for g in range(N_GROUPS)])
    p_error, gain_error = np.sqrt((N_GROUPS - 1) * without.var(axis=0))
    stop = bool(p + 2 * p_error < least_probability)
    told = (
        f"its final loss changes the decision with probability {p:.3f} (Monte Carlo error "
        f"{p_error:.3f}), after {early.share:.0%} of its tokens"
    )
    verdict = (
        f"stop: {told}; {least_probability:g} was asked for"
        if stop
        else f"go on: {told}; expected gain {gain:.3g} for {hours_left:.3g} GPU-hours"
    )
    return StopAdvice(stop, p, gain, gain / hours_left, float(p_error), float(gain_error), verdict)


@dataclass(frozen=True)
class _Story:
    """One law's normal account of the run's final loss and the alternatives.

    Attributes:
        mean: Of the run's final log loss.
        variance: Of it, the run's noise included.
        expected: Utility of each alternative ``(alternative,)``.
        slopes: Change of each with the final log loss ``(alternative,)``.
    """

    mean: float
    variance: float
    expected: np.ndarray
    slopes: np.ndarray

    @classmethod
    def of(cls, losses: np.ndarray, utilities: np.ndarray, noise_sd: float) -> _Story:
        """Take moments over a law's draws."""
        off = losses - losses.mean()
        variance = float(off @ off / (len(off) - 1)) + noise_sd**2
        slopes = off @ (utilities - utilities.mean(axis=0)) / (len(off) - 1) / variance
        return cls(float(losses.mean()), variance, utilities.mean(axis=0), slopes)

    def after(self, early: EarlyLoss) -> tuple[_Story, float]:
        """Condition on the partial curve; also return the log density it had."""
        total = self.variance + early.sd**2
        off = early.log_loss - self.mean
        moved = self.variance / total * off
        told = _Story(
            self.mean + moved,
            self.variance * early.sd**2 / total,
            self.expected + self.slopes * moved,
            self.slopes,
        )
        return told, -0.5 * off**2 / total - 0.5 * float(np.log(total))


def _look_ahead(
    stories: list[_Story],
    weights: np.ndarray,
    early: EarlyLoss,
    starts: np.ndarray,
    evidence_power: float,
    tolerance: float,
) -> tuple[float, float]:
    """Return P(in some decision another alternative becomes the best) and the expected gain."""
    told, evidence = zip(*(story.after(early) for story in stories), strict=True)
    weights = _normalised(np.log(weights) + evidence_power * np.array(evidence))
    expected = weights @ np.array([story.expected for story in told])
    ends = [*starts[1:], len(expected)]
    now = [int(a + np.argmax(expected[a:b])) for a, b in zip(starts, ends, strict=True)]
    chance = np.outer(weights, _normalised(-0.5 * OUTCOMES**2)).ravel()
    means = np.array([story.mean for story in told])[:, None]
    spreads = np.sqrt([story.variance for story in told])[:, None]
    outcomes = (means + spreads * OUTCOMES).ravel()
    density = -0.5 * ((outcomes - means) / spreads) ** 2 - np.log(spreads)  # (law, outcome)
    belief = _normalised(np.log(weights)[:, None] + evidence_power * density)
    lines = [s.expected[:, None] + s.slopes[:, None] * (outcomes - s.mean) for s in told]
    after = np.einsum("ko,kao->ao", belief, np.array(lines))
    gained = np.maximum.reduceat(after, starts, axis=0) - after[now]  # (decision, outcome)
    return float(chance @ (gained > tolerance).any(axis=0)), float(chance @ gained.mean(axis=0))


def _normalised(log_weights: np.ndarray) -> np.ndarray:
    return np.exp(log_weights - logsumexp(log_weights, axis=0))


def _check(
    losses: np.ndarray,
    utilities: np.ndarray,
    law: np.ndarray,
    noise_sd: float,
    hours_left: float,
    tolerance: float,
    least_probability: float,
) -> None:
    if losses.ndim != 1 or utilities.ndim != 2 or not len(losses) == len(utilities) == len(law):
        raise InvalidInputError(
            f"expected losses (draw,), utilities (draw, alternative) and law (draw,), got "
            f"{losses.shape}, {utilities.shape} and {law.shape}"
        )
    if utilities.shape[1] < 1 or not (np.isfinite(losses).all() and np.isfinite(utilities).all()):
        raise InvalidInputError("losses and utilities must be finite, with one alternative or more")
    if (fewest := int(np.unique(law, return_counts=True)[1].min())) < LEAST_DRAWS:
        raise InvalidInputError(
            f"a law has {fewest} draws, at least {LEAST_DRAWS} are needed to say what a loss tells"
        )
    for name, value, is_fine in (
        ("noise_sd", noise_sd, noise_sd > 0), ("hours_left", hours_left, hours_left > 0),
        ("tolerance", tolerance, tolerance >= 0),
        ("least_probability", least_probability, 0 < least_probability < 1),
    ):  # fmt: skip
        if not (np.isfinite(value) and is_fine):
            raise InvalidInputError(f"{name} is out of its range: {value}")
