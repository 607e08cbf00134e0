"""Our own service, driven through the same loop by its own client."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from benchmarks.service.databases import database
from benchmarks.service.peers.contestant import Serving
from benchmarks.service.service_process import ServiceProcess
from benchmarks.service.studies import lay_plan, study_config

_HERE = Path(__file__).parent
# More than a minute's worth; the plan is laid beforehand, as the planner keeps it ahead.
_N_PLANNED = 60_000
# No token goes faster than the service lets one.
_N_TOKENS = 20


@dataclass(frozen=True)
class OurService:
    """`bayeslaw serve`, asked through `bayeslaw.client`.

    Attributes:
        storage: ``sqlite`` or ``postgres``.
    """

    storage: Literal["sqlite", "postgres"] = "sqlite"

    @property
    def name(self) -> str:
        """For tables and files."""
        return f"bayeslaw-{self.storage}"

    @property
    def is_durable(self) -> bool:
        """Whether what it acknowledged outlives its process."""
        return True

    @property
    def loop(self) -> Path:
        """Drives it."""
        return _HERE / "our_loop.py"

    def install(self) -> dict[str, str]:
        """Nothing to do: it is here."""
        return {"bayeslaw": metadata.version("bayeslaw")}

    def python(self) -> Path:
        """Return our own interpreter."""
        return Path(sys.executable)

    @contextmanager
    def serve(self, folder: Path) -> Iterator[Serving]:
        """Start it with a study whose plan lasts, and a Postgres if it wants one."""
        with database(self.storage, folder / "postgres") as url:
            with ServiceProcess(folder / "home", store_url=url) as service:
                service.make("/v1/studies", {"config": study_config("race")})
                lay_plan(url or folder / "home" / "study.db", "race", _N_PLANNED)
                words = [service.url, *service.make_tokens(_N_TOKENS)]
                marker = folder / "postgres" / "postmaster.pid"
                database_pids = (int(marker.read_text().split()[0]),) if url else ()
                yield Serving(",".join(words), (service.pid,), database_pids)
