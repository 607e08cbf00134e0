"""Optuna's gRPC storage proxy, over each of the storages it can stand before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.service.databases import Postgres
from benchmarks.service.peers.contestant import Serving
from benchmarks.service.peers.environment import make_environment, versions_of
from benchmarks.service.peers.processes import server

PINS = (
    "optuna==5.0.0",
    "grpcio==1.85.1",
    "protobuf==7.36.2",
    "sqlalchemy==2.1.9",
    "psycopg[binary]==3.3.9",
)
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class OptunaGrpc:
    """`optuna.storages.run_grpc_proxy_server`, asked through `GrpcStorageProxy`.

    The sampler is random and runs in the client, as Optuna has it; every parameter it draws is one
    call. Optuna's own documentation says that the proxy does not support the journal (its issue
    6084); what that gives is measured all the same.

    Attributes:
        storage: ``sqlite``, ``postgres`` or ``journal``.
    """

    storage: Literal["sqlite", "postgres", "journal"] = "sqlite"

    @property
    def name(self) -> str:
        """For tables and files."""
        return f"optuna-grpc-{self.storage}"

    @property
    def is_durable(self) -> bool:
        """Whether what it acknowledged outlives its process."""
        return True

    @property
    def loop(self) -> Path:
        """Drives it."""
        return _HERE / "optuna_loop.py"

    def install(self) -> dict[str, str]:
        """Make its environment, if it is not there."""
        make_environment("optuna-service", PINS)
        return versions_of(PINS)

    def python(self) -> Path:
        """Return its environment's interpreter."""
        return make_environment("optuna-service", PINS)

    @contextmanager
    def serve(self, folder: Path) -> Iterator[Serving]:
        """Start the proxy, and a Postgres if it wants one."""
        with ExitStack() as stack:
            database_pids: tuple[int, ...] = ()
            if self.storage == "postgres":
                postgres = stack.enter_context(Postgres(folder / "postgres"))
                url = postgres.url.replace("postgresql://", "postgresql+psycopg://")
                marker = folder / "postgres" / "postmaster.pid"
                database_pids = (int(marker.read_text().split()[0]),)
            elif self.storage == "sqlite":
                url = f"sqlite:///{(folder / 'optuna.db').resolve()}"
            else:
                url = str((folder / "journal.log").resolve())
            command = [str(self.python()), str(_HERE / "optuna_server.py"), self.storage, url]
            endpoint, pid = stack.enter_context(server(command, folder))
            yield Serving(endpoint, (pid,), database_pids)
