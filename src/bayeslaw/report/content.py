"""What a report is written from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss import Posterior
from bayeslaw.report.verdict import CheckedFigure, checked_figures
from bayeslaw.runs import Measurement, Run
from bayeslaw.space import Architecture, Target

if TYPE_CHECKING:
    from bayeslaw.models.latency import LatencySurrogate

_RECOMMENDATION_KEYS = (
    "chosen",
    "baseline",
    "front",
    "n_candidates",
    "rule",
    "is_decided",
    "notes",
)
_FORECAST_KEYS = ("architecture", "n_tokens", "loss_nats", "tpot_ms", "p_feasible", "p_pareto")
_SUGGESTION_KEYS = ("architecture", "n_tokens", "loss_nats", "cost_gpu_hours", "why")


@dataclass(frozen=True)
class ReportContent:
    """Hold everything that a report says; what is not known yet is left out.

    Attributes:
        study_name: For the title.
        target: What is being decided.
        runs: All runs, failed and superseded ones too, in the order to list them.
        measurements: Latencies that were timed.
        posteriors: One a law, of the last fit; all weigh equally.
        recommendation: `Recommendation.to_dict()`, the one that was made *before* the check.
        suggestions: `Suggestion.to_dict()` of what would be done next.
        check: What the recommended and the baseline network did when they were built:
            ``recommended_loss``, ``baseline_loss`` [nats per token], ``recommended_tpot_ms``,
            ``baseline_tpot_ms`` [ms], ``loss_inside_90``, ``latency_inside_90``; each may be
            missing. ``loss_p05`` ... ``tpot_ms_p95`` give the predicted interval where it is not
            the recommendation's.
        latency: Of the device that serves, to set its predictions beside the timings.
        spent: Wall time by step [s].
        spent_gpu_hours: Device time of all runs [GPU-hour].
        versions: Of what made the report: package, device, commit, date.

    Raises:
        InvalidInputError: A mapping lacks a key, a time is not a duration, or the check says
            "inside" of a figure that lies outside the interval (or the other way round).
    """

    study_name: str
    target: Target
    runs: Sequence[Run] = ()
    measurements: Sequence[Measurement] = ()
    posteriors: Sequence[Posterior] = ()
    recommendation: Mapping[str, Any] | None = None
    suggestions: Sequence[Mapping[str, Any]] = ()
    check: Mapping[str, Any] | None = None
    latency: LatencySurrogate | None = None
    spent: Mapping[str, float] = field(default_factory=dict)
    spent_gpu_hours: float = 0.0
    versions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.recommendation is not None:
            _require("recommendation", self.recommendation, _RECOMMENDATION_KEYS)
            for forecast in (self.recommendation["chosen"], *self.recommendation["front"]):
                _require("a forecast of the recommendation", forecast, _FORECAST_KEYS)
        for suggestion in self.suggestions:
            _require("a suggestion", suggestion, _SUGGESTION_KEYS)
        for step, seconds in {**self.spent, "gpu-hours": self.spent_gpu_hours}.items():
            if not (math.isfinite(seconds) and seconds >= 0):
                raise InvalidInputError(f"time spent on {step!r} must be 0 or more, got {seconds}")
        _ = self.checked

    @property
    def chosen(self) -> Mapping[str, Any] | None:
        """The recommended candidate's forecast."""
        return None if self.recommendation is None else self.recommendation["chosen"]

    @property
    def baseline(self) -> Mapping[str, Any] | None:
        """The baseline's forecast."""
        return None if self.recommendation is None else self.recommendation["baseline"]

    @property
    def centre(self) -> Architecture:
        """The architecture that curves pass through: the recommended one, else the baseline."""
        if self.chosen is None:
            return self.target.baseline
        return Architecture.from_dict(self.chosen["architecture"])

    @property
    def checked(self) -> tuple[CheckedFigure, ...]:
        """What was predicted and then measured at the target; empty without a check."""
        return checked_figures(self.check, self.chosen, self.baseline)

    @property
    def notes(self) -> list[tuple[str, Mapping[str, Any]]]:
        """Every note with where it comes from, warnings first."""
        found = [(p.law_name, note.to_dict()) for p in self.posteriors for note in p.notes]
        if self.latency is not None:
            found += [("latency", note.to_dict()) for note in self.latency.notes]
        if self.recommendation is not None:
            found += [("recommendation", dict(note)) for note in self.recommendation["notes"]]
        return sorted(found, key=lambda pair: pair[1]["severity"] != "warning")

    @property
    def extrapolation(self) -> float | None:
        """Cost of the target over the costliest run that was fitted; None without a fit."""
        ratios = [
            6.0 * getattr(self.centre, p.n_column) * self.target.n_tokens / p.max_cost_flops
            for p in self.posteriors
        ]
        return max(ratios, default=None)

    @property
    def evidence(self) -> list[Run]:
        """Runs that count: done, not superseded; those that checked a prediction, too."""
        return [run for run in self.runs if run.is_evidence and run.loss_nats is not None]

    @property
    def learnt(self) -> list[Run]:
        """Runs that count and were made to learn from, not to check."""
        return [run for run in self.evidence if run.purpose != "check"]


def _require(what: str, given: Mapping[str, Any], keys: Sequence[str]) -> None:
    if missing := [key for key in keys if key not in given]:
        raise InvalidInputError(
            f"{what} lacks {missing}, got only {sorted(given)}; pass what to_dict() returns"
        )
