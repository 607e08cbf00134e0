"""Scores of one method on one group, kept on disk so that an interrupted benchmark goes on.

A cell's name carries the rows and the source files it was made from: it is made anew when either
changes, and only then.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from benchmarks.latency_surrogate.splits import Group

_HERE = Path(__file__).parent
_SOURCE = _HERE.parents[1] / "src" / "bayeslaw"
_MODEL = _SOURCE / "models" / "latency"
_SCORES = (_HERE / "scores.py", _HERE / "methods.py")
_BASELINES = (
    *_SCORES,
    _HERE / "baselines.py",
    _HERE / "rooflines.py",
    _MODEL / "features.py",
)


def fill_cell(group: Group, method: str, path: Path) -> Path:
    """Forecast and score every part of a group and write the scores, unless they are there."""
    if path.exists():
        return path
    import torch

    from benchmarks.latency_surrogate.methods import forecasts
    from benchmarks.latency_surrogate.scores import score

    torch.set_num_threads(1)
    rows = []
    started = time.perf_counter()
    for part, forecast in forecasts(method, group):
        rows.append(
            {
                "label": part.label,
                "seed": part.seed,
                "n_train": len(part.train),
                "n_test": len(part.test),
                **score(forecast, group.table["latency_ms"][part.test]),
                "seconds": time.perf_counter() - started,
            }
        )
        started = time.perf_counter()
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(rows))
    partial.rename(path)
    return path


def cell_path(folder: Path, group: Group, method: str) -> Path:
    """Return where a cell lies."""
    name = group.name.replace("/", ".").replace(" ", "_")
    what = f"{group.parts[0].label}-{group.parts[0].seed}" if group.kind == "sets" else "all"
    digest = hashlib.sha256(f"{_rows_hash(group)}{code_hash(method)}".encode()).hexdigest()[:12]
    return folder / f"{group.kind}-{name}-{what}-{method}-{digest}.json"


@cache
def code_hash(method: str) -> str:
    """Return a hash of the source files that a method's scores follow from."""
    ours = (*_SCORES, *_imported(_MODEL, ("surrogate", "devices")), _SOURCE / "space/device.py")
    return _files_hash(ours if method == "ours" else _BASELINES)


def _imported(folder: Path, roots: Sequence[str]) -> list[Path]:
    """Return the modules of a folder that some of them import, these included, by name."""
    package = re.escape(".".join(folder.relative_to(_SOURCE.parent).parts))
    found: set[str] = set()
    todo = list(roots)
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            text = (folder / f"{name}.py").read_text()
            todo += re.findall(rf"^from {package}\.(\w+) import", text, re.MULTILINE)
            # `from package import module` names modules; other names are no files.
            for names in re.findall(rf"^from {package} import (.+)$", text, re.MULTILINE):
                todo += [n for n in re.findall(r"\w+", names) if (folder / f"{n}.py").exists()]
    return [folder / f"{name}.py" for name in sorted(found)]


def _files_hash(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


@cache
def _rows_hash(group: Group) -> str:
    parts = [group.kind, group.table.fingerprint]
    parts += [] if group.sources is None else [group.sources.fingerprint]
    digest = hashlib.sha256("\0".join(parts).encode())
    for name, values in (group.known or {}).items():
        digest.update(name.encode() + values.tobytes())
    for part in group.parts:
        digest.update(f"{part.label}\0{part.seed}\0".encode())
        digest.update(part.train.tobytes() + b"\0" + part.test.tobytes())
    return digest.hexdigest()
