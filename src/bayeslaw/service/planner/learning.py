"""What is believed of one study: the last fit, told of what came since; and which fit is due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bayeslaw.models.latency import LatencySurrogate
from bayeslaw.models.loss import Posterior
from bayeslaw.models.loss.fit import MIN_RUNS
from bayeslaw.models.notes import Note
from bayeslaw.runs import Run, RunTable
from bayeslaw.search import Beliefs
from bayeslaw.service.planner.fitter import Fit
from bayeslaw.service.planner.posteriors import PosteriorFolder
from bayeslaw.service.planner.remembering import RememberingSurrogate
from bayeslaw.service.planner.telling import Told, tell
from bayeslaw.service.planner.trouble import Problem, problem_of
from bayeslaw.study.asking import learn_cost, learn_latency
from bayeslaw.study.config import StudyConfig
from bayeslaw.study.evidence import Evidence
from bayeslaw.study.planning import believe

# A fit over which the fitter died so often is left alone until more is known.
_MOST_DEATHS = 2


class Learner:
    """Keep what is believed of one study.

    Args:
        config: Of the study.
        study_id: Its name.
        home: The service's folder.

    Attributes:
        place: Where the fit is that beliefs rest on; None before the first.
        told: The fit, told of what came since, when beliefs were last asked for.
        notes: What to know of costs and latencies; ``told`` has notes of its own.
        trouble: Why the last fit failed; None where it did not.
        n_fits: Fits that have landed [count].
        fit_s: What the last one took [s].
    """

    def __init__(self, config: StudyConfig, study_id: str, home: Path) -> None:
        self._config, self._study_id, self._home = config, study_id, home
        self._folder = PosteriorFolder(home, study_id, config.plan.laws)
        self.fitted, self.place = self._folder.newest()
        self.told = Told(self.fitted)
        self.notes: tuple[Note, ...] = ()
        self.trouble: Problem | None = None
        self.n_fits = 0
        self.fit_s: float | None = None
        self._latency: LatencySurrogate | None = None
        self._latency_notes: tuple[Note, ...] = ()
        self._timed: int | None = None
        self._unfit: dict[str, int] = {}
        self._fingerprint = ""
        self._fingerprint_of: Sequence[Run] | None = None

    def update(self, evidence: Evidence) -> Told:
        """Tell the last fit of what came since; some milliseconds."""
        self.told = tell(self.fitted, evidence.losses)
        return self.told

    def learn_latency(self, evidence: Evidence) -> bool:
        """Fit the latency anew where timings came in, and return whether it was."""
        if len(evidence.measurements) == self._timed:
            return False
        latency, self._latency_notes = learn_latency(self._config, evidence)
        self._latency = None if latency is None else RememberingSurrogate.of(latency)
        self._timed = len(evidence.measurements)
        return True

    def beliefs(
        self, evidence: Evidence, *, n_members: int = 512, only_costs: bool = False
    ) -> Beliefs:
        """Return what is believed now; a fraction of a second, unless timings are new.

        Args:
            evidence: What is known now.
            n_members: Draws of the losses [count].
            only_costs: Leave losses and latencies out, for a plan that asks for neither.
        """
        self.update(evidence)
        cost, cost_notes = learn_cost(self._config, evidence)
        if only_costs:
            self.notes = cost_notes
            return Beliefs(cost=cost)
        self.learn_latency(evidence)
        self.notes = (*self._latency_notes, *cost_notes)
        return believe(self._config, self.told.posteriors, self._latency, cost, n_members=n_members)

    def fit_due(self, evidence: Evidence, method: str = "laplace") -> dict[str, Any] | None:
        """Return the request for a fit of all runs that are done; None where none is due.

        A NuTS fit of the same runs does for a Laplace fit. One that failed is not asked for again
        until other runs are there.
        """
        losses = evidence.losses
        if len(losses) < MIN_RUNS or not (fingerprint := self._fingerprint_now(losses)):
            return None
        name = f"{fingerprint}-{method}"
        if self._unfit.get(name, 0) >= _MOST_DEATHS:
            return None
        if self.place is not None and self.place.name in (name, f"{fingerprint}-nuts"):
            return None
        return {
            "study_id": self._study_id,
            "laws": list(self._config.plan.laws),
            "method": method,
            "seed": self._config.seed,
            "home": str(self._home),
            "fingerprint": fingerprint,
            "runs": [replace(run, record={}).to_dict() for run in losses],
        }

    def take(self, fit: Fit) -> None:
        """Take what became of a fit."""
        self.trouble = fit.error
        fitted: tuple[Posterior, ...] = ()
        if fit.place is not None:
            try:
                fitted = self._folder.read(fit.place)
            except Exception as error:
                self.trouble = problem_of(error)
        if self.trouble is not None or fit.place is None:
            # An error of the data comes again; a death may have been an accident, once.
            name = f"{fit.request['fingerprint']}-{fit.request['method']}"
            self._unfit[name] = self._unfit.get(name, 0) + (1 if fit.is_death else _MOST_DEATHS)
            return
        self.fitted, self.place = fitted, fit.place
        self.n_fits += 1
        self.fit_s = fit.seconds
        self._unfit.clear()
        self._folder.tidy(fit.place)

    def _fingerprint_now(self, losses: Sequence[Run]) -> str:
        if self._fingerprint_of is not losses:
            self._fingerprint_of = losses
            try:
                self._fingerprint = RunTable.from_runs(losses).fingerprint
            except Exception as error:
                self._fingerprint, self.trouble = "", problem_of(error)
        return self._fingerprint
