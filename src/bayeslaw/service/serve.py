"""Booting the service: its store, its first token, its planner, its socket, and its end."""

from __future__ import annotations

import gc
import logging
import logging.config
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from bayeslaw.errors import StateError
from bayeslaw.service.app import create_app, no_planner
from bayeslaw.service.home import Home
from bayeslaw.service.limits.protocol import Waiting, bounded
from bayeslaw.service.listening import (
    address_of,
    is_loopback,
    listen,
    names_answered,
    room_for,
)
from bayeslaw.service.planner.supervisor import PlannerSupervisor
from bayeslaw.service.settings import Settings
from bayeslaw.service.tokens import FIRST_TOKEN_ID, create_token
from bayeslaw.store import SqlStore, SteadyClock

_LOG = logging.getLogger(__name__)
PlannerState = Callable[[], dict[str, Any]]


def serve(
    folder: Path | str,
    *,
    store_url: str | None = None,
    host: str = "127.0.0.1",
    port: int = 8080,
    n_planners: int = 1,
    allowed_hosts: Sequence[str] = (),
    access_log: bool = False,
    settings: Settings | None = None,
    on_listening: Callable[[str], None] = lambda address: None,
) -> None:
    """Serve studies over HTTP until told to end (SIGTERM or SIGINT).

    Everything needs a token. On the first start an admin token is made and kept in the folder's
    ``admin.token``. Where others than this machine could connect, that one is not enough: somebody
    must have made a token on purpose.

    Args:
        folder: The service's home; made when missing.
        store_url: Where studies are kept; a file in the folder when None.
        host: Address to listen on.
        port: Of TCP; 0 for any that is free.
        n_planners: Processes that fit and plan [count]; 0 to serve what is there.
        allowed_hosts: Names that a Host header may have beside this machine's own.
        access_log: Whether each request is logged.
        settings: Every other number.
        on_listening: Called once with the service's address.

    Raises:
        StateError: The folder is served already, the port is taken, or a token is wanting.
        InvalidInputError: The host or the port makes no sense.
        UnavailableError: The store cannot be reached or the folder cannot be written.
    """
    home = Home(folder)
    settings = settings or Settings()
    with _ended_by_sigterm(), home.locked(), SqlStore(home.store_url(store_url)) as store:
        clock = SteadyClock()
        _ensure_token(store, home, host, at=clock())
        with listen(host, port) as listener:
            settings = settings.model_copy(
                update={
                    "allowed_hosts": names_answered(host, allowed_hosts),
                    "max_connections": room_for(settings.max_connections),
                }
            )
            with _planner(home, home.store_url(store_url), n_planners) as planner_state:
                app = create_app(store, clock=clock, settings=settings, planner_state=planner_state)
                server = _Server(_uvicorn_config(app, settings, access_log=access_log), app)
                address = address_of(host, listener)
                # What is loaded stays: without this, a full collection walks it all, for 200 ms in
                # which nobody is answered.
                gc.collect()
                gc.freeze()
                with home.announced(address):
                    on_listening(address)
                    server.run(sockets=[listener])


class _Server(uvicorn.Server):
    """End in good order: nobody new, who waits is told, who runs may finish."""

    def __init__(self, config: uvicorn.Config, app: Any) -> None:
        super().__init__(config)
        self._app = app

    def handle_exit(self, sig: int, frame: Any) -> None:
        # uvicorn would raise the signal again at the end, and die of it.
        if self.should_exit:
            self.force_exit = True
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        self._app.state.watch.stop()  # long polls and event streams end now
        await super().shutdown(sockets)


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Leave in good order also when told to before uvicorn listens to signals, or after."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(*_: Any) -> None:
        raise SystemExit(0)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _planner(home: Home, store_url: str, n_planners: int) -> Iterator[PlannerState]:
    if n_planners == 0:
        yield no_planner
        return
    supervisor = PlannerSupervisor(home.folder, store_url, n_planners)
    supervisor.start()
    try:
        yield supervisor.state
    finally:
        supervisor.stop()


def _ensure_token(store: SqlStore, home: Home, host: str, *, at: float) -> None:
    tokens = store.tokens()
    is_local = is_loopback(host)
    made_by_hand = [
        token
        for token in tokens
        if token.token_id != FIRST_TOKEN_ID
        and token.revoked_at is None
        and (token.expires_at is None or token.expires_at > at)
    ]
    if not is_local and not made_by_hand:
        raise StateError(
            f"refusing to listen on {host}, which others can reach, before somebody has made a token "
            f"on purpose; run `bayeslaw token create --name NAME --scopes plan,report --home "
            f"{home.folder}` first, and put a TLS proxy in front (docs/service-operations.md)"
        )
    if not tokens:
        # The file first: a token whose secret nobody has would shut everybody out.
        with store.transaction():
            _, secret = create_token(
                store, "first start", ["admin"], at=at, token_id=FIRST_TOKEN_ID
            )
            home.write_admin_token(secret)
        _LOG.warning("made the first token; its secret is in %s", home.admin_token_path)


def _uvicorn_config(app: Any, settings: Settings, *, access_log: bool) -> uvicorn.Config:
    waiting = Waiting(
        max_connections=settings.max_connections,
        header_timeout_s=settings.header_timeout_s,
        # The body limits answer by then; this ends whoever goes on after that.
        body_timeout_s=settings.body_timeout_s + 5,
        max_header_bytes=settings.max_header_bytes,
        max_discarded_bytes=2 * settings.max_bulk_body_bytes,
    )
    app.state.metrics.add_counter(
        "bayeslaw_connections_evicted",
        "That made room for others before they had sent a request.",
        lambda: waiting.n_evicted,
    )
    return uvicorn.Config(
        app,
        http=bounded(waiting),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=access_log,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips="127.0.0.1,::1",
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=settings.shutdown_s,
    )


def log_to_stderr() -> None:
    """Log to standard error, with secrets made unreadable, whatever is logged."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "redacting": {
                    "()": "bayeslaw.service.security.redaction.RedactingFormatter",
                    "format": "%(asctime)s %(levelname)s %(name)s: %(message)s",
                }
            },
            "handlers": {
                "stderr": {"class": "logging.StreamHandler", "formatter": "redacting"},
            },
            "root": {"level": "INFO", "handlers": ["stderr"]},
            "loggers": {"alembic.runtime.plugins": {"level": "WARNING"}},
        }
    )
