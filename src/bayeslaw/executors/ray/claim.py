"""Which machine works on a job's folder, where the folder is shared by several."""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

CLAIM_FILE = "claim.json"
BEAT_SECONDS = 1.0

# A holder on another machine whose beat has stood still for so long is dead, or cut off from the
# folder. A write that a file server holds back for a few seconds must not look like a death.
STILL_SECONDS = 10.0


@dataclass(slots=True)
class FolderClaim:
    """Hold a job's folder against other machines: a process's number means nothing there.

    Who holds it lets its beat be seen in the folder. Who comes next takes it at once from a holder
    on this machine, whose processes can be seen, and from one elsewhere when its beat stands
    still. Who finds that it was taken lets go. No two machines' clocks are compared.

    Attributes:
        folder: Of the job.
        submission: On whose behalf: what a driver calls one submission of the job.
        host: This machine, told from all others.
        still_seconds: How long a beat elsewhere must stand still [s].
    """

    folder: Path
    submission: str
    host: str = field(default_factory=lambda: this_host())
    still_seconds: float = STILL_SECONDS
    _holder: str = field(default_factory=lambda: uuid.uuid4().hex)
    _n_beats: int = 0
    _beaten: float = 0.0

    def take(self, is_unwanted: Callable[[], bool] = lambda: False) -> bool:
        """Take the folder, once no machine but this one works there; say if it is ours.

        Args:
            is_unwanted: Asked while we wait; when it says so, we give up.
        """
        seen, since = read_claim(self.folder), time.monotonic()
        while seen and seen["host"] != self.host and time.monotonic() - since < self.still_seconds:
            if is_unwanted():
                return False
            time.sleep(min(0.1, self.still_seconds / 10))
            if (now := read_claim(self.folder)) != seen:
                seen, since = now, time.monotonic()
        self._write()
        return True

    def beat(self) -> bool:
        """Show that we are alive, once a second; return whether the folder is still ours."""
        if time.monotonic() - self._beaten < BEAT_SECONDS:
            return True
        if read_claim(self.folder).get("holder") != self._holder:
            return False
        self._write()
        return True

    def release(self) -> None:
        """Let go of the folder, if it is ours."""
        if read_claim(self.folder).get("holder") == self._holder:
            (self.folder / CLAIM_FILE).unlink(missing_ok=True)

    def _write(self) -> None:
        self._n_beats += 1
        self._beaten = time.monotonic()
        content = {
            "submission": self.submission,
            "holder": self._holder,
            "host": self.host,
            "n_beats": self._n_beats,
        }
        partial = self.folder / f"{CLAIM_FILE}.{self._holder}"
        partial.write_text(json.dumps(content))
        partial.replace(self.folder / CLAIM_FILE)


def read_claim(folder: Path) -> dict[str, Any]:
    """Return who holds a folder: ``submission``, ``holder``, ``host``, ``n_beats``; or nothing."""
    try:
        return json.loads((folder / CLAIM_FILE).read_text())
    except FileNotFoundError:
        return {}


@cache
def this_host() -> str:
    """Return a name for where our process numbers hold: a machine since its boot, a container."""
    words = [socket.gethostname()]
    boot, namespace = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    if boot.exists():
        words.append(boot.read_text().strip())
    if namespace.exists():
        words.append(os.readlink(namespace))
    return " ".join(words)
