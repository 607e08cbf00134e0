"""Timings from a file, and a surrogate of them: what the ``latency`` commands share. Loads torch."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from bayeslaw.cli.progress import waiting
from bayeslaw.errors import InvalidInputError
from bayeslaw.models.latency import LatencySurrogate, fit_latency
from bayeslaw.models.latency.checks import ONE_OF, check_one_of, check_served
from bayeslaw.runs import LatencyTable, Measurement
from bayeslaw.runs.latency.checks import check_one_unit
from bayeslaw.runs.latency.files import read_latency_table
from bayeslaw.space import DEVICES, Architecture, Workload, from_huggingface

# Whether a workload was timed does not hang on the network.
_ANY_NETWORK = Architecture(1, 8, 1, 1, 8, 16, 32)


def read_timings(path: Path, device: str | None, selected: Sequence[str]) -> LatencyTable:
    """Read a latency table, or what ``bayeslaw measure --json-lines`` wrote, and choose rows.

    Args:
        path: ``.parquet`` or ``.csv`` of `write_latency_table`, or ``.jsonl``.
        device: Whose rows; None: all.
        selected: Further choices, ``label=word``.

    Raises:
        InvalidInputError: It cannot be read, two units or devices are mixed, or no row is left.
    """
    if path.suffix.lower() == ".jsonl":
        table = LatencyTable.from_measurements(_read_lines(path), source=path.name)
    else:
        table = read_latency_table(path)
        if table.is_query:
            raise InvalidInputError(f"{path.name} has no latency_ms: it asks, it was not measured")
    check_one_unit(table.columns, table.labels)
    words = dict(_choice(text) for text in selected) | ({"device": device} if device else {})
    return table.select(**words) if words else table


def fit_timings(table: LatencyTable, seed: int, *, silent: bool) -> LatencySurrogate:
    """Fit a surrogate to timings, with the device's datasheet where its name has one."""
    devices = set(table.labels["device"])
    # Of several devices the fit's own door says what to do.
    datasheet = DEVICES.get(devices.pop()) if len(devices) == 1 else None
    with waiting(f"fitting latency to {len(table)} timings", silent=silent):
        return fit_latency(table, datasheet, seed)


def serving(
    table: LatencyTable,
    load: Mapping[str, int | None],
    precision: str | None = None,
    engine: str | None = None,
) -> Workload:
    """Return the workload that is asked for; what is left out is as it was timed most often.

    Args:
        table: What was timed.
        load: ``batch_size``, ``prompt_tokens`` and ``output_tokens``; None where left out.
        precision: None where left out.
        engine: None where left out.

    Raises:
        InvalidInputError: Timings of several devices, engines, versions or precisions, or a
            question about another than was timed.
    """
    check_one_of(table)
    rows = zip(*(table[name].tolist() for name in load), strict=True)
    usual = Counter(rows).most_common(1)[0][0]
    counts = {
        name: round(timed) if asked is None else asked
        for (name, asked), timed in zip(load.items(), usual, strict=True)
    }
    served = {name: table.labels[name][0] for name in ONE_OF}
    workload = Workload(
        **counts,
        precision=served["precision"] if precision is None else precision,
        engine=served["engine"] if engine is None else engine,
        device=served["device"],
    )
    check_served(LatencyTable.ask([_ANY_NETWORK], workload, "ttft_ms"), served)
    return workload


def read_configs(paths: Sequence[Path]) -> list[Architecture]:
    """Read architectures from ``config.json`` files, and folders of ``.json`` files."""
    files: list[Path] = []
    for path in paths:
        found = sorted(path.glob("*.json")) if path.is_dir() else [path]
        if not found:
            raise InvalidInputError(
                f"there is no .json file in {path}; put config.json files there"
            )
        files += found
    return [from_huggingface(file) for file in files]


def _read_lines(path: Path) -> list[Measurement]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"cannot read {path}: {error}") from error
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            values = json.loads(line)
            if not isinstance(values, dict):
                raise InvalidInputError(f"not an object but {type(values).__name__}")
            found.append(Measurement.from_dict(values))
        except ValueError as error:  # no JSON, or no measurement
            raise InvalidInputError(
                f"line {number} of {path.name} is no measurement: {error}; correct or remove it"
            ) from error
    return found


def _choice(text: str) -> tuple[str, str]:
    label, equals, word = text.partition("=")
    if not (label and equals):
        raise InvalidInputError(f"--select is LABEL=WORD, such as precision=float16, got {text!r}")
    return label, word
