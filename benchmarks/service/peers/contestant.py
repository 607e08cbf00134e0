"""What a service must bring to be driven through the same loop as all others."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Serving:
    """A service that listens.

    Attributes:
        endpoint: Where, in the words that its loop understands.
        pids: Its processes, of which time and memory are counted.
        database_pids: Those of the database it brought along, counted apart.
    """

    endpoint: str
    pids: tuple[int, ...]
    database_pids: tuple[int, ...] = ()


class Contestant(Protocol):
    """One service, and how its own users would drive it."""

    @property
    def name(self) -> str:
        """For tables and files."""
        ...

    @property
    def storage(self) -> str:
        """Where it keeps its state."""
        ...

    @property
    def is_durable(self) -> bool:
        """Whether what it acknowledged outlives its process."""
        ...

    @property
    def loop(self) -> Path:
        """A Python file, run by `python`, with a class ``Loop``.

        ``Loop(endpoint)`` connects once a load process; its ``suggest(worker_id)`` returns a run,
        and ``heartbeat(run)``, ``report(run)`` and ``complete(run)`` take it back; ``n_stored()``
        counts the completed runs that the service has. All are called from many threads.
        """
        ...

    def install(self) -> dict[str, str]:
        """See that it is installed, and return the versions that count."""
        ...

    def python(self) -> Path:
        """Return the interpreter that has its client."""
        ...

    def serve(self, folder: Path) -> AbstractContextManager[Serving]:
        """Start it with an empty store, and a study to work on; end it afterwards."""
        ...


@dataclass(frozen=True)
class Load:
    """How much is asked of a service: the same of each.

    Attributes:
        n_workers: Workers, each a thread that goes through the loop without a pause [count].
        n_processes: Among which the workers are divided [count].
        warm_up_s: Before anything is counted [s].
        seconds: That are counted [s].
    """

    n_workers: int = 200
    n_processes: int = 2
    warm_up_s: float = 10.0
    seconds: float = 60.0
    environment: dict[str, str] = field(default_factory=lambda: {"OMP_NUM_THREADS": "1"})
