"""Latency measurements in requests and answers."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any

from pydantic import Field

from bayeslaw.errors import InvalidInputError
from bayeslaw.runs import Measurement
from bayeslaw.runs.measurement import TIMED
from bayeslaw.service.schemas.architecture import ArchitectureBody
from bayeslaw.service.schemas.names import (
    Body,
    Document,
    Free,
    GpuHours,
    NewName,
    NextPageToken,
)
from bayeslaw.store import StoredMeasurement

_Milliseconds = Annotated[float, Field(gt=0, le=1e12)]
_Spread = Annotated[float, Field(ge=0, le=1e12)]
_Word = Annotated[str, Field(min_length=1, max_length=200)]


class WorkloadBody(Body):
    """What was served; see `bayeslaw.space.Workload`."""

    batch_size: Annotated[int, Field(ge=1, le=10**9)] = 1
    prompt_tokens: Annotated[int, Field(ge=1, le=10**9)] = 128
    output_tokens: Annotated[int, Field(ge=1, le=10**9)] = 128
    precision: _Word = "float32"
    engine: _Word = "bayeslaw"
    device: _Word = "local"


class MeasurementBody(Body):
    """One timing; see `bayeslaw.runs.Measurement`."""

    architecture: ArchitectureBody
    workload: WorkloadBody = Field(default_factory=WorkloadBody)
    device: Annotated[_Word, Field(examples=["NVIDIA H100 80GB HBM3"])]
    engine_version: Annotated[_Word, Field(examples=["vllm 0.11.0"])]
    ttft_ms: Annotated[
        _Milliseconds | None, Field(description="Time to the first token, median [ms].")
    ] = None
    tpot_ms: Annotated[
        _Milliseconds | None, Field(description="Time per later token, median [ms].")
    ] = None
    ttft_iqr_ms: _Spread | None = None
    tpot_iqr_ms: _Spread | None = None
    n_repeats: Annotated[int, Field(ge=0, le=10**9)] = 1
    memory_bytes: Annotated[float, Field(ge=0, le=1e18)] | None = None
    e2el_ms: _Milliseconds | None = None
    out_of_memory: Annotated[
        bool, Field(description="It does not fit: then no timings, and n_repeats 0.")
    ] = False
    percentiles: Annotated[dict[str, dict[str, _Spread]], Field(max_length=20)] = Field(
        default_factory=dict
    )
    session: Annotated[str, Field(max_length=200)] = ""
    record: Free = Field(default_factory=dict)

    def to_measurement(self) -> Measurement:
        """Return it as the house knows it.

        Raises:
            InvalidInputError: Timings are missing, or there are some though nothing fitted.
        """
        missing = [name for name in TIMED if getattr(self, name) is None]
        if missing and not self.out_of_memory:
            raise InvalidInputError(
                f"a measurement needs {missing}, or out_of_memory when the network did not fit"
            )
        return Measurement.from_dict(self.model_dump())


class NewMeasurement(Body):
    """A measurement and what it cost."""

    measurement_id: NewName | None = None
    run_id: Annotated[
        NewName | None, Field(description="The run whose network was timed, if any.")
    ] = None
    measurement: MeasurementBody
    cost_gpu_hours: GpuHours = 0.0


class NewMeasurements(Body):
    """Measurements that are added, all or none; adding one again changes nothing."""

    measurements: Annotated[list[NewMeasurement], Field(min_length=1, max_length=2_000)]


class MeasurementNames(Document):
    """The names of measurements, in the order they were given."""

    measurement_ids: list[str]


class MeasurementDocument(Document):
    """A measurement as it is kept."""

    measurement_id: str
    run_id: str | None
    measurement: dict[str, Any]
    cost_gpu_hours: float


class MeasurementPage(Document):
    """Some measurements of a study, in the order they were added."""

    measurements: list[MeasurementDocument]
    next_page_token: NextPageToken


def measurement_name(timing: Measurement, run_id: str) -> str:
    """Return a name for a timing that was given none.

    Two runs of one architecture may be timed alike, to the digit, and are two measurements still.
    """
    content = json.dumps([run_id, timing.to_dict()], sort_keys=True)
    return "m-" + hashlib.sha256(content.encode()).hexdigest()[:16]


def measurement_answer(entry: StoredMeasurement) -> dict[str, Any]:
    """Return a measurement as JSON."""
    return {
        "measurement_id": entry.measurement_id,
        "run_id": entry.run_id or None,
        "measurement": entry.measurement.to_dict(),
        "cost_gpu_hours": entry.cost_gpu_hours,
    }
