"""What a monitor asks."""

from __future__ import annotations

import asyncio

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from bayeslaw.service.lean_route import lean_router
from bayeslaw.service.routes.callers import MayRead
from bayeslaw.service.schemas.problem import problems

router = lean_router("service")


@router.get(
    "/metrics", response_class=PlainTextResponse, summary="Read metrics", responses=problems()
)
async def read_metrics(request: Request, caller: MayRead) -> Response:
    """Return all metrics in Prometheus' text format."""
    text = await asyncio.to_thread(request.scope["app"].state.metrics.text)
    return Response(text, media_type=CONTENT_TYPE_LATEST)
