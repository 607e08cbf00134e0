"""``python -m bayeslaw.service.planner``: one planner process; `PlannerSupervisor` starts it."""

from __future__ import annotations

import argparse
import fcntl
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bayeslaw.errors import BayeslawError, UnavailableError
from bayeslaw.service.planner.parent import end_with
from bayeslaw.service.planner.supervisor import STORE_VARIABLE

_LOG = logging.getLogger("bayeslaw.planner")

IDLE_S = 0.2
_STORE_AWAY_S = 1.0
# The service answers within milliseconds, a plan takes a second: where they share cores, it waits.
_NICENESS = 5
# Arrays here are small: threads that spin for each other made a plan of .4 s take 40 on two busy
# cores. Set before numpy and torch load, and handed on to the fitter.
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def main() -> None:
    """Plan until told to stop."""
    options = _options()
    logging.basicConfig(format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("bayeslaw").setLevel(logging.INFO)
    options.home.mkdir(parents=True, exist_ok=True)
    os.nice(_NICENESS)
    for name in _THREADS:
        os.environ.setdefault(name, "1")
    signal.signal(signal.SIGTERM, _stop)
    if options.parent is not None:
        # Ctrl-C is for the service, which then ends its planners.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    name = f"planner {options.index + 1} of {options.of}"
    with _sole(options.home / f"planner-{options.index}.lock", name, options.parent):
        try:
            _plan(options)
        except BayeslawError as error:
            _LOG.error("%s cannot go on: %s", name, error)
            sys.exit(error.exit_code)


def _plan(options: argparse.Namespace) -> None:
    at_end: list[Callable[[], None]] = []
    if options.parent is not None:
        # Before the imports, which take seconds: the service may be killed in them too.
        end_with(options.parent, lambda: [leave() for leave in at_end])
    # Imported under the lock: a second planner that waits for its turn costs no memory.
    from bayeslaw.service.planner.planner import Planner
    from bayeslaw.store import SqlStore, SteadyClock

    with SqlStore(options.store) as store:
        share = (options.index, options.of)
        planner = Planner(store, options.home, SteadyClock(), share=share)
        at_end.append(planner.attempts.leave)
        _LOG.info("planning for %s", options.home)
        try:
            _loop(planner)
        finally:
            planner.close()


def _loop(planner: Any) -> None:
    is_away = False
    while True:
        try:
            if not planner.step():
                time.sleep(IDLE_S)
            is_away = False
        except UnavailableError as error:
            if not is_away:
                _LOG.warning("waiting for the store: %s", error)
            is_away = True
            time.sleep(_STORE_AWAY_S)


@contextmanager
def _sole(path: Path, name: str, parent: int | None) -> Iterator[None]:
    """Wait until no other process plans the same share; the kernel ends a lock with its process."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        is_told = False
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if not is_told:
                    _LOG.info("%s is there already; waiting for its end", name)
                    is_told = True
                if parent is not None and os.getppid() != parent:
                    sys.exit(0)
                time.sleep(IDLE_S)
        yield
    finally:
        os.close(descriptor)


def _stop(*_: object) -> None:
    sys.exit(0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bayeslaw.service.planner")
    parser.add_argument(
        "--store", default=os.environ.get(STORE_VARIABLE),
        help=f"address of the store, or its file; ${STORE_VARIABLE} when left out",
    )  # fmt: skip
    parser.add_argument("--home", required=True, type=Path, help="folder for posteriors")
    parser.add_argument("--index", type=int, default=0, help="which planner this is, from 0")
    parser.add_argument("--of", type=int, default=1, help="planners that share the studies")
    parser.add_argument("--parent", type=int, help="process to end with")
    options = parser.parse_args()
    if not options.store:
        parser.error(f"give --store or ${STORE_VARIABLE}")
    return options


if __name__ == "__main__":
    main()
