"""What was measured so far, kept on disk so that an interrupted benchmark goes on.

A cell's name carries a hash of the service's source and of this folder's, so that figures of another
service are never mixed in.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
_LIBRARY = _HERE.parents[1] / "src" / "bayeslaw"
_SERVED = ("service", "store", "study", "client")


def kept(folder: Path, name: str, measure: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """Return a cell, measured unless it is there.

    Args:
        folder: Of the cells.
        name: Part, backend and seed.
        measure: Gets an empty folder for its files, which is removed when it returns.
    """
    path = folder / f"{name}-{_source_hash()}.json"
    if not path.exists():
        work = folder / f"{name}-work"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        begin = time.perf_counter()
        found = measure(work)
        found["measured_in_s"] = round(time.perf_counter() - begin, 1)
        print(f"{name}: {found['measured_in_s']:.0f} s", flush=True)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(found))
        partial.rename(path)
        shutil.rmtree(work, ignore_errors=True)
    return json.loads(path.read_text())


@cache
def _source_hash() -> str:
    digest = hashlib.sha256()
    for path in _sources():
        digest.update(path.read_bytes())
    return digest.hexdigest()[:10]


def _sources() -> Iterable[Path]:
    yield from sorted(_HERE.rglob("*.py"))
    for name in _SERVED:
        yield from sorted((_LIBRARY / name).rglob("*.py"))
