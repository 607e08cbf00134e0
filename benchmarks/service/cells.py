"""What was measured so far, kept on disk so that an interrupted benchmark goes on.

A cell's name carries a hash of this folder's files that it follows from. Of the service it says inside which
source was measured and when: after a change to the service that should count, empty the benchmark's folder
under ``.work``.
"""

from __future__ import annotations

import datetime
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
_SHOWS_ONLY = ("__main__.py", "cells.py", "summary.py")


def kept(folder: Path, name: str, measure: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """Return a cell, measured unless it is there.

    Args:
        folder: Of the cells.
        name: Part, backend and seed.
        measure: Gets an empty folder for its files, which is removed when it returns.
    """
    path = folder / f"{name}-{_own_hash(name.startswith('race-'))}.json"
    if not path.exists():
        work = folder / f"{name}-work"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        source, begin = service_source(), time.perf_counter()
        found = measure(work)
        found |= {
            "measured_in_s": round(time.perf_counter() - begin, 1),
            "ended_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "service_source": source,
        }
        print(f"{name}: {found['measured_in_s']:.0f} s", flush=True)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(found))
        partial.rename(path)
        shutil.rmtree(work, ignore_errors=True)
    return json.loads(path.read_text())


def service_source() -> str:
    """Return a hash of the source of what is measured, as it is now."""
    return _hash(path for name in _SERVED for path in sorted((_LIBRARY / name).rglob("*.py")))


@cache
def _own_hash(is_race: bool) -> str:
    paths = [path for path in sorted(_HERE.glob("*.py")) if path.name not in _SHOWS_ONLY]
    return _hash([*paths, *sorted((_HERE / "peers").glob("*.py"))] if is_race else paths)


def _hash(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:10]
