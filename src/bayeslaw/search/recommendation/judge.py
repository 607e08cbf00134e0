"""What draws say of a choice: who is feasible, who may be the best, what the choice may cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayeslaw.search.front import (
    box_share,
    keeps_limits,
    non_dominated,
    reference_and_ideal,
    without_common_shift,
)
from bayeslaw.search.objectives import Objectives
from bayeslaw.search.outcomes import Outcomes

RIVAL_PROBABILITY = 0.25
"""A candidate that is better in this share of the draws is not ruled out."""

ALIKE_SHARE = 0.02
"""A regret below this share of the box is not worth another run."""


@dataclass(frozen=True)
class Judgement:
    """Hold what the draws say; columns are the candidates and then whatever is set beside them.

    Attributes:
        utility: Share of the box that each column dominates alone, once what moves all columns
            alike is taken out ``(draw, column)``.
        is_feasible: ``(draw, column)``.
        is_eligible: Whether a candidate likely enough keeps all limits ``(candidate,)``.
        chosen: Column with the highest expected utility of those eligible.
        p_pareto: ``(column,)``; of what is set beside, against the candidates.
        p_best: Probability of the highest utility ``(candidate,)``; ties share it.
        regret_share: Expected regret as a share of the box ``(column,)``.
        scale: Of a share, in units of the one objective; 1 where there are several.
        rivals: Eligible candidates that are ahead of the chosen in `RIVAL_PROBABILITY` of the
            draws, the likeliest first ``(rival,)``.
        chosen_best: Share of the judging draws in which the chosen is not beaten.
        box: Reference and ideal point, each ``(objective,)``.
    """

    utility: np.ndarray
    is_feasible: np.ndarray
    is_eligible: np.ndarray
    chosen: int
    p_pareto: np.ndarray
    p_best: np.ndarray
    regret_share: np.ndarray
    scale: float
    rivals: np.ndarray
    chosen_best: float
    box: tuple[np.ndarray, np.ndarray]

    @property
    def is_open(self) -> bool:
        """Whether rivals are left that it would cost something to pass over."""
        return len(self.rivals) > 0 and bool(self.regret_share[self.chosen] > ALIKE_SHARE)

    @property
    def runner_up(self) -> int | None:
        """The eligible candidate with the next highest expected utility, None without one."""
        is_other = self.is_eligible & (np.arange(len(self.p_best)) != self.chosen)
        if not is_other.any():
            return None
        expected = self.utility.mean(axis=0)[: len(is_other)]
        return int(np.argmax(np.where(is_other, expected, -np.inf)))


def judge(
    wanted: Objectives,
    outcomes: Outcomes,
    n_candidates: int,
    p_feasible: float,
    *,
    given: Judgement | None = None,
) -> Judgement:
    """Choose on one half of the draws and count what the choice costs on the other.

    So the winner's luck in the draws does not flatter it. Rows are in random order, so halves are
    two samples of the same belief.

    Args:
        wanted: Objectives and limits.
        outcomes: Candidates first, then what is only set beside them.
        n_candidates: How many may be chosen.
        p_feasible: Least probability to keep all limits.
        given: A judgement whose choice and box are taken over, to see what becomes of it under
            other draws.
    """
    utilities = wanted.utilities(outcomes)
    is_feasible = keeps_limits(wanted.margins(outcomes))
    asked = slice(0, n_candidates)
    box = given.box if given else _box(utilities[:, asked], is_feasible[:, asked])
    utility = box_share(without_common_shift(utilities), is_feasible, *box)
    half = outcomes.n_draws // 2
    choosing, judging = utility[:half, asked], utility[half:]
    often = is_feasible[:, asked].mean(axis=0)
    is_eligible = often >= p_feasible
    if not is_eligible.any():
        is_eligible = often == often.max()
    expected = np.where(is_eligible, choosing.mean(axis=0), -np.inf)
    chosen = given.chosen if given else int(np.argmax(expected))
    best = judging[:, asked].max(axis=1, keepdims=True)
    ahead = (judging[:, asked] > judging[:, [chosen]]).mean(axis=0) * is_eligible
    rivals = np.argsort(-ahead, kind="stable")
    return Judgement(
        utility=utility,
        is_feasible=is_feasible,
        is_eligible=is_eligible,
        chosen=chosen,
        p_pareto=_p_pareto(utilities, is_feasible, n_candidates),
        p_best=_p_best(utility[:, asked], is_feasible[:, asked]),
        # What is set beside may beat all candidates; its regret is then zero, not negative.
        regret_share=np.maximum(best - judging, 0.0).mean(axis=0),
        scale=float(box[1][0] - box[0][0]) if len(wanted.wanted) == 1 else 1.0,
        rivals=rivals[ahead[rivals] >= RIVAL_PROBABILITY],
        chosen_best=float((judging[:, chosen] >= best[:, 0]).mean()),
        box=box,
    )


def _box(utilities: np.ndarray, is_feasible: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    reference, ideal = reference_and_ideal(utilities, is_feasible)
    return reference, ideal


def _p_best(utility: np.ndarray, is_feasible: np.ndarray) -> np.ndarray:
    """Return who is the best in what share of the draws ``(candidate,)``.

    Draws in which nobody keeps the limits have no best.
    """
    values = np.where(is_feasible, utility, -np.inf)
    is_top = (values == values.max(axis=1, keepdims=True)) & is_feasible
    return (is_top / np.maximum(is_top.sum(axis=1, keepdims=True), 1)).mean(axis=0)


def _p_pareto(utilities: np.ndarray, is_feasible: np.ndarray, n_candidates: int) -> np.ndarray:
    """Return each candidate's P(Pareto) among candidates, and every other column's against them."""
    asked = slice(0, n_candidates)
    rival, may = utilities[:, asked], is_feasible[:, asked]
    found = [*non_dominated(rival, may).mean(axis=0)]
    for column in range(n_candidates, utilities.shape[1]):
        at = utilities[:, [column]]
        beaten = (rival >= at).all(axis=-1) & (rival > at).any(axis=-1)
        stands = ~(beaten & may).any(axis=1) & is_feasible[:, column]
        found.append(stands.mean())
    return np.array(found)
