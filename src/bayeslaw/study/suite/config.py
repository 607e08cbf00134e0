"""What a suite is, as its YAML file says it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from bayeslaw.errors import InvalidInputError
from bayeslaw.space import SearchSpace
from bayeslaw.study.config import (
    ExecutorSection,
    Section,
    SpaceSection,
    TrainSection,
    read_yaml,
    validated,
)

Budgets = Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)]


class SizeSection(Section):
    """One size of networks.

    Attributes:
        n_params_body: Body weights aimed at [count].
        trunks: Different shapes of that size [count].
        repeats: Of them, how many are trained again with other seeds [count].
        tokens_per_param: Finished points a trunk, in tokens a body weight; the suite's when left
            out.
    """

    n_params_body: Annotated[int, Field(gt=0)]
    trunks: Annotated[int, Field(ge=1)]
    repeats: Annotated[int, Field(ge=0)] = 0
    tokens_per_param: Budgets | None = None


class CostSection(Section):
    """How long training takes, measured on one machine: for the order of jobs and the time left.

    Attributes:
        flops_per_second: Of one job, matrices alone, in ``attention_aware`` FLOPs.
        seconds_per_head_token: What a query head of a layer costs besides, a training token [s].
        seconds_per_layer_step: What a layer costs besides, an optimizer step [s].
        seconds_per_step: What a step costs besides [s].
        seconds_per_job: What a job's start costs [s].
    """

    flops_per_second: Annotated[float, Field(gt=0)]
    seconds_per_head_token: Annotated[float, Field(ge=0)] = 0.0
    seconds_per_layer_step: Annotated[float, Field(ge=0)] = 0.0
    seconds_per_step: Annotated[float, Field(ge=0)] = 0.0
    seconds_per_job: Annotated[float, Field(ge=0)] = 0.0


class SuiteConfig(Section):
    """One suite: shapes of several sizes, each trained as a trunk with branches.

    Attributes:
        name: Of the suite.
        space: Which shapes there are; tokens follow from the sizes.
        sizes: How many shapes of which size.
        tolerance: How far a shape's body may be from its size, as a share.
        tokens_per_param: Finished points a trunk, in tokens a body weight, ascending.
        repeat_seeds: Further seeds of each repeated trunk [count].
        train: How; its ``constraints`` are the space's business here.
        executor: Where.
        cost: How fast, if known.
        seed: Of the design and, trunk by trunk, of weights and data order.
    """

    name: str
    space: SpaceSection
    sizes: Annotated[tuple[SizeSection, ...], Field(min_length=1)]
    tolerance: Annotated[float, Field(gt=0, lt=0.5)] = 0.08
    tokens_per_param: Budgets
    repeat_seeds: Annotated[int, Field(ge=0)] = 2
    train: TrainSection = TrainSection()
    executor: ExecutorSection = ExecutorSection()
    cost: CostSection | None = None
    seed: Annotated[int, Field(ge=0)] = 0

    @classmethod
    def read(cls, path: Path) -> SuiteConfig:
        """Read a YAML file, or say what is wrong with it and where."""
        return cls.from_dict(read_yaml(path), source=path.name)

    @classmethod
    def from_dict(cls, content: Any, *, source: str = "suite") -> SuiteConfig:
        """Check a parsed file, the space in it included."""
        config = validated(cls, content, f"{source} is not a suite")
        if "n_tokens" in config.space.axes:
            raise InvalidInputError(
                f"{source}: space.axes.n_tokens has no place in a suite; its tokens follow from "
                f"sizes and tokens_per_param"
            )
        if config.train.constraints:
            raise InvalidInputError(
                f"{source}: train.constraints has no place in a suite; put what shapes must meet "
                f"under space.constraints"
            )
        for size in config.sizes:
            budgets = config.tokens_per_param_of(size)
            if list(budgets) != sorted(set(budgets)):
                raise InvalidInputError(
                    f"{source}: tokens_per_param must grow, got {list(budgets)}"
                )
            if size.repeats > size.trunks:
                raise InvalidInputError(
                    f"{source}: size {size.n_params_body} repeats {size.repeats} of its "
                    f"{size.trunks} trunks; repeats is at most trunks"
                )
        targets = [size.n_params_body for size in config.sizes]
        if len(set(targets)) < len(targets):
            raise InvalidInputError(f"{source}: sizes must differ, got {targets}")
        _ = config.shapes
        return config

    @property
    def shapes(self) -> SearchSpace:
        """The space of shapes; its token budget means nothing."""
        return SearchSpace(
            axes={**self.space.axes, "n_tokens": 1},
            constraints=self.space.constraints,
            tensor_parallel=self.space.tensor_parallel,
        )

    def tokens_per_param_of(self, size: SizeSection) -> tuple[float, ...]:
        """Return a size's finished points in tokens a body weight, ascending."""
        return size.tokens_per_param or self.tokens_per_param
