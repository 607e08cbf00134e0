"""The folder of a service: what it keeps beside its store."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bayeslaw.errors import StateError, UnavailableError
from bayeslaw.study.opening import DATABASE

_LOCK = "serve.lock"
_ADMIN_TOKEN = "admin.token"
_ADDRESS = "address"


class Home:
    """Name the files of a service's folder, and keep others from serving it too.

    Args:
        folder: Made when missing, for its owner only.

    Raises:
        UnavailableError: It cannot be made.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder).absolute()
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise UnavailableError(f"cannot make the folder {self.folder}: {error}") from error

    @property
    def admin_token_path(self) -> Path:
        """Where the secret of the first token is, readable by the owner only."""
        return self.folder / _ADMIN_TOKEN

    def store_url(self, given: str | None) -> str:
        """Return the store's address: what was given, or a file of this folder."""
        return given or str(self.folder / DATABASE)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the one server of this folder; the kernel ends that with the process.

        Raises:
            StateError: Another process is.
        """
        path = self.folder / _LOCK
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise UnavailableError(f"cannot write in {self.folder}: {error}") from error
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                holder = os.pread(descriptor, 20, 0).decode() or "unknown"
                raise StateError(
                    f"{self.folder} is served by another process (pid {holder}); stop that one, or "
                    f"name another --home"
                ) from None
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            yield
        finally:
            os.close(descriptor)

    def write_admin_token(self, secret: str) -> None:
        """Keep the secret of the first token for this folder's owner."""
        self._write(_ADMIN_TOKEN, secret + "\n")

    @contextmanager
    def announced(self, address: str) -> Iterator[None]:
        """Say where the service listens, as long as it does."""
        self._write(_ADDRESS, address + "\n")
        try:
            yield
        finally:
            (self.folder / _ADDRESS).unlink(missing_ok=True)

    def _write(self, name: str, text: str) -> None:
        # Never there in part, and never readable by others, not for a moment.
        part = self.folder / f".{name}.part"
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, text.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        part.replace(self.folder / name)
