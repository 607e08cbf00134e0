"""One `bayeslaw serve` for a whole session of tests: a process, a port, a SQLite file."""

from __future__ import annotations

import atexit
import functools
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bayeslaw.client import Client, RemoteStudy, RetryPolicy

ROOT = Path(__file__).parents[2]
SHAPE = {
    "n_layers": 2, "d_model": 64, "n_heads": 4, "n_kv_heads": 4, "head_dim": 16, "d_ff": 160,
    "vocab_size": 256, "tied_embeddings": True,
}  # fmt: skip


@dataclass
class RunningService:
    """A service without planners: it hands out what was enqueued."""

    home: Path
    process: subprocess.Popen[bytes]
    url: str
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    @property
    def admin_token(self) -> str:
        return (self.home / "admin.token").read_text().strip()

    @functools.cached_property
    def client(self) -> Client:
        """As the administrator; it gives up after seconds."""
        return Client.local(self.home, retries=RetryPolicy(patience_s=5.0))

    def study(self, n_planned: int = 0, **plan: Any) -> RemoteStudy:
        """Make a study of its own, with so many runs enqueued: r1, r2, ..."""
        config = yaml.safe_load((ROOT / "search" / "demo.yaml").read_text())
        config |= {"name": f"demo-{next(self.numbers)}", "plan": {**config["plan"], **plan}}
        study = self.client.create_study(config)
        planned = [
            {"run_id": f"r{i + 1}", "architecture": SHAPE, "n_tokens": 100_000 * (i + 1)}
            for i in range(n_planned)
        ]
        if planned:
            study.add_runs(planned)
        return study

    def stop(self) -> None:
        self.client.close()
        self.process.terminate()
        self.process.wait(30)


def start_service(
    home: Path, options: Sequence[str] = ("--planners", "0"), *, port: int = 0
) -> RunningService:
    """Start `bayeslaw serve` in a folder and wait until it listens."""
    (home / "address").unlink(missing_ok=True)  # of one that was killed
    log = (home / "serve.log").open("ab")
    process = subprocess.Popen(
        [
            sys.executable, "-m", "bayeslaw", "serve", "--home", str(home),
            "--port", str(port), *options,
        ],
        stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    log.close()
    deadline = time.monotonic() + 60
    while not (home / "address").exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise AssertionError((home / "serve.log").read_text())
        time.sleep(0.02)
    return RunningService(home, process, (home / "address").read_text().strip())


@functools.cache
def running_service() -> RunningService:
    """Return the service of this session; it ends with it."""
    home = Path(tempfile.mkdtemp(prefix="bayeslaw-service-"))
    service = start_service(home)

    def end() -> None:
        service.stop()
        shutil.rmtree(home)

    atexit.register(end)
    return service
