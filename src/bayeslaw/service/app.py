"""The service as an ASGI application."""

from __future__ import annotations

import asyncio
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRouter
from starlette.exceptions import HTTPException

from bayeslaw.errors import BayeslawError
from bayeslaw.service.housekeeping import Housekeeping
from bayeslaw.service.lean_route import LeanRoute
from bayeslaw.service.openapi import describe
from bayeslaw.service.parts import Parts
from bayeslaw.service.problems import handle_problem
from bayeslaw.service.reads import Reads
from bayeslaw.service.routes import (
    beliefs,
    decisions,
    documentation,
    events,
    health,
    measurements,
    metrics,
    operations,
    plan,
    progress,
    recommendations,
    results,
    runs,
    spaces,
    studies,
    suggest,
    tokens,
)
from bayeslaw.service.security import install_guards
from bayeslaw.service.settings import Settings
from bayeslaw.service.space_checks import SpaceChecks
from bayeslaw.service.watch import Watch
from bayeslaw.service.writer import Writer
from bayeslaw.store import SqlStore, SteadyClock

# In the order in which they are tried: what workers ask most comes first.
ROUTERS: tuple[APIRouter, ...] = (
    suggest.router,
    progress.router,
    results.router,
    decisions.router,
    runs.router,
    studies.router,
    measurements.router,
    recommendations.router,
    plan.router,
    beliefs.router,
    events.router,
    operations.router,
    spaces.router,
    tokens.router,
    metrics.router,
    health.router,
    documentation.router,
)


def no_planner() -> dict[str, Any]:
    """Say that nobody plans."""
    return {"is_alive": False, "detail": "this service was started without a planner"}


def create_app(
    store: SqlStore,
    *,
    clock: Callable[[], float] | None = None,
    settings: Settings | None = None,
    planner_state: Callable[[], dict[str, Any]] = no_planner,
) -> FastAPI:
    """Return the application that serves a store's studies.

    It writes from its start on; whoever runs it lets it start and stop (ASGI's lifespan), after
    which the store is still open.

    Args:
        store: Where studies are kept.
        clock: Returns the present time [s since 1970]; steady when left out.
        settings: The numbers.
        planner_state: Says how the planner is: ``{"is_alive": bool, "detail": str, ...}``.
    """
    settings = settings or Settings()
    reads = Reads(store, threads=settings.read_threads)
    parts = Parts(
        store=store,
        clock=clock or SteadyClock(),
        settings=settings,
        reads=reads,
        writer=Writer(store, max_waiting=settings.max_waiting_writes, max_batch=settings.max_batch),
        watch=Watch(reads, interval_s=settings.watch_interval_s),
        space_checks=SpaceChecks(settings.validate_timeout_s),
        planner_state=planner_state,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # SQLite gives the interpreter up at every statement, and the writer waits for it as long as
        # the loop may keep it: at 5 ms, Python's own, reads took twice as long at worst.
        sys.setswitchinterval(0.001)
        housekeeping = asyncio.create_task(Housekeeping(parts, app.state.metrics).run())
        yield
        parts.watch.stop()
        housekeeping.cancel()
        await asyncio.gather(housekeeping, return_exceptions=True)
        app.state.authenticator.close()
        # In a thread: what waits is written first, and its callers are told on this loop.
        await asyncio.to_thread(parts.writer.close)
        parts.reads.close()

    app = FastAPI(openapi_url=None, lifespan=lifespan, redirect_slashes=False)
    app.state.parts = parts
    for name in ("store", "clock", "settings", "reads", "writer", "watch"):
        setattr(app.state, name, getattr(parts, name))
    for router in ROUTERS:
        # Not include_router(), which would put FastAPI's own handler around each route.
        app.router.routes.extend(router.routes)
    _tell_of_each_other(app)
    describe(app)
    for kind in (BayeslawError, HTTPException, Exception):
        app.add_exception_handler(kind, handle_problem)
    install_guards(app, parts)
    return app


def _tell_of_each_other(app: FastAPI) -> None:
    """Let every route know the methods of the others on its path."""
    routes = [route for route in app.router.routes if isinstance(route, LeanRoute)]
    allowed: dict[str, set[str]] = defaultdict(set)
    for route in routes:
        allowed[route.path] |= route.allowed
    for route in routes:
        route.allowed = allowed[route.path]
