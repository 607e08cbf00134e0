"""Which code this is."""

from __future__ import annotations

import importlib.metadata
import subprocess
from functools import cache
from pathlib import Path


@cache
def code_version() -> str:
    """Return the package's version and, in a checkout, its commit, ``dirty`` if it was changed."""
    try:
        version = importlib.metadata.version("bayeslaw")
    except importlib.metadata.PackageNotFoundError:  # a bare copy of the sources
        version = "not installed"
    commit = _git("rev-parse", "--short=12", "HEAD")
    if not commit:
        return version
    dirty = " dirty" if _git("status", "--porcelain", "--untracked-files=no", "--", ".") else ""
    return f"{version} at {commit}{dirty}"


def _git(*arguments: str) -> str:
    """Return what git says of these sources; nothing where there is no git or no checkout."""
    here = Path(__file__).parent
    try:
        done = subprocess.run(
            ["git", "-C", str(here), *arguments], capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
