"""The YAML files that come with bayeslaw: published laws and studies ready to run."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Literal

from bayeslaw.errors import NotFoundError


def shipped_folder(kind: Literal["models", "search"]) -> Path:
    """Return the folder of shipped YAML files: inside the wheel, or in a checkout.

    Raises:
        NotFoundError: Neither is there; the installation is broken.
    """
    package = Path(str(files("bayeslaw")))
    for folder in (package / "data" / kind, package.parents[1] / kind):
        if folder.is_dir():
            return folder
    raise NotFoundError(f"the folder {kind!r} that ships with bayeslaw is missing; reinstall it")


def shipped_file(kind: Literal["models", "search"], name: str) -> Path:
    """Return a file by path, or by the name of one that ships: ``demo`` is ``search/demo.yaml``.

    Raises:
        NotFoundError: There is no such file.

    >>> shipped_file("search", "demo").name
    'demo.yaml'
    """
    path = Path(name)
    if path.is_file():
        return path
    shipped = shipped_folder(kind)
    if path.parent == Path() or path.parent.name == kind:
        candidate = (shipped / path.name).with_suffix(".yaml")
        if candidate.is_file():
            return candidate
    known = sorted(p.stem for p in shipped.glob("*.yaml"))
    raise NotFoundError(f"no file {name!r}, and {kind} ships only {known}")
