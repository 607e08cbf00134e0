"""The one stateful object: a folder in which a study is advanced."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count, islice
from pathlib import Path
from typing import Any

from bayeslaw.errors import InvalidInputError, LabError, NotFoundError
from bayeslaw.executors import Executor, JobHandle
from bayeslaw.lab.corpus import build_corpus
from bayeslaw.models.loss import Posterior
from bayeslaw.models.recipes import RECIPES
from bayeslaw.runs import Job, Measurement, Run, RunTable
from bayeslaw.search import Beliefs, Recommendation, Suggestion
from bayeslaw.space import Candidate
from bayeslaw.study import planning
from bayeslaw.study.config import ExecutorSection, StudyConfig
from bayeslaw.study.driving import Notify, await_result, sole_driver, train_planned
from bayeslaw.study.opening import create_state, open_state


class Study:
    """Advance one study in its folder: measure, train, fit, suggest, recommend.

    All state is in the folder (SQLite and files), and every change is durable before a method
    returns, so a killed process loses nothing: open the folder again and call the same methods.

    Args:
        folder: What `Study.create` made.
        notify: Hears of progress.
        executor: Where jobs run from now on; as the config says when left out. It is no part of
            what the study is, so the folder keeps its config.

    Raises:
        NotFoundError: There is no study in that folder.
        InvalidInputError: Its config names a law, a recipe or an acquisition that there is not.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        notify: Notify | None = None,
        executor: ExecutorSection | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.state = open_state(self.folder)
        self.config = StudyConfig.from_dict(self.state.config)
        self.executor = executor or self.config.executor
        planning.check_names(self.config)
        self.notify: Notify = notify or (lambda kind, details: None)
        self._is_driving = False

    @classmethod
    def create(
        cls,
        folder: Path | str,
        config: StudyConfig,
        *,
        notify: Notify | None = None,
        executor: ExecutorSection | None = None,
    ) -> Study:
        """Begin a study in a folder, or open it if it was begun with this very config.

        Raises:
            StateError: The folder holds a study with another config.
            InvalidInputError: The config names a law, a recipe or an acquisition that there is not.
        """
        planning.check_names(config)
        create_state(folder, config)
        return cls(folder, notify=notify, executor=executor)

    # --- runs ---------------------------------------------------------------------------------

    @property
    def runs(self) -> list[Run]:
        """All runs, in the order they were added."""
        return self.state.runs()

    def plan_first_runs(self, n_runs: int | None = None) -> list[Run]:
        """Plan the space-filling first set; the config's ``initial_runs`` when left out."""
        n_runs = self.config.plan.initial_runs if n_runs is None else n_runs
        return self._plan_runs(planning.first_candidates(self.config, n_runs), "initial")

    def plan_check(self, recommended: Candidate) -> list[Run]:
        """Plan what checks a recommendation: that architecture and the baseline, at the target."""
        return self._plan_runs([recommended, self.config.decision.baseline_candidate], "check")

    def suggest(
        self,
        beliefs: Beliefs,
        n_runs: int | None = None,
        *,
        keep: bool = True,
        max_gpu_hours: float | None = None,
    ) -> list[Suggestion]:
        """Choose the next runs and plan them; none once the budget is spent.

        Args:
            beliefs: From `beliefs`.
            n_runs: How many; the config's ``runs_per_round`` when left out.
            keep: Whether to plan them, or only say what they would be.
            max_gpu_hours: What any one of them may take; the config's when left out.
        """
        left = self.config.plan.budget_gpu_hours - self.state.spent_gpu_hours()
        if left <= 0:
            self.notify("step", {"text": f"the budget is spent ({-left:.3g} device-hours over)"})
            return []
        rounds = [run.record.get("round", 0) for run in self.runs if run.purpose == "suggested"]
        round_number = 1 + max(rounds, default=0)
        suggestions = planning.suggest_runs(
            self.config,
            beliefs,
            self.runs,
            q=self.config.plan.runs_per_round if n_runs is None else n_runs,
            budget_gpu_hours=left,
            round_number=round_number,
            max_gpu_hours=max_gpu_hours,
        )
        if keep:
            self._plan_runs(
                [suggestion.candidate for suggestion in suggestions],
                "suggested",
                [{"round": round_number, "suggestion": s.to_dict()} for s in suggestions],
            )
        return suggestions

    def train(self) -> list[Run]:
        """Train every planned run, as many at once as the executor has slots; return them ended.

        Interrupted (Ctrl-C, SIGTERM), running jobs are ended politely and their runs given back;
        called again, they go on from their checkpoints.

        Raises:
            StateError: Another process is driving this study.
        """
        if not self.state.pending():
            return []
        with self.driving(), self._open_executor() as executor:
            self._build_corpus()

            def submit(run: Run) -> JobHandle:
                return executor.submit(self.training_job(run), self._job_folder(run.run_id))

            return train_planned(self.state, executor, submit, self.notify)

    def training_job(self, run: Run) -> Job:
        """Return the job that trains a run, its hyper-parameters resolved by the recipe."""
        if run.architecture is None:
            raise InvalidInputError(
                f"run {run.run_id!r} has no architecture, so it cannot be trained"
            )
        train = self.config.train
        recipe = RECIPES[train.recipe]
        return Job(
            run_id=run.run_id,
            kind="train",
            architecture=run.architecture,
            n_tokens=run.n_tokens,
            hyperparameters=recipe(Candidate(run.architecture, run.n_tokens), train.seq_len),
            corpus=str((self.folder / "corpus").resolve()),
            device=train.device,
            precision=train.precision,
            attention=train.attention,
            threads=self.executor.threads_a_job,
            seed=self.config.seed,
        )

    # --- latency ------------------------------------------------------------------------------

    def measure(self, candidates: Sequence[Candidate], prefix: str = "m") -> list[Measurement]:
        """Time architectures, one after the other so that they do not disturb each other.

        Those that were timed under this prefix before are not timed again.
        """
        present = self.state.measurements()
        with self.driving(), self._open_executor(is_timing=True) as executor:
            for number, candidate in enumerate(candidates, start=1):
                measurement_id = f"{prefix}{number:03d}"
                self.notify(
                    "step",
                    {"text": f"timing {number} of {len(candidates)}: {candidate.architecture}"},
                )
                if measurement_id in present:
                    continue
                job = self._measuring_job(measurement_id, candidate)
                handle = executor.submit(job, self._job_folder(measurement_id))
                result = await_result(executor, handle)
                if result.measurement is None:
                    raise LabError(
                        f"timing {candidate.architecture} failed: {result.reason}; to time it "
                        f"again, delete {handle.folder}"
                    )
                self.state.add_measurement(
                    result.measurement,
                    measurement_id=measurement_id,
                    cost_gpu_hours=result.seconds / 3600,
                )
        timed = self.state.measurements()
        return [timed[f"{prefix}{number:03d}"] for number in range(1, len(candidates) + 1)]

    @property
    def measurements(self) -> list[Measurement]:
        """What the latency surrogate learns from: all timings but those of a check."""
        timed = self.state.measurements()
        return [m for name, m in timed.items() if not name.startswith("check")]

    def measure_planned(self) -> list[Measurement]:
        """Time the architectures that the latency surrogate learns from."""
        return self.measure(planning.measured_candidates(self.config))

    def _measuring_job(self, measurement_id: str, candidate: Candidate) -> Job:
        return Job(
            run_id=measurement_id,
            kind="measure",
            architecture=candidate.architecture,
            workload=self.config.serving,
            device=self.config.train.device,
            attention=self.config.train.attention,
            threads=self.executor.threads_a_job,
            seed=self.config.seed,
        )

    # --- beliefs ------------------------------------------------------------------------------

    def fit(self, method: planning.FitMethod = "laplace") -> list[Posterior]:
        """Fit the study's laws to the runs so far and keep the posteriors as NetCDF.

        Only runs that chose the architecture are learnt from: those of a check are held out.
        """
        posteriors = planning.fit_posteriors(self.config, self._evidence, method)
        folder = self.folder / "posteriors"
        folder.mkdir(exist_ok=True)
        for posterior in posteriors:
            posterior.save(folder / f"{posterior.law_name}.nc")
        return posteriors

    def posteriors(self) -> list[Posterior]:
        """Load the posteriors that the last `fit` kept.

        Raises:
            NotFoundError: Nothing was fitted, or runs have ended since.
        """
        if not any(run.is_evidence for run in self._evidence):
            raise NotFoundError("no run is done yet, so no law was fitted")
        fingerprint = RunTable.from_runs(self._evidence).fingerprint
        found = []
        for name in self.config.plan.laws:
            path = self.folder / "posteriors" / f"{name}.nc"
            if not path.exists():
                raise NotFoundError(f"law {name!r} was not fitted yet; run `bayeslaw fit`")
            posterior = Posterior.load(path)
            if posterior.fingerprint != fingerprint:
                raise NotFoundError(
                    f"runs have ended since {name!r} was fitted; run `bayeslaw fit`"
                )
            found.append(posterior)
        return found

    def beliefs(self, posteriors: Sequence[Posterior], *, n_members: int = 512) -> Beliefs:
        """Put loss, latency and cost into one bundle; decisions deserve about 1,000 members."""
        return planning.form_beliefs(
            self.config, posteriors, self._evidence, self.measurements,
            n_members=n_members,
        )  # fmt: skip

    def recommend(self, beliefs: Beliefs) -> Recommendation:
        """Choose the architecture for the target and keep the choice."""
        left = self.config.plan.budget_gpu_hours - self.state.spent_gpu_hours()
        recommendation = planning.recommend_architecture(
            self.config, beliefs, self.runs, budget_gpu_hours=left
        )
        self.state.write_document("recommendation", recommendation.to_dict())
        return recommendation

    # --- parts --------------------------------------------------------------------------------

    @property
    def _evidence(self) -> list[Run]:
        return [run for run in self.runs if run.purpose != "check"]

    def _plan_runs(
        self,
        candidates: Sequence[Candidate],
        purpose: str,
        records: Sequence[dict[str, Any]] | None = None,
    ) -> list[Run]:
        # Imported runs may be named like ours.
        taken = {run.run_id for run in self.runs}
        free = (name for i in count(1 + len(taken)) if (name := f"r{i:04d}") not in taken)
        names = list(islice(free, len(candidates)))
        runs = [
            Run(
                run_id=names[i],
                n_tokens=candidate.n_tokens,
                architecture=candidate.architecture,
                purpose=purpose,
                record=records[i] if records else {},
            )
            for i, candidate in enumerate(candidates)
        ]
        self.state.add_runs(runs)
        return runs

    def _build_corpus(self) -> None:
        train = self.config.train
        self.notify("step", {"text": f"reading text from {train.corpus}"})
        build_corpus(train.corpus, self.folder / "corpus", train.corpus_bytes)

    @contextmanager
    def driving(self) -> Iterator[None]:
        """Keep a second process from driving the same folder; a crash lets go of it.

        Raises:
            StateError: Another process is driving it.
        """
        if self._is_driving:
            yield
            return
        with sole_driver(self.folder):
            self._is_driving = True
            try:
                yield
            finally:
                self._is_driving = False

    def _open_executor(self, *, is_timing: bool = False) -> Executor:
        train = self.config.train
        return self.executor.open(command=train.command, device=train.device, is_timing=is_timing)

    def _job_folder(self, name: str) -> Path:
        folder = self.folder / "jobs" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder
