"""A folder that is there whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bayeslaw.errors import LabError

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# A process holds a lock on it while it builds, which ends with the process however it ends.
_LOCK = ".building"


@contextmanager
def publishing(out_folder: Path) -> Iterator[Path]:
    """Give a folder to write in; at the end it becomes ``out_folder``, unless something failed.

    It lies beside ``out_folder``. What a process left there that was killed is deleted. When
    another process published first, what it made stays.

    Raises:
        LabError: The disk is full.
    """
    try:
        out_folder.parent.mkdir(parents=True, exist_ok=True)
        prefix = f".{out_folder.name}-"
        _delete_abandoned(out_folder.parent, prefix)
        partial = Path(tempfile.mkdtemp(prefix=prefix, dir=out_folder.parent))
        try:
            partial.chmod(0o755)
            with (partial / f"{_LOCK}.new").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                (partial / f"{_LOCK}.new").rename(partial / _LOCK)
                yield partial
                (partial / _LOCK).unlink()
            _publish(partial, out_folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise LabError(
            f"no room for a corpus in {out_folder.parent} ({error}); what was begun is deleted. "
            f"Free some space, give another folder or a smaller max_bytes"
        ) from error


def _publish(partial: Path, out_folder: Path) -> None:
    if out_folder.exists() and not any(out_folder.iterdir()):
        out_folder.rmdir()
    try:
        partial.rename(out_folder)
    except OSError:
        if not (out_folder / "manifest.json").exists():
            raise


def _delete_abandoned(parent: Path, prefix: str) -> None:
    for folder in parent.iterdir():
        lock_path = folder / _LOCK
        if not folder.name.startswith(prefix) or not lock_path.is_file():
            continue
        try:
            with lock_path.open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Whoever finishes takes the file away before the lock is free.
                if lock_path.is_file():
                    shutil.rmtree(folder, ignore_errors=True)
        except (BlockingIOError, FileNotFoundError):
            continue  # it is being built, or was finished just now
