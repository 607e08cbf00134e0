"""Putting all guards in front of an application, in their order."""

from __future__ import annotations

from fastapi import FastAPI

from bayeslaw.service.limits.body import BodyLimits
from bayeslaw.service.limits.slots import Slots
from bayeslaw.service.limits.token_buckets import TokenBuckets
from bayeslaw.service.metrics import Metrics, RequestMetrics
from bayeslaw.service.parts import Parts
from bayeslaw.service.security.authenticator import Authenticator
from bayeslaw.service.security.front import Front
from bayeslaw.service.security.gate import Gate


def install_guards(app: FastAPI, parts: Parts) -> None:
    """Let every request pass, from outside in: counting, front, gate and body limits.

    Sets ``app.state.authenticator``, ``app.state.metrics`` and ``app.state.streams``.

    Args:
        app: Whose requests they are.
        parts: Of the service.
    """
    settings = parts.settings
    metrics = Metrics(parts)
    authenticator = Authenticator(
        parts.store,
        clock=parts.clock,
        trust_s=settings.token_trust_s,
        requests=TokenBuckets(per_s=settings.requests_per_s, burst=settings.burst_requests),
        failures=TokenBuckets(per_s=settings.failures_per_s, burst=settings.burst_failures),
    )
    app.state.authenticator = authenticator
    app.state.metrics = metrics
    app.state.streams = Slots(settings.max_streams, "event streams")
    metrics.add_gauge("bayeslaw_event_streams", "Open.", lambda: app.state.streams.n_taken)
    # The last one added is the first to see a request.
    app.add_middleware(
        BodyLimits,
        max_bytes=settings.max_body_bytes,
        max_bulk_bytes=settings.max_bulk_body_bytes,
        max_total_bytes=settings.max_bodies_bytes,
        timeout_s=settings.body_timeout_s,
    )
    app.add_middleware(Gate, authenticator=authenticator)
    app.add_middleware(Front, hosts=settings.allowed_hosts)
    app.add_middleware(RequestMetrics, metrics=metrics)
