"""Questions to the store, asked in threads so that the event loop goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from bayeslaw.store import Reader, SqlStore

Answer = TypeVar("Answer")


class Reads:
    """Ask a store questions, some at a time.

    Args:
        store: What is asked.
        threads: Questions at a time; more wait their turn [count].
    """

    def __init__(self, store: SqlStore, *, threads: int = 4) -> None:
        self._store = store
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="bayeslaw-read")

    async def ask(self, question: Callable[[Reader], Answer]) -> Answer:
        """Return what the question found; all it asks is of one moment.

        Raises:
            UnavailableError: The store cannot be reached.
        """
        return await self.run(lambda: self._ask(question))

    async def run(self, work: Callable[[], Answer]) -> Answer:
        """Do other work that takes longer than an event loop should wait, in the same threads."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def close(self) -> None:
        """End the threads; closing twice is harmless."""
        self._threads.shutdown(cancel_futures=True)

    def _ask(self, question: Callable[[Reader], Answer]) -> Answer:
        with self._store.reading() as reader:
            return question(reader)
