"""Latency of some 260 architectures on one NVIDIA GPU: our own open table.

    python -m benchmarks.gpu.measure_space --out FOLDER [--seconds 450] [--smoke]
    python -m benchmarks.gpu.measure_space --table LINES --out FILE.parquet

The first form needs torch and numpy alone. It writes FOLDER/latency.jsonl, one line a measurement,
and FOLDER/latency.json, which says how far it came; called again it goes on. The second turns the
lines into a table, anywhere pandas and pyarrow are.
"""

from __future__ import annotations

import argparse
import json
import time
import traceback
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bayeslaw.errors import InvalidInputError
from bayeslaw.lab.inference import Case, time_cases
from bayeslaw.lab.machine import check_device, device_name, versions
from bayeslaw.runs import Measurement
from benchmarks.gpu.cells import circumstances, write_figures
from benchmarks.gpu.latency_space import NamedCase, anchor, blocks, smoke_blocks

LINES, SUMMARY = "latency.jsonl", "latency.json"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu.measure_space",
                                     description=__doc__)  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, help="a folder; with --table, a file")
    parser.add_argument("--seconds", type=int, default=450, help="wall time for everything")
    parser.add_argument("--smoke", action="store_true", help="tiny networks on the CPU")
    parser.add_argument("--table", type=Path, help="lines to turn into a Parquet file at --out")
    arguments = parser.parse_args()
    if arguments.table is None:
        summary = measure(arguments.out, arguments.seconds, arguments.smoke)
        print(json.dumps(summary, indent=2))
    else:
        # pandas and pyarrow are not on a bare GPU machine.
        from benchmarks.gpu.latency_table import write_latency_table

        n_rows = write_latency_table(arguments.table, arguments.out)
        print(f"wrote {n_rows} rows to {arguments.out}")


def measure(folder: Path, seconds: int, smoke: bool = False) -> dict[str, Any]:
    """Add a line for each case that has none yet, block by block, until the time is up."""
    start = time.perf_counter()
    device = "cpu" if smoke else "cuda"
    check_device(device)
    folder.mkdir(parents=True, exist_ok=True)
    planned = smoke_blocks() if smoke else blocks()
    repeated = _case(planned[0][0] if smoke else anchor())
    failed: list[list[str]] = []
    for number, block in enumerate(planned):
        left = seconds - (time.perf_counter() - start)
        if left <= 0:
            break
        print(f"block {number + 1} of {len(planned)}, {left:.0f} s left", flush=True)
        # The anchor is timed at both ends of a block, so every other block has it all the way.
        anchored = repeated if number % 2 == 0 else None
        failed += _time_block(block, folder / LINES, device, left, anchored, number)
    measured = read_lines(folder / LINES) if (folder / LINES).exists() else []
    summary = {
        "benchmark": "gpu.measure_space",
        "smoke": smoke,
        "device": device_name(device, 1),
        "versions": versions(),
        **circumstances(),
        **summarize([case for block in planned for case in block], measured),
        "failed": failed,
        "seconds_of_this_call": time.perf_counter() - start,
    }
    write_figures(folder / SUMMARY, summary)
    return summary


def _time_block(
    block: list[NamedCase], path: Path, device: str, seconds: float, anchored: Case | None,
    seed: int,
) -> list[list[str]]:  # fmt: skip
    """Time a block; where a case fails, go through the block's cases one by one and name it."""
    ends = time.perf_counter() + seconds

    def call(cases: list[NamedCase], repeated: Case | None) -> None:
        time_cases(
            [_case(case) for case in cases],
            path,
            device=device,
            seconds=max(0.0, ends - time.perf_counter()),
            anchor=repeated,
            anchor_every=len(block) + 1,
            seed=seed,
            notify=_print_progress,
        )

    try:
        call(block, anchored)
        return []
    except InvalidInputError:  # of the file, say: the same for every case
        raise
    except Exception:
        traceback.print_exc()
    failed = []
    for case in block:
        try:
            call([case], None)
        except Exception as error:
            failed.append([case.family, case.name, f"{type(error).__name__}: {error}"[:500]])
    return failed


def _print_progress(kind: str, details: Mapping[str, Any]) -> None:
    if kind == "notice":
        print(details["text"], flush=True)
    elif kind == "timed":
        m: Measurement = details["measurement"]
        w = m.workload
        shown = (
            f"ttft {m.ttft_ms:.2f} ms, tpot {m.tpot_ms:.3f} ms" if m.is_feasible else "too large"
        )
        print(f"  {m.architecture}, batch {w.batch_size} x {w.prompt_tokens}: {shown}", flush=True)


def summarize(planned: list[NamedCase], measured: list[Measurement]) -> dict[str, Any]:
    """Say how much of the plan is there, and how far the anchor's timings are apart."""
    found = {Case(m.architecture, m.workload): m for m in measured}
    reached = [case for case in planned if _case(case) in found]
    feasible = [case for case in reached if found[_case(case)].is_feasible]
    anchors = [m for m in measured if "anchor" in m.record and m.is_feasible]
    return {
        "n_lines": len(measured),
        "n_planned": len(planned),
        "n_reached": len(reached),
        "n_out_of_memory": len(reached) - len(feasible),
        "n_architectures_timed": len({case.architecture for case in feasible}),
        "reached_by_family": dict(Counter(case.family for case in reached)),
        "anchor": {name: [getattr(m, name) for m in anchors] for name in ("ttft_ms", "tpot_ms")},
        "not_reached": [
            [case.family, case.name, case.workload.batch_size, case.workload.prompt_tokens]
            for case in planned
            if _case(case) not in found
        ],
    }


def read_lines(path: Path) -> list[Measurement]:
    """Read a file of measurements, a JSON object a line.

    Raises:
        InvalidInputError: A line is not a measurement; it is named.
    """
    found: list[Measurement] = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        try:
            found.append(Measurement.from_dict(json.loads(line)))
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidInputError(
                f"{path.name} line {number} is not a measurement ({error}); if a call was killed "
                f"while it wrote, measure on with the same folder, which mends the last line"
            ) from error
    return found


def _case(case: NamedCase) -> Case:
    return Case(case.architecture, case.workload)


if __name__ == "__main__":
    main()
