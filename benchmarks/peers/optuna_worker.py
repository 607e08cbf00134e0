"""Optuna's GP, TPE and NSGA-II with their defaults, and its random one; see `optimiser_worker`."""

from __future__ import annotations

from typing import Any

import optuna  # pyright: ignore[reportMissingImports]
from optuna.distributions import (  # pyright: ignore[reportMissingImports]
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import Trial, TrialState, create_trial  # pyright: ignore[reportMissingImports]

Run = dict[str, Any]
_SAMPLERS = {
    "optuna_gp": lambda seed: optuna.samplers.GPSampler(seed=seed),
    "optuna_tpe": lambda seed: optuna.samplers.TPESampler(seed=seed),
    "optuna_nsga2": lambda seed: optuna.samplers.NSGAIISampler(seed=seed),
}


def start(
    optimiser: str, seed: int, space: list[Run], objectives: list[str], limits: dict[str, float]
) -> OptunaStudy:
    return OptunaStudy(optimiser, seed, space, objectives, limits)


class OptunaStudy:
    """One study; all objectives are minimised, limits are upper."""

    def __init__(
        self,
        optimiser: str,
        seed: int,
        space: list[Run],
        objectives: list[str],
        limits: dict[str, float],
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.study = optuna.create_study(
            directions=["minimize"] * len(objectives), sampler=_SAMPLERS[optimiser](seed)
        )
        self.space = {given["name"]: given for given in space}
        self.distributions = {name: _distribution(given) for name, given in self.space.items()}
        self.objectives, self.limits = objectives, limits
        self.asked: dict[int, Trial] = {}

    def tell(self, runs: list[Run]) -> None:
        for run in runs:
            attributes: Run = {}
            if (token := run.get("token")) is not None:
                # NSGA-II keeps a run's generation here.
                trial = self.asked.pop(token)
                attributes = dict(self.study.get_trials(deepcopy=False)[token].system_attrs)
                self.study.tell(trial, state=TrialState.FAIL)
            values = run["values"]
            told = create_trial(
                state=TrialState.FAIL if values is None else TrialState.COMPLETE,
                params=self._encode(run["parameters"]),
                distributions=self.distributions,
                values=None if values is None else [values[name] for name in self.objectives],
                system_attrs=attributes,
            )
            if values is not None:
                for name, bound in self.limits.items():
                    told.set_constraint(name, values[name] - bound)
            self.study.add_trial(told)

    def wait(self, runs: list[Run]) -> None:
        for run in runs:
            self.study.add_trial(
                create_trial(
                    state=TrialState.RUNNING,
                    params=self._encode(run["parameters"]),
                    distributions=self.distributions,
                )
            )

    def ask(self, n: int) -> list[Run]:
        trials = [self.study.ask(self.distributions) for _ in range(n)]
        self.asked |= {trial.number: trial for trial in trials}
        return [
            {"token": trial.number, "parameters": self._decode(trial.params)} for trial in trials
        ]

    # Ordered values are their places, so that the sampler sees the order.
    def _encode(self, parameters: Run) -> Run:
        return {
            name: given["values"].index(parameters[name])
            if given["kind"] == "ordered"
            else parameters[name]
            for name, given in self.space.items()
        }

    def _decode(self, parameters: Run) -> Run:
        return {
            name: given["values"][parameters[name]]
            if given["kind"] == "ordered"
            else parameters[name]
            for name, given in self.space.items()
        }


def _distribution(given: Run) -> BaseDistribution:
    log = bool(given.get("log"))
    match given["kind"]:
        case "int":
            return IntDistribution(given["low"], given["high"], log=log)
        case "float":
            return FloatDistribution(given["low"], given["high"], log=log)
        case "ordered":
            return IntDistribution(0, len(given["values"]) - 1)
        case "choice":
            return CategoricalDistribution(given["values"])
        case kind:
            raise ValueError(f"a parameter is an int, float, ordered or choice, got {kind!r}")
