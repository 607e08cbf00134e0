"""What to build at the target, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bayeslaw.models.notes import Note
from bayeslaw.search.recommendation.credible_set import CredibleSet
from bayeslaw.search.recommendation.deciding import DecidingRun
from bayeslaw.search.recommendation.forecast import Forecast
from bayeslaw.search.recommendation.heuristics import Heuristic


@dataclass(frozen=True)
class Recommendation:
    """Recommend one architecture for the target.

    Attributes:
        chosen: The recommended candidate.
        baseline: What it is compared with, predicted jointly; None without one.
        front: Candidates with a fair chance to be Pareto-optimal, by increasing loss.
        forecasts: All candidates, in the order given.
        rule: How the choice was made, for a person.
        regret_unit: Of every ``expected_regret``.
        notes: Warnings; a recommendation that cannot be told from its rivals says so here.
        runner_up: The next best on average; None where there is no other.
        credible: The smallest set of candidates that holds the best one with 90 %.
        drivers: Share of the variance between chosen and runner-up that goes when one unknown is
            known: ``coefficients``, ``discrepancy``, ``noise``, ``latency``.
        heuristics: What rules of thumb would build.
        deciding_run: The affordable run that would teach most about the choice; None where no
            runs were given or none can be paid.
        record: Objectives, limits, seed, draws, reference and ideal point.
    """

    chosen: Forecast
    baseline: Forecast | None
    front: tuple[Forecast, ...]
    forecasts: tuple[Forecast, ...]
    rule: str
    regret_unit: str
    notes: tuple[Note, ...]
    runner_up: Forecast | None
    credible: CredibleSet
    drivers: Mapping[str, float]
    heuristics: tuple[Heuristic, ...]
    deciding_run: DecidingRun | None
    record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_decided(self) -> bool:
        """Whether the chosen candidate keeps the limits and stands out from its rivals."""
        return not {note.code for note in self.notes} & {"undecidable", "limits_not_met"}

    def to_dict(self) -> dict[str, Any]:
        """Return all as JSON-ready values; candidates that are nowhere named are only counted."""
        return {
            "chosen": self.chosen.to_dict(),
            "baseline": None if self.baseline is None else self.baseline.to_dict(),
            "front": [forecast.to_dict() for forecast in self.front],
            "n_candidates": len(self.forecasts),
            "rule": self.rule,
            "regret_unit": self.regret_unit,
            "is_decided": self.is_decided,
            "notes": [note.to_dict() for note in self.notes],
            "runner_up": None if self.runner_up is None else self.runner_up.to_dict(),
            "credible_set": self.credible.to_dict(),
            "drivers": dict(self.drivers),
            "heuristics": [heuristic.to_dict() for heuristic in self.heuristics],
            "deciding_run": None if self.deciding_run is None else self.deciding_run.to_dict(),
            "record": dict(self.record),
        }
