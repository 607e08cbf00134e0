"""One thread that writes: many changes, one commit."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bayeslaw.errors import UnavailableError
from bayeslaw.service.problems import ProblemError
from bayeslaw.store import SqlStore, Transaction

_LOG = logging.getLogger(__name__)

Answer = TypeVar("Answer")


@dataclass(slots=True)
class _Write:
    """A change that waits for its turn, and whoever waits for it."""

    study_id: str
    decide: Callable[[Transaction], Any]
    future: asyncio.Future[Any]
    outcome: Any = None
    error: BaseException | None = field(default=None)


class Writer:
    """Carry out changes in one thread, as many as wait together in one transaction.

    A database waits for its disk once a commit, so commits are shared. One that is refused is undone
    alone: where that happens, all are carried out anew, each in a savepoint. Nobody hears of
    success before the commit; where it fails, everybody in it hears `UnavailableError`, and
    nothing was acknowledged.

    Those of one commit are sorted by study, so that two services on one Postgres lock studies in the
    same order. Urgent ones go before others, but leave them a quarter of each commit.

    Attributes:
        n_commits: Transactions so far [count].
        n_written: Changes that were carried out in them, refused ones left out [count].
        commit_s: Time spent in them [s].

    Args:
        store: What is written to.
        max_waiting: Changes that may wait [count].
        max_batch: Changes that share one commit at most [count].
    """

    def __init__(
        self,
        store: SqlStore,
        *,
        max_waiting: int = 2_000,
        max_batch: int = 128,
    ) -> None:
        self._store = store
        self._max_waiting = max_waiting
        self._max_batch = max_batch
        self._urgent: deque[_Write] = deque()
        self._others: deque[_Write] = deque()
        self._news = threading.Condition()
        self._is_closed = False
        self.n_commits = 0
        self.n_written = 0
        self.commit_s = 0.0
        self._thread = threading.Thread(target=self._work, name="bayeslaw-writer", daemon=True)
        self._thread.start()

    @property
    def n_waiting(self) -> int:
        """Changes that wait for their turn [count]."""
        return len(self._urgent) + len(self._others)

    async def run(
        self,
        decide: Callable[[Transaction], Answer],
        *,
        study_id: str = "",
        is_urgent: bool = False,
    ) -> Answer:
        """Carry out one change and return what it returned, once that is on disk.

        Args:
            decide: Reads and writes the store; called in the writer's thread, inside its
                transaction. What it raises undoes what it wrote and is raised here. Where another
                change of the same commit was refused it is called a second time, after what it
                wrote the first time was undone.
            study_id: The study that it changes.
            is_urgent: Whether a machine stands idle until it is done.

        Raises:
            ProblemError: Too many changes wait (503 ``overloaded``); nothing was done.
            UnavailableError: The store could not take it; nothing is known to be written.
        """
        if self.n_waiting >= self._max_waiting:
            raise ProblemError(
                503,
                "overloaded",
                f"{self._max_waiting} writes are waiting already",
                "send the same request again with the same Idempotency-Key, later",
                {"Retry-After": "1"},
            )
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        with self._news:
            if self._is_closed:
                raise UnavailableError("the service is shutting down; send the request again")
            lane = self._urgent if is_urgent else self._others
            lane.append(_Write(study_id, decide, future))
            self._news.notify()
        return await future

    def close(self) -> None:
        """Finish what waits, then end the thread; closing twice is harmless."""
        with self._news:
            self._is_closed = True
            self._news.notify()
        self._thread.join()

    def _work(self) -> None:
        while batch := self._next_batch():
            began = time.perf_counter()
            self._commit(batch)
            self.commit_s += time.perf_counter() - began
            self.n_commits += 1
            self.n_written += sum(write.error is None for write in batch)
            _tell(batch)

    def _next_batch(self) -> list[_Write]:
        """Wait for changes, and return some of them; none at the end."""
        with self._news:
            self._news.wait_for(lambda: self._urgent or self._others or self._is_closed)
            n_others = min(len(self._others), self._max_batch - self._max_batch // 4 * 3)
            n_urgent = min(len(self._urgent), self._max_batch - n_others)
            n_others = min(len(self._others), self._max_batch - n_urgent)
            batch = [self._urgent.popleft() for _ in range(n_urgent)]
            batch += [self._others.popleft() for _ in range(n_others)]
        return sorted(batch, key=lambda write: write.study_id)

    def _commit(self, batch: Sequence[_Write]) -> None:
        try:
            if not self._commit_whole(batch):
                self._commit_in_parts(batch)
        except Exception as error:
            if not isinstance(error, UnavailableError):
                _LOG.exception("a commit of %d changes failed", len(batch))
                error = UnavailableError("the store did not take the change; send it again")
            for write in batch:
                write.outcome, write.error = None, error

    def _commit_whole(self, batch: Sequence[_Write]) -> bool:
        """Do without savepoints, which cost a quarter of a change; False when one was refused."""
        try:
            with self._store.transaction() as transaction:
                for write in batch:
                    try:
                        write.outcome = write.decide(transaction)
                    except UnavailableError:
                        raise
                    except Exception as error:
                        write.error = error
                        raise _UndoneError from None
        except _UndoneError:
            return len(batch) == 1
        return True

    def _commit_in_parts(self, batch: Sequence[_Write]) -> None:
        with self._store.transaction():
            for write in batch:
                write.error = None
                try:
                    with self._store.transaction() as transaction:
                        write.outcome = write.decide(transaction)
                except UnavailableError:
                    raise  # the whole transaction is gone with the connection
                except Exception as error:
                    write.error = error


class _UndoneError(Exception):
    """Nothing of a transaction was kept."""


def _tell(batch: Sequence[_Write]) -> None:
    """Resolve futures where they live, all of one event loop in one call."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Write]] = {}
    for write in batch:
        by_loop.setdefault(write.future.get_loop(), []).append(write)
    for loop, writes in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, writes)
        except RuntimeError:
            _LOG.warning("%d callers were gone before their change was written", len(writes))


def _resolve(batch: Sequence[_Write]) -> None:
    for write in batch:
        if write.future.done():
            continue
        if write.error is not None:
            write.future.set_exception(write.error)
        else:
            write.future.set_result(write.outcome)
