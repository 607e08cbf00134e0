"""What a study's file may say of Ray."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bayeslaw.executors.options import ExecutorOptions


class RayOptions(ExecutorOptions):
    """What a file may say of the Ray executor.

    Attributes:
        address: Of a running cluster, as `ray.init` takes it (``auto``, ``host:6379``); left out,
            a cluster of our own on this machine, for as long as the study is driven.
        gpus: GPUs a job asks for [count]; left out, 1 where jobs run on CUDA and none elsewhere.
        resources: What else of Ray's resources a job asks for, by name.
        max_requeues: How often a job may ask to be started again before it has failed [count].
        max_retries: How often Ray may start a job again whose worker or node died [count].
    """

    address: str | None = None
    gpus: Annotated[float, Field(ge=0)] | None = None
    resources: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    max_requeues: Annotated[int, Field(ge=0)] = 100
    max_retries: Annotated[int, Field(ge=0)] = 10
