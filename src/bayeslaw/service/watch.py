"""One look at the store for all who wait for news."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from bayeslaw.errors import BayeslawError
from bayeslaw.service.reads import Reads
from bayeslaw.store import Reader

_LOG = logging.getLogger(__name__)

# Planned runs that are counted before a crowd of workers is woken [count].
_COUNTED = 256


@dataclass(slots=True)
class News:
    """Say where the store stands.

    Attributes:
        last_seq: Number of the last event of all studies.
        pending: Operations that a planner has yet to answer.
        ready: For each study that somebody asked about, runs that could be handed out [count].
    """

    last_seq: int
    pending: frozenset[str]
    ready: dict[str, int] = field(default_factory=dict)

    def take_ready(self, study_id: str) -> bool:
        """Whether a run is left for one more worker; who asks first, is counted first."""
        left = self.ready.get(study_id, 0)
        self.ready[study_id] = left - 1
        return left > 0


@dataclass(slots=True)
class _Waiter:
    is_there: Callable[[News], bool]
    study_id: str
    future: asyncio.Future[bool]


class Watch:
    """Wake those who wait, each when what it waits for is there.

    While anybody waits, one task looks at the store at fixed intervals; a thousand who wait cost
    as much as one. Other processes write too, so looking is the only way to know.

    Args:
        reads: Where questions are asked.
        interval_s: Time between two looks [s].
    """

    def __init__(self, reads: Reads, *, interval_s: float = 0.05) -> None:
        self._reads = reads
        self._interval_s = interval_s
        self._waiting: dict[int, _Waiter] = {}
        self._n_waited = 0
        self._is_stopped = False
        self._task: asyncio.Task[None] | None = None

    @property
    def n_waiting(self) -> int:
        """Callers that wait [count]."""
        return len(self._waiting)

    async def until(
        self, is_there: Callable[[News], bool], timeout_s: float, *, study_id: str = ""
    ) -> bool:
        """Wait until a look at the store satisfies ``is_there``, and return whether one did.

        Args:
            is_there: Asked after every look, of whoever waits longest first.
            timeout_s: Longest wait [s].
            study_id: The study whose ready runs shall be counted, if any.
        """
        if timeout_s <= 0 or self._is_stopped:
            return False
        self._n_waited += 1
        number = self._n_waited
        waiter = _Waiter(is_there, study_id, asyncio.get_running_loop().create_future())
        self._waiting[number] = waiter
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look())
        try:
            async with asyncio.timeout(timeout_s):
                return await waiter.future
        except TimeoutError:
            return False
        finally:
            self._waiting.pop(number, None)

    @property
    def is_stopped(self) -> bool:
        """Whether it looks no more; whoever waits in a loop leaves it."""
        return self._is_stopped

    def stop(self) -> None:
        """Look no more, and let everybody who waits go; stopping twice is harmless."""
        self._is_stopped = True
        for waiter in self._waiting.values():
            if not waiter.future.done():
                waiter.future.set_result(False)

    async def _look(self) -> None:
        while self._waiting and not self._is_stopped:
            studies = {waiter.study_id for waiter in self._waiting.values()} - {""}
            try:
                news = await self._reads.ask(partial(_news, studies=studies))
            except BayeslawError as error:
                _LOG.warning("cannot look for news: %s", error)
            else:
                for waiter in list(self._waiting.values()):
                    if not waiter.future.done() and waiter.is_there(news):
                        waiter.future.set_result(True)
            await asyncio.sleep(self._interval_s)


def _news(reader: Reader, *, studies: set[str]) -> News:
    ready = {
        study_id: reader.n_waiting(study_id, _COUNTED) + reader.n_plan_items(study_id)
        for study_id in studies
    }
    return News(reader.last_seq(), frozenset(reader.pending_operation_ids()), ready)
