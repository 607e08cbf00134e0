"""What of all figures goes into the headline and the table."""

from __future__ import annotations

from typing import Any

_WITH_AUDIT = ("postgres_restarted", "disk_full", "clock_set")


def headline(found: dict[str, Any]) -> dict[str, Any]:
    """Return the seven figures; None where their part was left out.

    ``lost`` and ``doubled`` are summed over kills and over the faults under which workers went on;
    an answer that was another one when asked again counts as doubled.
    """
    kills = list(found.get("kills", {}).values())
    audits = [*kills, *(found["faults"][name] for name in _WITH_AUDIT if "faults" in found)]
    sqlite = found.get("load", {}).get("sqlite", {})
    return {
        "kills": sum(cell["n_kills"] for cell in kills) if kills else None,
        "lost": sum(cell["n_lost"] for cell in audits) if audits else None,
        "doubled": sum(
            cell["n_doubled"] + cell.get("repeats", {}).get("n_different", 0) for cell in audits
        )
        if audits
        else None,
        "suggest_p99_ms": sqlite["paced"]["workers"]["suggest"]["p99_ms"] if sqlite else None,
        "read_p99_ms": sqlite["paced"]["all_reads"]["p99_ms"] if sqlite else None,
        "completes_per_s": sqlite["saturated"]["completes_per_s"] if sqlite else None,
        "ratio_to_best_peer": ratios(found.get("peers", {})).get("ratio_to_best_peer"),
    }


def ratios(races: dict[str, Any]) -> dict[str, Any]:
    """Return ours over the fastest peer, and over the fastest that survives its own crash."""
    speeds = {
        name: cell["completes_per_s"] for name, cell in races.items() if "completes_per_s" in cell
    }
    peers = {name: speed for name, speed in speeds.items() if not name.startswith("bayeslaw")}
    ours = speeds.get("bayeslaw-sqlite")
    if ours is None or not peers:
        return {}
    best = max(peers, key=lambda name: peers[name])
    durable = {name: speed for name, speed in peers.items() if races[name]["is_durable"]}
    found = {"best_peer": best, "ratio_to_best_peer": ours / max(peers[best], 1e-9)}
    if durable:
        best = max(durable, key=lambda name: durable[name])
        found["best_durable_peer"] = best
        found["ratio_to_best_durable_peer"] = ours / max(durable[best], 1e-9)
    return found


def table(found: dict[str, Any]) -> list[list[Any]]:
    """Return rows of part, what, and figure."""
    rows: list[list[Any]] = []
    for name, cell in found.get("load", {}).items():
        for part in ("saturated", "paced", "reads_alone"):
            if part in cell:
                rows.append(["load", f"{name}, {part}", _of_load(cell[part])])
    for name, cell in found.get("growth", {}).items():
        for step in cell["steps"]:
            figure = (
                f"{step['resident_mb_after_load']:.0f} MB, p99: suggest "
                f"{step['suggest']['p99_ms']:.0f} ms, reads {step['reads']['p99_ms']:.0f} ms"
            )
            rows.append(["growth", f"{name}, {step['n_runs']} runs", figure])
    for name, cell in found.get("kills", {}).items():
        audit = cell["audit"]
        figure = (
            f"{cell['n_kills']} kills, {audit['n_acknowledged']} writes, {cell['n_lost']} lost, "
            f"{cell['n_doubled']} doubled, {cell['repeats']['n_different']} of "
            f"{cell['repeats']['n']} repeats answered otherwise, replay "
            f"{'equal' if cell['replay']['is_equal'] else 'DIFFERENT'}"
        )
        rows.append(["kills", name, figure])
    for name, cell in found.get("faults", {}).items():
        rows.append(["faults", name, _of_fault(cell)])
    if auth := found.get("auth"):
        figure = f"{auth['n_requests']} requests, {auth['n_let_in']} let in"
        rows.append(["auth", f"{auth['n_routes']} routes", figure])
    for name, cell in found.get("peers", {}).items():
        speed = cell.get("completes_per_s")
        rows.append(["peers", name, "not here" if speed is None else f"{speed} completes/s"])
    return rows


def _of_load(part: dict[str, Any]) -> str:
    words = []
    if "completes_per_s" in part:
        suggest = part["workers"]["suggest"]
        words.append(f"{part['completes_per_s']:.0f} completes/s")
        words.append(f"suggest {suggest['p50_ms']:.0f} / {suggest['p99_ms']:.0f} ms")
    if "all_reads" in part:
        reads = part["all_reads"]
        words.append(f"reads {reads['p50_ms']:.0f} / {reads['p99_ms']:.0f} ms")
    return ", ".join([*words, f"{part['server']['resident_mb']:.0f} MB"])


def _of_fault(cell: dict[str, Any]) -> str:
    words = []
    for key, word in (
        ("n_lost", "lost"), ("n_doubled", "doubled"), ("n_5xx_but_503", "5xx but 503"),
        ("n_5xx", "5xx"), ("n_answered_differently", "answered differently"),
        ("n_cases", "cases"), ("tracebacks_in_log", "tracebacks"),
    ):  # fmt: skip
        if key in cell:
            words.append(f"{cell[key]} {word}")
    if "reads_meanwhile" in cell:
        words.append(f"reads p99 {cell['reads_meanwhile']['p99_ms']:.0f} ms")
    return ", ".join(words)
