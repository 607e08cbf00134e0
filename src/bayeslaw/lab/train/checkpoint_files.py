"""A checkpoint on disk: whole and checked, or not there.

    checkpoints/
      latest             the name of the last good one
      save-7/
        manifest.json    what it is and the sha256 of each file, its own included
        .metadata        of torch.distributed.checkpoint
        __0_0.distcp     the tensors

A checkpoint is written as ``save-8.partial``, renamed when all of it is on disk, and pointed to
last; then the one before goes. Killed at any moment, one good checkpoint is left.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from bayeslaw.errors import LabError

LATEST = "latest"
MANIFEST = "manifest.json"
SCHEMA = 1

_NAME = re.compile(r"save-(\d+)")


@dataclass(frozen=True, slots=True)
class SavedCheckpoint:
    """Point to a checkpoint whose manifest was read and checked; its tensors were not yet.

    Attributes:
        folder: Where it lies.
        description: What was said when it was written.
        files: Size and sha256 of each file, by name.
    """

    folder: Path
    description: dict[str, Any]
    files: dict[str, dict[str, Any]]

    def read_tensors(self) -> dict[str, torch.Tensor]:
        """Return the tensors by name, on the CPU, after every file was checked.

        Raises:
            LabError: A file is missing, cut short or changed, or cannot be read.
        """
        for name, expected in self.files.items():
            self._check_file(name, expected)
        dcp = _distributed_checkpoint()
        try:
            reader = dcp.FileSystemReader(self.folder)
            metadata = reader.read_metadata().state_dict_metadata
            tensors = {
                name: torch.empty(tensor.size, dtype=tensor.properties.dtype)
                for name, tensor in metadata.items()
            }
            dcp.load(tensors, storage_reader=reader, no_dist=True)
        except (Exception, dcp.CheckpointException) as error:
            raise self._broken(f"cannot be read ({_reason(error)})") from error
        return tensors

    def _check_file(self, name: str, expected: dict[str, Any]) -> None:
        path = self.folder / name
        try:
            found = _describe(path)
        except FileNotFoundError:
            raise self._broken(f"lacks the file {name}") from None
        except OSError as error:
            raise self._broken(f"cannot be read ({error})") from error
        if found["bytes"] != expected["bytes"]:
            raise self._broken(
                f"cannot be read: {name} has {found['bytes']} bytes where {expected['bytes']} "
                f"were written"
            )
        if found != expected:
            raise self._broken(f"cannot be read: {name} changed since it was written (sha256)")

    def _broken(self, what: str) -> LabError:
        return _broken(self.folder, what)


def write_checkpoint(
    root: Path, tensors: dict[str, torch.Tensor], description: dict[str, Any]
) -> None:
    """Write a checkpoint that takes the place of the last one once it is whole and on disk.

    Args:
        root: The folder of all checkpoints of one run.
        tensors: By name, on the CPU.
        description: JSON-ready values to keep with them.

    Raises:
        LabError: It could not be written; the last good checkpoint is untouched.
    """
    dcp = _distributed_checkpoint()
    number = 1 + max(_numbers(root), default=0)
    folder = root / f"save-{number}"
    partial = root / f"{folder.name}.partial"
    try:
        root.mkdir(parents=True, exist_ok=True)
        for remains in root.glob("save-*.partial"):  # of a process that was killed as it wrote
            shutil.rmtree(remains)
        writer = dcp.FileSystemWriter(partial, single_file_per_rank=True, sync_files=True)
        dcp.save(tensors, storage_writer=writer, no_dist=True)
        _write_manifest(partial, description)
        partial.rename(folder)
        _sync(root)
        _point_to(folder)
    except (Exception, dcp.CheckpointException) as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise _unwritten(root, tensors, error) from error
    for older in _numbers(root):
        if older != number:
            shutil.rmtree(root / f"save-{older}")


def open_checkpoint(root: Path) -> SavedCheckpoint | None:
    """Return the last good checkpoint, or None where none was ever finished.

    Raises:
        LabError: There is one, and it cannot be found or read.
    """
    folder = _latest(root)
    if folder is None:
        return None
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        body = manifest["body"]
        if manifest["sha256"] != _sha256_of(body):
            raise _broken(folder, f"cannot be read: {MANIFEST} changed since it was written")
        if body["schema"] != SCHEMA:
            raise _broken(folder, f"has schema {body['schema']!r}, this version reads {SCHEMA}")
        return SavedCheckpoint(folder, body["description"], body["files"])
    except FileNotFoundError as error:
        raise _broken(folder, f"lacks the file {MANIFEST}") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _broken(folder, f"cannot be read: its {MANIFEST} makes no sense ({error})") from error


def _latest(root: Path) -> Path | None:
    pointer = root / LATEST
    try:
        name = pointer.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        # Killed after the first checkpoint was whole and before it was pointed to.
        number = max(_numbers(root), default=None)
        return None if number is None else root / f"save-{number}"
    except (OSError, ValueError) as error:
        raise _lost(root, f"cannot be read ({error})") from error
    if not _NAME.fullmatch(name):
        raise _lost(root, f"says {name[:40]!r}, which names no checkpoint")
    if not (root / name).is_dir():
        raise _lost(root, f"says {name!r}, which is not there")
    return root / name


def _numbers(root: Path) -> list[int]:
    if not root.is_dir():
        return []
    return [int(match[1]) for path in root.iterdir() if (match := _NAME.fullmatch(path.name))]


def _write_manifest(folder: Path, description: dict[str, Any]) -> None:
    files = {path.name: _describe(path) for path in sorted(folder.iterdir())}
    body = {"schema": SCHEMA, "description": description, "files": files}
    _write_through(folder / MANIFEST, json.dumps({"sha256": _sha256_of(body), "body": body}))
    _sync(folder)


def _point_to(folder: Path) -> None:
    partial = folder.parent / f"{LATEST}.partial"
    _write_through(partial, f"{folder.name}\n")
    partial.replace(folder.parent / LATEST)
    _sync(folder.parent)


def _describe(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"bytes": os.fstat(file.fileno()).st_size, "sha256": digest}


def _sha256_of(body: Any) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _write_through(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Put a folder's names on disk; renames are lost in a power cut without it."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _distributed_checkpoint() -> Any:
    """Return ``torch.distributed.checkpoint``; it takes 0.8 s to load, so only when needed."""
    import torch.distributed.checkpoint as dcp

    # One process writes for all, on purpose; torch warns of it at each save and load.
    warnings.filterwarnings("ignore", "torch.distributed is disabled", UserWarning)
    return dcp


def _reason(error: BaseException) -> str:
    """Return what went wrong in one line; torch wraps errors of its ranks with their tracebacks."""
    failures = getattr(error, "failures", None)
    if failures:
        error = next(iter(failures.values()))[0]
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _unwritten(root: Path, tensors: dict[str, torch.Tensor], error: BaseException) -> LabError:
    megabytes = sum(tensor.nbytes for tensor in tensors.values()) / 1e6
    try:
        free = f"{shutil.disk_usage(root).free / 1e6:.1f} MB free there"
    except OSError:
        free = "a folder that cannot be looked at"
    kept = (
        "the last good checkpoint is untouched" if _numbers(root) else "there is none from before"
    )
    return LabError(
        f"a checkpoint of {megabytes:.1f} MB cannot be written to {root} ({free}): "
        f"{_reason(error)}; {kept}; see to that, then start the job again"
    )


def _broken(folder: Path, what: str) -> LabError:
    return LabError(
        f"the checkpoint {folder} {what}; put an intact copy there, or delete {folder.parent} to "
        f"start the run again from its first step"
    )


def _lost(root: Path, what: str) -> LabError:
    there = sorted(f"save-{number}" for number in _numbers(root))
    return LabError(
        f"{root / LATEST} {what}; checkpoints there: {there}; write the name of one into it, or "
        f"delete {root} to start the run again from its first step"
    )
