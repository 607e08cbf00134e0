"""Many architectures and workloads, timed one after the other into a file."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bayeslaw.errors import InvalidInputError
from bayeslaw.lab.inference.measurement_file import MeasurementFile
from bayeslaw.lab.inference.options import TimingOptions, engine_version
from bayeslaw.lab.inference.time_architecture import time_architecture
from bayeslaw.lab.inference.timing import MIN_REPEATS
from bayeslaw.runs import Measurement
from bayeslaw.space import Architecture, Workload

Notify = Callable[[str, Mapping[str, Any]], None]
"""Hears ``notice`` (text), ``overall`` (done, of, seconds_left), ``timed`` (measurement) and
``unreached`` (cases)."""

_Way = tuple[Architecture, Workload, str, bool, bool]


@dataclass(frozen=True, slots=True)
class Case:
    """Name what is timed.

    Attributes:
        architecture: The network.
        workload: What it serves.
    """

    architecture: Architecture
    workload: Workload


def time_cases(
    cases: Sequence[Case],
    path: Path,
    *,
    device: str = "cpu",
    attention: str = "sdpa_flash",
    threads: int = 1,
    seed: int = 0,
    graphs: bool | None = None,
    compiled: bool = False,
    min_repeats: int = MIN_REPEATS,
    seconds: float | None = None,
    anchor: Case | None = None,
    anchor_every: int = 10,
    notify: Notify | None = None,
) -> list[Measurement]:
    """Time cases in a shuffled order, each into a line of a file; started again, go on.

    A case whose line is there already, timed in the same way, is not timed again; one that ran
    out of memory is such a line, too. The anchor is timed first, after every ``anchor_every``
    cases, and last, to see the machine drift; its lines carry ``record["anchor"]``, their number.

    Args:
        cases: What to time; all are checked before the first is timed.
        path: File of JSON lines, new or of an earlier call on this device.
        device: ``cpu`` or ``cuda``.
        attention: A kernel of the lab's registry.
        threads: CPU threads [count].
        seed: Of the order alone; weights and prompts are those of seed 0, so that anchors agree.
        graphs: As in `time_architecture`.
        compiled: As in `time_architecture`.
        min_repeats: As in `time_architecture` [count].
        seconds: No case is begun later than this after the call; None: no limit [s].
        anchor: Timed again and again; None: no anchor.
        anchor_every: Cases between its timings [count].
        notify: Hears of progress.

    Returns:
        Measurements of these cases and the anchor, timed in this way, as the file has them.

    Raises:
        InvalidInputError: A case cannot be timed here, or the file holds other things or
            timings of another device or engine version.
        UnavailableError: The device or attention kernel is not here.
    """
    options = TimingOptions(device, attention, threads, 0, graphs, compiled, min_repeats)
    if anchor_every < 1:
        raise InvalidInputError(f"anchor_every must be at least 1 case, got {anchor_every}")
    wanted: list[Case] = [*cases] if anchor is None else [anchor, *cases]
    for case in wanted:
        options.backend_for(case.architecture, case.workload)
    tell = notify or (lambda kind, details: None)
    file = MeasurementFile(path, options.device_name, engine_version())
    ways = {_way_of(case, options) for case in wanted}
    present = [m for m in file.read(lambda text: tell("notice", {"text": text})) if _way(m) in ways]
    done = {_way(m) for m in present}
    waiting = [case for case in dict.fromkeys(cases) if _way_of(case, options) not in done]
    if not waiting:
        return present
    random.Random(seed).shuffle(waiting)
    clock = _Clock(seconds)
    n_anchors = sum("anchor" in m.record for m in present)

    def time_one(case: Case, **marks: Any) -> None:
        measured = time_architecture(case.architecture, case.workload, **asdict(options))
        measured = replace(measured, record={**measured.record, **marks})
        file.append(measured)
        present.append(measured)
        tell("timed", {"measurement": measured})

    for number, case in enumerate(waiting):
        if clock.is_over:
            break
        if anchor is not None and number % anchor_every == 0:
            n_anchors += 1
            time_one(anchor, anchor=n_anchors)
        if case != anchor:
            time_one(case)
        clock.n_done = number + 1
        tell(
            "overall",
            {"done": number + 1, "of": len(waiting), "seconds_left": clock.left(len(waiting))},
        )
    if anchor is not None and clock.n_done:
        time_one(anchor, anchor=n_anchors + 1)
    if unreached := waiting[clock.n_done :]:
        tell("unreached", {"cases": unreached})
        tell(
            "notice",
            {"text": f"{seconds:.0f} s are spent, {len(unreached)} of {len(waiting)} cases were "
             f"not reached; start it again to go on"},
        )  # fmt: skip
    return present


def _way_of(case: Case, options: TimingOptions) -> _Way:
    way = (options.attention, options.uses_graphs, options.compiled)
    return (case.architecture, case.workload, *way)


def _way(m: Measurement) -> _Way:
    """Return what was timed and how; what an older line does not say is taken as not so."""
    record = m.record
    way = (record.get("attention", ""), record.get("cuda_graph", False))
    return (m.architecture, m.workload, *way, record.get("compiled", False))


class _Clock:
    """Say when the time is over and how long the rest will take."""

    def __init__(self, seconds: float | None) -> None:
        self._began, self._seconds, self.n_done = time.monotonic(), seconds, 0

    @property
    def is_over(self) -> bool:
        return self._seconds is not None and time.monotonic() - self._began >= self._seconds

    def left(self, of: int) -> float:
        return (time.monotonic() - self._began) / self.n_done * (of - self.n_done)
