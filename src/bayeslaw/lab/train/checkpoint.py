"""What a killed run needs to go on as if nothing had happened."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from bayeslaw.errors import LabError
from bayeslaw.lab.train.checkpoint_files import open_checkpoint, write_checkpoint
from bayeslaw.lab.train.layout import put_together, take_apart
from bayeslaw.runs import Job

CHECKPOINTS = "checkpoints"
# What a run's losses do not depend on: where things lie and what they are called.
_NOT_DECISIVE = ("run_id", "corpus")


@dataclass(slots=True)
class State:
    """Hold what training changes.

    Attributes:
        network: Its weights, the trunk's or a branch's.
        optimizer: Its moments.
        trunk: The trunk's network and optimizer state while the weights are on a branch.
    """

    network: torch.nn.Module
    optimizer: torch.optim.Optimizer
    trunk: dict[str, Any] | None = None


def job_fingerprint(job: Job, corpus_fingerprint: str) -> str:
    """Return a hash of all that decides a run's losses."""
    values = {name: value for name, value in asdict(job).items() if name not in _NOT_DECISIVE}
    text = json.dumps([values, corpus_fingerprint], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


class Checkpoints:
    """Keep the last good state of one job in its folder, under ``checkpoints``.

    Training goes on while a checkpoint is written: `save` copies the state, a thread writes the
    copy. The copy's memory is kept for the next one: on a fresh one the system spends 50 times
    longer (2.1 s against 0.04 s for 480 MB, measured).

    Processes that train one network hold the same weights, so the first writes for all; the
    others' `save`, `wait` and `remove` do nothing. All of them load.

    Args:
        folder: The job's own.
        fingerprint: Of the job; a checkpoint of another is refused.
    """

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self._root = folder / CHECKPOINTS
        self._fingerprint = fingerprint
        self._copies: dict[str, torch.Tensor] = {}
        self._writing: threading.Thread | None = None
        self._failure: LabError | None = None

    def load(self, state: State) -> dict[str, Any] | None:
        """Restore the state in place; return the progress saved with it, None without one.

        Raises:
            LabError: The checkpoint is of another job, or cannot be read; nothing on disk is touched.
        """
        saved = open_checkpoint(self._root)
        if saved is None:
            return None
        if saved.description["fingerprint"] != self._fingerprint:
            raise LabError(
                f"{saved.folder} is of another job or corpus; give the job a folder of its own, or "
                f"delete {self._root} to start again"
            )
        kept = put_together(saved.description["layout"], saved.read_tensors())
        try:
            state.network.load_state_dict(kept["network"])
            state.optimizer.load_state_dict(kept["optimizer"])
        except (RuntimeError, ValueError, KeyError) as error:
            raise LabError(
                f"{saved.folder} does not fit the job's network and optimizer, another version of "
                f"bayeslaw wrote it ({error}); delete {self._root} to start again"
            ) from error
        state.trunk = kept["trunk"]
        return saved.description["progress"]

    def save(self, state: State, progress: dict[str, Any]) -> None:
        """Copy state and progress, and return while they are written; the last save must be over.

        Args:
            state: May be changed as soon as this returns.
            progress: JSON-ready values to get back from `load`.

        Raises:
            LabError: The save before this one could not be written.
        """
        if not _speaks_for_all():
            return
        self.wait()
        tensors: dict[str, torch.Tensor] = {}
        kept = {
            "network": state.network.state_dict(),
            "optimizer": state.optimizer.state_dict(),
            "trunk": state.trunk,
        }
        layout = {
            "dict": [[name, take_apart(value, tensors, name)] for name, value in kept.items()]
        }
        description = {
            "fingerprint": self._fingerprint,
            "progress": json.loads(json.dumps(progress)),
            "layout": layout,
        }
        copies = self._copy(tensors)
        self._writing = threading.Thread(target=self._write, args=(copies, description))
        self._writing.start()

    def wait(self) -> None:
        """Return once the last save is on disk.

        Raises:
            LabError: It could not be written; said once.
        """
        if self._writing is not None:
            self._writing.join()
            self._writing = None
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def close(self) -> None:
        """Return once nothing is being written; whether that went well no longer matters."""
        if self._writing is not None:
            self._writing.join()
        self._writing = self._failure = None

    def remove(self) -> None:
        """Delete the checkpoint, once nobody needs it any more."""
        if _speaks_for_all():
            self.close()
            remove_checkpoints(self._root.parent)

    def _copy(self, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        for name, tensor in tensors.items():
            if name not in self._copies:
                self._copies[name] = torch.empty(
                    tensor.shape, dtype=tensor.dtype, pin_memory=tensor.is_cuda
                )
            self._copies[name].copy_(tensor, non_blocking=True)
        if any(tensor.is_cuda for tensor in tensors.values()):
            torch.cuda.synchronize()
        return {name: self._copies[name] for name in tensors}

    def _write(self, tensors: dict[str, torch.Tensor], description: dict[str, Any]) -> None:
        try:
            write_checkpoint(self._root, tensors, description)
        except LabError as error:
            self._failure = error
        except BaseException as error:  # nobody hears what a thread raises
            self._failure = LabError(f"{self._root} could not be written: {error!r}")


def remove_checkpoints(folder: Path) -> None:
    """Delete what `Checkpoints` left in a job's folder."""
    root, doomed = folder / CHECKPOINTS, folder / f"{CHECKPOINTS}.removed"
    if doomed.exists():
        shutil.rmtree(doomed)
    if root.exists():
        root.rename(doomed)  # killed halfway, no half a checkpoint is found
        shutil.rmtree(doomed)


def _speaks_for_all() -> bool:
    return not (dist.is_available() and dist.is_initialized()) or dist.get_rank() == 0
