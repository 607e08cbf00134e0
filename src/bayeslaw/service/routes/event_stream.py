"""Events as they happen: server-sent events over one answer that goes on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from bayeslaw.errors import UnavailableError
from bayeslaw.service.parts import Parts
from bayeslaw.service.problems import ProblemError, problem_response
from bayeslaw.service.schemas.event import event_answer
from bayeslaw.service.security import recheck
from bayeslaw.service.watch import News
from bayeslaw.store import Event, Reader

_PAGE = 200  # events that are in memory for one reader [count]
_TURN_S = 1.0  # how often the token is checked, and the store asked where no news came [s]
_PAUSE_S = 0.2  # between two looks of one stream while others' studies are busy [s]
_HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would keep events to itself
)


async def stream_events(
    request: Request,
    study_id: str,
    *,
    since: int,
    kinds: Sequence[str] | None = None,
    run_id: str | None = None,
) -> Response:
    """Return an answer that tells all events after one, and goes on with new ones.

    Args:
        request: Of the caller, who has been let in.
        study_id: The study.
        since: The last event that the caller knows.
        kinds: Only events of these kinds, if given.
        run_id: Only events of this run, if given.

    Raises:
        NotFoundError: No such study.
        ProblemError: 503 when there are too many streams.
    """
    app = request.scope["app"]
    app.state.streams.check()
    backlog = _Backlog(app.state.parts, study_id, kinds, run_id, since)
    await backlog.read()
    return _EventStream(request, backlog)


class _Backlog:
    """Read a study's events from the store, a page at a time."""

    def __init__(
        self,
        parts: Parts,
        study_id: str,
        kinds: Sequence[str] | None,
        run_id: str | None,
        since: int,
    ) -> None:
        self.parts = parts
        self._study_id = study_id
        self._kinds = kinds or None
        self._run_id = run_id
        self._since = since
        self.seen_seq = 0  # last event of all studies when `events` was read
        self.events: list[Event] = []

    async def read(self) -> None:
        """Read the next page into ``events``."""
        self.seen_seq, self.events = await self.parts.reads.ask(self._ask)
        if self.events:
            self._since = self.events[-1].seq

    def is_behind(self, news: News) -> bool:
        """Say whether the store has got further than when it was read."""
        return news.last_seq > self.seen_seq

    def _ask(self, reader: Reader) -> tuple[int, list[Event]]:
        last_seq = reader.last_seq()
        events = reader.events(
            self._study_id,
            since=self._since,
            kinds=self._kinds,
            run_id=self._run_id,
            limit=_PAGE,
        )
        return last_seq, events


class _EventStream(Response):
    """Send pages of events until the caller leaves, loses its token, reads no more, or we end."""

    def __init__(self, request: Request, backlog: _Backlog) -> None:
        self.status_code = 200
        self.background = None
        self._request = request
        self._backlog = backlog

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        state = scope["app"].state
        try:
            with state.streams.taken():
                await self._answer(receive, send)
        except ProblemError as problem:  # others were faster
            await problem_response(problem, scope["path"])(scope, receive, send)

    async def _answer(self, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
        talking = asyncio.create_task(self._talk(send))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait((talking, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (talking, leaving):
                task.cancel()
            await asyncio.gather(talking, leaving, return_exceptions=True)
        if not talking.cancelled():
            talking.result()

    async def _talk(self, send: Send) -> None:
        timeout_s = self._backlog.parts.settings.stream_send_timeout_s
        async for text in self._texts():
            try:
                async with asyncio.timeout(timeout_s):
                    await send(_part(text))
            except TimeoutError:
                return  # it reads no more; what it missed is in the store
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _texts(self) -> AsyncIterator[str]:
        """Tell the backlog, then news; end when the service does or the token has ended."""
        parts = self._backlog.parts
        yield "retry: 1000\n\n"
        turn_s = min(_TURN_S, parts.settings.stream_keep_alive_s)
        silent_s = 0.0
        loop = asyncio.get_running_loop()
        while True:
            if self._backlog.events:
                yield "".join(map(_event_text, self._backlog.events))
                silent_s = 0.0
            elif silent_s >= parts.settings.stream_keep_alive_s:
                yield ": still here\n\n"
                silent_s = 0.0
            began = loop.time()
            if len(self._backlog.events) < _PAGE:
                await asyncio.sleep(_PAUSE_S)
                await parts.watch.until(self._backlog.is_behind, turn_s)
            if parts.watch.is_stopped:
                yield ": the service is ending\n\n"
                return
            try:
                await recheck(self._request)
                await self._backlog.read()
            except ProblemError:
                yield ": the token has ended\n\n"
                return
            except UnavailableError:
                self._backlog.events = []  # the store may come back; the caller misses nothing
                await asyncio.sleep(_TURN_S)
            silent_s += loop.time() - began


def _event_text(event: Event) -> str:
    content = json.dumps(event_answer(event), allow_nan=False, separators=(",", ":"))
    return f"id: {event.seq}\nevent: {event.kind}\ndata: {content}\n\n"


def _part(text: str) -> dict[str, object]:
    return {"type": "http.response.body", "body": text.encode(), "more_body": True}


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
