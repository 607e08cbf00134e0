"""A suite's trunks as jobs of a lab, and how long they will take."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.recipes import RECIPES
from bayeslaw.runs import Job
from bayeslaw.study.suite.config import SuiteConfig
from bayeslaw.study.suite.design import Trunk, design

CORPUS_FOLDER = "corpus"
# From a job's folder, so that a suite's folder may be moved to another machine.
_CORPUS = f"../../{CORPUS_FOLDER}"
# The lab's evaluation set, read at every finish and, in parts, on the way.
_EVALUATED_TOKENS = 80_000


@dataclass(frozen=True)
class SuitePlan:
    """Hold all that follows from a suite's file.

    Attributes:
        trunks: In the order in which they are started.
        jobs: One a trunk, in that order.
        seconds: What each is predicted to take, by name [s]; None where no speeds are given.
        slots: Trunks trained at once [count].
    """

    trunks: list[Trunk]
    jobs: list[Job]
    seconds: dict[str, float] | None
    slots: int

    @property
    def n_points(self) -> int:
        """Finished points of all trunks [count]."""
        return sum(len(trunk.tokens) for trunk in self.trunks)

    @property
    def core_seconds(self) -> float | None:
        """Predicted time of all jobs, one after the other [s]."""
        return None if self.seconds is None else sum(self.seconds.values())

    @property
    def wall_seconds(self) -> float | None:
        """Predicted time of the whole suite on its slots [s]."""
        if self.seconds is None:
            return None
        return makespan_seconds([self.seconds[job.run_id] for job in self.jobs], self.slots)


def plan_suite(config: SuiteConfig) -> SuitePlan:
    """Return a suite's trunks, jobs and predicted times: a pure function of its file."""
    trunks = design(config)
    jobs = {trunk.name: training_job(config, trunk) for trunk in trunks}
    predicted = {name: predicted_seconds(config, job) for name, job in jobs.items()}
    seconds = {name: value for name, value in predicted.items() if value is not None} or None
    ordered = in_order(trunks, seconds, config.executor.slots)
    return SuitePlan(
        ordered, [jobs[trunk.name] for trunk in ordered], seconds, config.executor.slots
    )


def training_job(config: SuiteConfig, trunk: Trunk) -> Job:
    """Return the job of a trunk, its hyper-parameters resolved by the suite's recipe.

    Raises:
        InvalidInputError: The recipe is unknown, or its schedule has no branches.
    """
    train = config.train
    if train.recipe not in RECIPES:
        raise InvalidInputError(
            f"train.recipe {train.recipe!r} is unknown; known are {sorted(RECIPES)}"
        )
    return Job(
        run_id=trunk.name,
        kind="train",
        architecture=trunk.architecture,
        n_tokens=trunk.tokens[-1],
        branches=trunk.tokens[:-1],
        hyperparameters=RECIPES[train.recipe](trunk.candidate, train.seq_len),
        corpus=_CORPUS,
        device=train.device,
        precision=train.precision,
        attention=train.attention,
        threads=config.executor.threads_a_job,
        seed=trunk.seed,
    )


def trained_tokens(job: Job) -> int:
    """Return the tokens a job trains on: the trunk's own and its branches' decays [count]."""
    assert job.n_tokens is not None and job.hyperparameters is not None
    return job.n_tokens + round(job.hyperparameters.decay_fraction * sum(job.branches))


def predicted_seconds(config: SuiteConfig, job: Job) -> float | None:
    """Return how long a job will take [s]; None where the suite's file has no speeds."""
    cost, shape, hyperparameters = config.cost, job.architecture, job.hyperparameters
    if cost is None:
        return None
    assert hyperparameters is not None
    flops = shape.train_flops_per_token("attention_aware", hyperparameters.seq_len)
    per_step = cost.seconds_per_step + shape.n_layers * cost.seconds_per_layer_step
    per_token = (
        flops / cost.flops_per_second
        + shape.n_layers * shape.n_heads * cost.seconds_per_head_token
        + per_step / hyperparameters.batch_tokens
    )
    # Reading takes a third of what training does, and as few steps as make no difference.
    read = _EVALUATED_TOKENS * (1 + len(job.branches)) / 3
    return cost.seconds_per_job + (trained_tokens(job) + read) * per_token


def in_order(
    trunks: Sequence[Trunk], seconds: Mapping[str, float] | None, slots: int
) -> list[Trunk]:
    """Return trunks in the order in which they are started: any prefix is a balanced suite.

    Each size, and each size's repeats, is dealt evenly over the whole order, a size's most
    telling shapes first. So that no long trunk is left running alone at the end, starts are
    brought forward: a trunk that takes a tenth of the suite's time starts in its first
    nine tenths.

    Args:
        trunks: Of a design.
        seconds: What each will take [s]; None when unknown, then nothing is brought forward.
        slots: Trunks trained at once [count].
    """
    groups: dict[tuple[int, bool], list[Trunk]] = {}
    for trunk in trunks:
        groups.setdefault((trunk.n_params_body_asked, trunk.is_repeat), []).append(trunk)
    wall_seconds = sum(seconds.values()) / slots if seconds else math.inf
    starts: dict[str, float] = {}
    for number, members in enumerate(groups.values()):
        # Groups are offset against each other by the golden ratio's multiples, so that equal
        # counts do not come in bunches.
        offset = (0.5 + number * 0.618034) % 1.0
        for place, trunk in enumerate(members):
            share = seconds[trunk.name] / wall_seconds if seconds else 0.0
            starts[trunk.name] = (place + offset) / len(members) * max(0.0, 1.0 - share)
    return sorted(trunks, key=lambda trunk: (starts[trunk.name], trunk.name))


def makespan_seconds(seconds: Sequence[float], slots: int) -> float:
    """Return how long jobs take that are started in this order on so many slots [s].

    >>> makespan_seconds([3.0, 1.0, 1.0, 2.0], 2)
    4.0
    """
    free = [0.0] * slots
    for each in seconds:
        first = min(range(slots), key=free.__getitem__)
        free[first] += each
    return max(free)
