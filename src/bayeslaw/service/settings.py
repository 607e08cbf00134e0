"""Every number of the service that somebody may want to turn, with its unit and default."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Say how much the service takes on and how long it waits.

    Attributes:
        max_waiting_writes: Writes that may queue; one more is answered 503 [count].
        max_batch: Writes that share one commit at most [count].
        read_threads: Reads that run at once [count].
        watch_interval_s: How often the store is asked for news while somebody waits [s].
        max_wait_s: Longest ``wait_s`` a caller may ask for [s].
        validate_timeout_s: Longest that looking for members of a space may take [s].
        max_lost: Leases of a run that may run out before it is given up [count].
        retry_after_s: What a caller is told to wait after 202 and 503 [s].
        allowed_hosts: Names a Host header may have; None for any. Set by `bayeslaw serve`.
        token_trust_s: How long a token is believed good without asking the store [s].
        requests_per_s: Of one token, in the long run [1/s].
        burst_requests: Of one token, at once [count].
        failures_per_s: Requests with unknown tokens from one address, in the long run [1/s].
        burst_failures: Requests with unknown tokens from one address, at once [count].
        max_body_bytes: Of a request.
        max_bulk_body_bytes: Of a request that adds many runs or measurements.
        max_bodies_bytes: Of all requests at one time.
        max_header_bytes: Of a request's line and headers together.
        header_timeout_s: How long those may take to arrive [s].
        body_timeout_s: How long a body may take to arrive [s].
        keep_alive_s: How long a connection may idle between requests [s].
        max_connections: At one time; the one that idles longest makes room for another [count].
        max_streams: Event streams at one time [count].
        stream_keep_alive_s: How long a stream of events may be silent [s].
        stream_send_timeout_s: How long its reader may not read [s].
        housekeeping_interval_s: How often leases that ran out are looked for [s].
        answers_kept_s: How long an Idempotency-Key is remembered [s].
        shutdown_s: How long running requests may go on once the service is told to end [s].
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_waiting_writes: Annotated[int, Field(ge=1)] = 2_000
    max_batch: Annotated[int, Field(ge=1)] = 48
    read_threads: Annotated[int, Field(ge=1)] = 2
    watch_interval_s: Annotated[float, Field(gt=0)] = 0.05
    max_wait_s: Annotated[float, Field(ge=0)] = 60.0
    validate_timeout_s: Annotated[float, Field(gt=0)] = 60.0
    max_lost: Annotated[int, Field(ge=1)] = 3
    retry_after_s: Annotated[int, Field(ge=1)] = 1

    allowed_hosts: tuple[str, ...] | None = None
    token_trust_s: Annotated[float, Field(ge=0)] = 0.5
    requests_per_s: Annotated[float, Field(gt=0)] = 1_000.0
    burst_requests: Annotated[float, Field(ge=1)] = 2_000.0
    failures_per_s: Annotated[float, Field(gt=0)] = 10.0
    burst_failures: Annotated[float, Field(ge=1)] = 20.0
    max_body_bytes: Annotated[int, Field(ge=1)] = 2**20
    max_bulk_body_bytes: Annotated[int, Field(ge=1)] = 16 * 2**20
    max_bodies_bytes: Annotated[int, Field(ge=1)] = 256 * 2**20
    max_header_bytes: Annotated[int, Field(ge=1)] = 64 * 2**10
    header_timeout_s: Annotated[float, Field(gt=0)] = 10.0
    body_timeout_s: Annotated[float, Field(gt=0)] = 30.0
    keep_alive_s: Annotated[int, Field(ge=1)] = 75
    max_connections: Annotated[int, Field(ge=1)] = 4_096
    max_streams: Annotated[int, Field(ge=0)] = 100
    stream_keep_alive_s: Annotated[float, Field(gt=0)] = 15.0
    stream_send_timeout_s: Annotated[float, Field(gt=0)] = 30.0
    housekeeping_interval_s: Annotated[float, Field(gt=0)] = 1.0
    answers_kept_s: Annotated[float, Field(gt=0)] = 86_400.0
    shutdown_s: Annotated[int, Field(ge=0)] = 10
