"""Python source text that every machine with this bayeslaw has: its packages and the library."""

from __future__ import annotations

import csv
import hashlib
import importlib
import os
import platform
import sysconfig
from collections.abc import Generator, Iterator
from importlib import metadata
from pathlib import Path

from bayeslaw.errors import UnavailableError
from bayeslaw.lab.corpus.document import Document, Source, Workspace
from bayeslaw.lab.corpus.manifest import Origin

_DISTRIBUTION = "bayeslaw"
_MAX_BYTES = 40_000_000
# Longer files are mostly generated tables; a few of them would be half of the validation text.
_MAX_DOCUMENT_BYTES = 65_536
# Where a distributor keeps packages inside the standard library's folder.
_PACKAGE_FOLDERS = {"site-packages", "dist-packages"}
_LONGEST_LICENCE_NAME = 60


def python_source(name: str) -> Source:
    """Return the .py files of the standard library and of what bayeslaw needs to run.

    What else an environment holds changes nothing: extras are left out, and so is bayeslaw, whose
    text changes with every commit. Files come in the order of their names' hashes.
    """
    return Source(
        name=name,
        read=_read,
        max_bytes=_MAX_BYTES,
        max_document_bytes=_MAX_DOCUMENT_BYTES,
        is_exact=True,
    )


def _read(workspace: Workspace) -> Generator[Document, None, None]:
    distributions = _required_distributions()
    python = Origin(name="python", version=platform.python_version(), licence="PSF-2.0")
    found = [(name, path, python) for name, path in _library_files()]
    workspace.origins.append(python)
    for distribution in distributions:
        origin = Origin(
            name=distribution.metadata["Name"],
            version=distribution.version,
            licence=_licence(distribution),
        )
        workspace.origins.append(origin)
        found.extend((name, path, origin) for name, path in _package_files(distribution))
    found.sort(key=lambda item: hashlib.sha256(item[0].encode()).digest())
    for name, path, origin in found:
        with path.open("rb") as file:
            text = file.read(_MAX_DOCUMENT_BYTES + 1)
        yield Document(text=text, name=name, origin=origin.name, licence=origin.licence)


def _library_files() -> Iterator[tuple[str, Path]]:
    root = Path(sysconfig.get_paths()["stdlib"])
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in _PACKAGE_FOLDERS]
        for name in names:
            if name.endswith(".py"):
                path = Path(folder, name)
                yield f"stdlib/{path.relative_to(root).as_posix()}", path


def _package_files(distribution: metadata.Distribution) -> Iterator[tuple[str, Path]]:
    record = distribution.read_text("RECORD")
    if record is None:
        raise UnavailableError(
            f"python-sources cannot tell which files {distribution.metadata['Name']} has: it was "
            f"installed without a RECORD; install bayeslaw with pip into an environment of its own"
        )
    root = str(distribution.locate_file(""))
    for name, *_ in csv.reader(record.splitlines()):
        if name.endswith(".py") and not name.startswith(".."):
            path = Path(root, name)
            if path.is_file():
                yield f"packages/{name}", path


def _required_distributions() -> list[metadata.Distribution]:
    """Return the closure of bayeslaw's runtime requirements, markers evaluated, extras ignored."""
    try:
        requirements = importlib.import_module("packaging.requirements")
        names = importlib.import_module("packaging.utils")
    except ImportError as error:
        raise UnavailableError(
            f"python-sources reads package metadata with packaging ({error}): pip install packaging"
        ) from error
    found: dict[str, metadata.Distribution] = {}
    wanted = [_DISTRIBUTION]
    while wanted:
        name = wanted.pop()
        if name in found:
            continue
        try:
            found[name] = metadata.distribution(name)
        except metadata.PackageNotFoundError as error:
            raise UnavailableError(
                f"python-sources needs the installed package {name!r}, which bayeslaw requires: "
                f"install bayeslaw with pip, or give a folder of text files as source"
            ) from error
        for line in found[name].requires or ():
            requirement = requirements.Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                wanted.append(names.canonicalize_name(requirement.name))
    del found[_DISTRIBUTION]
    return [found[name] for name in sorted(found)]


def _licence(distribution: metadata.Distribution) -> str:
    """Return a licence's name as the package states it; some put its whole text there."""
    fields = distribution.metadata
    if expressions := fields.get_all("License-Expression"):
        return expressions[0]
    classifiers = [
        line.rpartition(" :: ")[2]
        for line in fields.get_all("Classifier") or ()
        if line.startswith("License :: ")
    ]
    for value in (*(fields.get_all("License") or ()), ", ".join(classifiers)):
        if len(value) <= _LONGEST_LICENCE_NAME and "\n" not in value:
            return value
    return ""
