"""What a GPU says of itself while it is timed. Read, never set."""

from __future__ import annotations

import subprocess

import torch

_QUERIES = {
    "driver": "driver_version",
    "sm_clock_mhz": "clocks.sm",
    "memory_clock_mhz": "clocks.mem",
    "power_w": "power.draw",
    "power_limit_w": "power.limit",
    "temperature_c": "temperature.gpu",
}
_TIMEOUT_SECONDS = 20


def gpu_state() -> dict[str, float | str]:
    """Return driver, clocks, power and temperature of the GPU in use, by nvidia-smi.

    What cannot be read is said under ``unread``, as a timing is good without it.
    """
    uuid = torch.cuda.get_device_properties(torch.cuda.current_device()).uuid
    command = [
        "nvidia-smi",
        f"--id=GPU-{uuid}",
        f"--query-gpu={','.join(_QUERIES.values())}",
        "--format=csv,noheader,nounits",
    ]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=_TIMEOUT_SECONDS
        )
    except (OSError, subprocess.SubprocessError) as error:
        return {"unread": f"{type(error).__name__}: {error}"}
    return parse_state(done.stdout)


def parse_state(line: str) -> dict[str, float | str]:
    """Read nvidia-smi's line of comma-separated values.

    >>> parse_state("580.65.06, 1980, 2619, 312.40, 700.00, 41")["sm_clock_mhz"]
    1980.0
    >>> parse_state("580.65.06, 1980, 2619, [N/A], 700.00, 41")["unread"]
    'power_w'
    """
    values = [value.strip() for value in line.strip().split(",")]
    if len(values) != len(_QUERIES):
        return {"unread": f"nvidia-smi said {line.strip()!r}"}
    state: dict[str, float | str] = {}
    unread = []
    for name, value in zip(_QUERIES, values, strict=True):
        if name == "driver":
            state[name] = value
            continue
        try:
            state[name] = float(value)
        except ValueError:
            unread.append(name)
    return {**state, "unread": ", ".join(unread)} if unread else state
