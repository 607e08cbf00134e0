"""OSS Vizier's default server, with its SQL or its in-memory store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.service.peers.contestant import Serving
from benchmarks.service.peers.environment import make_environment, versions_of
from benchmarks.service.peers.processes import server

# Its service imports jax, and breaks on import with a current one.
PINS = (
    "google-vizier[jax]==0.1.24",
    "grpcio==1.85.1",
    "protobuf==7.36.2",
    "sqlalchemy==2.1.9",
    "jax==0.4.34",
    "jaxlib==0.4.34",
    "flax==0.10.4",
    "optax==0.2.5",
    "chex==0.1.90",
    "orbax-checkpoint==0.11.5",
    "tfp-nightly==0.26.0.dev20261027",
)
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class VizierService:
    """`DefaultVizierServer` with RANDOM_SEARCH, asked through `vizier.service.clients`.

    Attributes:
        storage: ``sql`` is SQLite in a file, its default; ``ram`` is its store of Python dicts,
            which nothing outlives.
    """

    storage: Literal["sql", "ram"] = "sql"

    @property
    def name(self) -> str:
        """For tables and files."""
        return f"vizier-{self.storage}"

    @property
    def is_durable(self) -> bool:
        """Whether what it acknowledged outlives its process."""
        return self.storage == "sql"

    @property
    def loop(self) -> Path:
        """Drives it."""
        return _HERE / "vizier_loop.py"

    def install(self) -> dict[str, str]:
        """Make its environment, if it is not there."""
        make_environment("vizier-service", PINS)
        return {name: versions_of(PINS)[name] for name in ("google-vizier", "grpcio", "jax")}

    def python(self) -> Path:
        """Return its environment's interpreter."""
        return make_environment("vizier-service", PINS)

    @contextmanager
    def serve(self, folder: Path) -> Iterator[Serving]:
        """Start the server."""
        urls = {
            "sql": f"sqlite:///{(folder / 'vizier.db').resolve()}",
            "ram": "ram",
        }
        command = [str(self.python()), str(_HERE / "vizier_server.py"), urls[self.storage]]
        with server(command, folder) as (endpoint, pid):
            yield Serving(endpoint, (pid,))
