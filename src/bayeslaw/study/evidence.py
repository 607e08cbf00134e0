"""What a study knows at one moment, and what may be done with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

from bayeslaw.models.loss.fit import MIN_RUNS
from bayeslaw.runs import Measurement, Run
from bayeslaw.study.config import StudyConfig


@dataclass(frozen=True)
class Reason:
    """Say why something is not there, for a program and for a person.

    Attributes:
        code: Stable name: ``budget-spent``.
        detail: What is the matter, in a sentence.
        todo: What would mend it; empty where only waiting does.
    """

    code: str
    detail: str
    todo: str = ""

    def to_dict(self) -> dict[str, str]:
        """Return the fields as JSON-ready values."""
        return asdict(self)


@dataclass(frozen=True)
class Evidence:
    """Hold what a study knows.

    Attributes:
        runs: All, in the order they were added.
        measurements: What latency is learnt from, in the order they were added.
        spent_gpu_hours: What runs and measurements have cost so far [h].

    >>> evidence = Evidence([Run("r1", n_tokens=1000), Run("c1", n_tokens=1000, purpose="check")])
    >>> len(evidence.pending), len(evidence.learnt_from), evidence.losses
    (2, 1, [])
    """

    runs: Sequence[Run]
    measurements: Sequence[Measurement] = ()
    spent_gpu_hours: float = 0.0

    @cached_property
    def learnt_from(self) -> list[Run]:
        """Ended and pending runs that chose the architecture; those of a check are held out."""
        return [run for run in self.runs if run.purpose != "check"]

    @cached_property
    def losses(self) -> list[Run]:
        """Runs that a law is fitted to."""
        return [run for run in self.learnt_from if run.is_evidence]

    @cached_property
    def pending(self) -> list[Run]:
        """Runs whose result is still to come."""
        return [run for run in self.runs if not run.is_ended]

    @cached_property
    def ended(self) -> list[Run]:
        """Runs that ended; one given up for lost may be done once more, so it is not among them."""
        return [run for run in self.runs if run.is_ended and run.status != "abandoned"]

    def n_of(self, purpose: str) -> int:
        """Return how many runs of a purpose were handed out, those given up for lost aside."""
        return sum(run.purpose == purpose and run.status != "abandoned" for run in self.runs)


def first_runs_wanted(config: StudyConfig, evidence: Evidence) -> int:
    """Return how many runs of the first set are neither done nor under way; history counts."""
    return max(0, config.plan.initial_runs - len(evidence.losses) - len(evidence.pending))


def may_learn(config: StudyConfig, evidence: Evidence) -> bool:
    """Return whether enough is known for a law to choose runs.

    That is when the first set is done; or when all of it was handed out and half of it, and at
    least what a law needs, is done: one slow run does not keep all other workers waiting.
    """
    n_losses, n_first = len(evidence.losses), config.plan.initial_runs
    if n_losses < MIN_RUNS:
        return False
    return n_losses >= n_first or (
        first_runs_wanted(config, evidence) == 0 and 2 * n_losses >= n_first
    )


def served(config: StudyConfig, measurements: Iterable[Measurement]) -> list[Measurement]:
    """Return the timings that say something of the study's workload."""
    serving = config.serving
    return [m for m in measurements if m.workload == serving and m.is_feasible]
