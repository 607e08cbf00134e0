"""`bayeslaw serve` as a process of its own on loopback, to be measured and killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bayeslaw.errors import UnavailableError

_START_S = 60.0
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Usage:
    """Hold what a process has used.

    Attributes:
        resident_bytes: Of memory, now.
        cpu_s: Processor time since its start [s].
        n_files: Open files and sockets [count].
    """

    resident_bytes: int
    cpu_s: float
    n_files: int


class ServiceProcess:
    """Start, ask, measure and end one service.

    Args:
        home: Its folder; made when missing.
        store_url: Of Postgres; a file in the home when None.
        n_planners: Planner processes [count].
        command: What is run in place of `bayeslaw serve`, for a server with a clock of ours.
        port: Of TCP; 0 for any. It stays the same over restarts.
    """

    def __init__(
        self,
        home: Path,
        *,
        store_url: str | None = None,
        n_planners: int = 0,
        command: Sequence[str] = ("-m", "bayeslaw", "serve"),
        port: int = 0,
    ) -> None:
        self.home = home
        self.store_url = store_url
        self.n_planners = n_planners
        self.port = port
        self._command = tuple(command)
        self._process: subprocess.Popen[bytes] | None = None
        self.last_start_s = 0.0
        home.mkdir(parents=True, exist_ok=True)

    # Its life.

    def start(self, *, wait: bool = True) -> None:
        """Start it, and wait until it answers.

        Raises:
            UnavailableError: It ended instead, or took longer than a minute.
        """
        self._address.unlink(missing_ok=True)
        command = [
            sys.executable, *self._command, "--home", str(self.home), "--port", str(self.port),
            "--planners", str(self.n_planners),
        ]  # fmt: skip
        if self.store_url:
            command += ["--store", self.store_url]
        with (self.home / "serve.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"},
                start_new_session=True,
            )
        if wait:
            self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait until it listens; see `start`."""
        assert self._process is not None
        begin = time.perf_counter()
        while True:
            if self._process.poll() is not None or time.perf_counter() - begin > _START_S:
                raise UnavailableError(f"the service did not start:\n{self.log()[-3000:]}")
            if self._address.exists():
                self.port = int(self._address.read_text().strip().rpartition(":")[2])
                try:
                    with urllib.request.urlopen(f"{self.url}/healthz", timeout=1):
                        break
                except OSError:
                    pass
            time.sleep(0.01)
        self.last_start_s = time.perf_counter() - begin

    def kill(self) -> None:
        """`kill -9` the server alone, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def terminate(self, wait_s: float = 30.0) -> int:
        """End it in good order and return its exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(wait_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return -9

    def __enter__(self) -> ServiceProcess:
        """Start it."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it with all that it started."""
        if self._process is None:
            return
        self.terminate(15.0)
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its process number."""
        assert self._process is not None
        return self._process.pid

    # Talking to it, one thing at a time.

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def admin_token(self) -> str:
        """The secret of its first token."""
        return (self.home / "admin.token").read_text().strip()

    def call(
        self, method: str, path: str, body: Any = None, *, token: str | None = None
    ) -> tuple[int, Any]:
        """Ask one thing and return status and parsed answer."""
        token = self.admin_token if token is None else token
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                status, content = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, content = error.code, error.read()
        return status, json.loads(content) if content.strip() else None

    def make(self, path: str, body: Any) -> Any:
        """POST something that must succeed, and return the answer."""
        status, answer = self.call("POST", path, body)
        if status >= 300:
            raise UnavailableError(f"POST {path} was answered {status}: {answer}")
        return answer

    def make_tokens(self, n: int, scopes: Sequence[str] = ("read", "plan", "report")) -> list[str]:
        """Make tokens, so that a crowd of workers does not share one rate limit."""
        return [
            self.make("/v1/tokens", {"name": f"load-{i}", "scopes": list(scopes)})["secret"]
            for i in range(n)
        ]

    # Measuring it.

    def usage(self) -> Usage:
        """Return what the server's own process uses."""
        return process_usage(self.pid)

    def descendants(self) -> list[int]:
        """Return the processes of its session beside itself: planners and what they started."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != self.pid:
                try:
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                if int(fields[3]) == self.pid and fields[0] != "Z":
                    found.append(int(entry.name))
        return found

    def log(self) -> str:
        """Return all it has logged."""
        path = self.home / "serve.log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def _address(self) -> Path:
        return self.home / "address"


def process_usage(pid: int) -> Usage:
    """Return what a process uses."""
    folder = Path("/proc") / str(pid)
    resident = int((folder / "statm").read_text().split()[1]) * _PAGE
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    cpu_s = (int(fields[11]) + int(fields[12])) / _TICKS
    return Usage(resident, cpu_s, len(list((folder / "fd").iterdir())))
