"""Ax's ``Client`` with its defaults; see `optimiser_worker` for the words."""

from __future__ import annotations

import logging
from typing import Any

from ax.api.client import Client  # pyright: ignore[reportMissingImports]
from ax.api.configs import ChoiceParameterConfig, RangeParameterConfig  # pyright: ignore[reportMissingImports]

Run = dict[str, Any]


def start(
    optimiser: str, seed: int, space: list[Run], objectives: list[str], limits: dict[str, float]
) -> AxClient:
    return AxClient(seed, space, objectives, limits)


class AxClient:
    """One experiment; all objectives are minimised, limits are upper."""

    def __init__(
        self, seed: int, space: list[Run], objectives: list[str], limits: dict[str, float]
    ) -> None:
        logging.disable(logging.WARNING)
        self.client = Client(random_seed=seed)
        self.client.configure_experiment([_parameter(p) for p in space])
        self.client.configure_optimization(
            objective=", ".join(f"-{name}" for name in objectives),
            outcome_constraints=[f"{name} <= {bound}" for name, bound in limits.items()] or None,
        )
        # With the default, runs told beforehand do not spare the centre of the space: the first
        # answer would be no model's.
        self.client.configure_generation_strategy(initialize_with_center=False)
        self.asked: dict[int, Run] = {}

    def tell(self, runs: list[Run]) -> None:
        for run in runs:
            token = run.get("token")
            if token is not None and self.asked[token] == run["parameters"]:
                index = token
            else:
                if token is not None:
                    self.client.mark_trial_failed(token)
                index = self.client.attach_trial(run["parameters"])
            if run["values"] is None:
                self.client.mark_trial_failed(index)
            else:
                self.client.complete_trial(index, raw_data=run["values"])

    def wait(self, runs: list[Run]) -> None:
        for run in runs:
            self.client.attach_trial(run["parameters"])

    def ask(self, n: int) -> list[Run]:
        # It may hand out fewer than were asked for.
        found: dict[int, Run] = {}
        while len(found) < n:
            found |= {
                index: dict(parameters)
                for index, parameters in self.client.get_next_trials(n - len(found)).items()
            }
        self.asked |= found
        return [{"token": index, "parameters": found[index]} for index in found]


def _parameter(given: Run) -> RangeParameterConfig | ChoiceParameterConfig:
    if given["kind"] in ("int", "float"):
        return RangeParameterConfig(
            name=given["name"],
            bounds=(given["low"], given["high"]),
            parameter_type=given["kind"],
            scaling="log" if given.get("log") else "linear",
        )
    kind = {int: "int", float: "float", str: "str", bool: "bool"}[type(given["values"][0])]
    return ChoiceParameterConfig(
        name=given["name"],
        values=given["values"],
        parameter_type=kind,  # pyright: ignore[reportArgumentType]
        is_ordered=given["kind"] == "ordered",
    )
