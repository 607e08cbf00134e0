"""Race our service and the peers: python -m benchmarks.service.peers --json OUT [--seconds 60] [--only NAME ...]."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from bayeslaw.cli.output import print_table
from bayeslaw.errors import UnavailableError
from benchmarks.harness import WORK, circumstances
from benchmarks.service.peers import OURS, PEERS, Load, race

_HEADERS = (
    "contestant", "completes/s", "last quarter", "suggest p50 ms", "p99 ms", "errors",
    "server MB", "server CPU", "load CPU",
)  # fmt: skip


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
        keys = (
            "name", "completes_per_s", "last_quarter_per_s", "suggest_p50_ms", "suggest_p99_ms",
            "n_errors", "server_rss_mb", "server_cpu_share", "load_cpu_share",
        )  # fmt: skip
        rows.append([found.get(key, "-") for key in keys])
        content = {"circumstances": circumstances(), "peers": results}
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(content, indent=2) + "\n")
    print_table("peers", _HEADERS, rows)


if __name__ == "__main__":
    main()
