"""Race our service and the peers: python -m benchmarks.service.peers --json OUT [--seconds 60] [--only NAME ...]."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from bayeslaw.cli.output import print_table
from bayeslaw.errors import UnavailableError
from benchmarks.harness import WORK, circumstances
from benchmarks.service.peers import OURS, PEERS, Load, race

_SHOWN = {
    "name": "contestant",
    "completes_per_s": "completes/s",
    "last_quarter_per_s": "last quarter",
    "completes_per_server_cpu_s": "per CPU second of server",
    "suggest_p50_ms": "suggest p50 ms",
    "suggest_p99_ms": "p99 ms",
    "n_errors": "errors",
    "server_rss_mb": "server MB",
    "load_cpu_share": "load CPU",
}


def main() -> None:
    """Race whom the command line names, one after the other."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.service.peers")
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--workers", type=int, default=200)
    parser.add_argument("--only", nargs="+", default=[c.name for c in (*OURS, *PEERS)])
    given = parser.parse_args()
    load = Load(n_workers=given.workers, seconds=given.seconds)
    results, rows = [], []
    for peer in (*OURS, *PEERS):
        if peer.name not in given.only:
            continue
        try:
            found = race(peer, WORK / "service-peers" / peer.name, load)
        except UnavailableError as error:
            found = {"name": peer.name, "storage": peer.storage, "unavailable": str(error)}
        results.append(found)
        rows.append([_shown(found, key) for key in _SHOWN])
        content = {"circumstances": circumstances(), "peers": results}
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(content, indent=2) + "\n")
    print_table("planning services", list(_SHOWN.values()), rows)


def _shown(found: dict[str, Any], key: str) -> Any:
    value = found.get(key, "-")
    return str(round(value)) if key.endswith("_ms") and isinstance(value, float) else value


if __name__ == "__main__":
    main()
