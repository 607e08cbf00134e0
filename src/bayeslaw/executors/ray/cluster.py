"""A Ray cluster as far as jobs need one: connect, start a task, ask, cancel, disconnect."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from bayeslaw.errors import InvalidInputError, UnavailableError
from bayeslaw.executors.ray.options import RayOptions

# Tasks answer with a few words; the smallest object store that Ray allows is enough for them.
_OBJECT_STORE_BYTES = 80 * 1024 * 1024
_KNOCK_SECONDS = 10.0


class RayCluster:
    """Start tasks on a Ray cluster; connected when the first is started.

    Args:
        options: Which cluster, and what a task asks of it beside CPUs.
        n_cpus: CPUs that a task asks for [count].
        is_on_gpu: Whether a task needs a GPU, where the options do not say how many.
        is_alone: Whether a task takes all CPUs of a node, the largest that has what it needs.
        n_jobs: For how many tasks at once a cluster of our own has room [count].

    Raises:
        InvalidInputError: GPUs that Ray would not divide so.
        UnavailableError: Ray is not installed.
    """

    def __init__(
        self, options: RayOptions, *, n_cpus: int, is_on_gpu: bool, is_alone: bool, n_jobs: int
    ) -> None:
        if find_spec("ray") is None:
            raise UnavailableError("Ray is not installed; pip install 'bayeslaw[ray]'")
        n_gpus = options.gpus if options.gpus is not None else float(is_on_gpu)
        if n_gpus > 1 and n_gpus != int(n_gpus):
            raise InvalidInputError(f"gpus above 1 must be whole, as Ray has it, got {n_gpus}")
        self._address = options.address
        self._others = dict(options.resources)
        self._needs = {"CPU": n_cpus, "GPU": n_gpus, **self._others}
        self._is_alone = is_alone
        self._n_jobs = n_jobs
        self._max_retries = options.max_retries
        self._is_ours = False

    @property
    def is_ours(self) -> bool:
        """Whether we made this process's connection to Ray."""
        return self._is_ours

    def start(self, function: Callable[..., Any], name: str, **values: Any) -> Any:
        """Give Ray one task, and return what stands for it.

        Raises:
            UnavailableError: There is no such cluster, or a task can never run there.
        """
        self._connect()
        task = (
            _ray()
            .remote(function)
            .options(
                name=name,
                num_cpus=self._largest_cpus() if self._is_alone else self._needs["CPU"],
                num_gpus=self._needs["GPU"],
                resources=self._others,
                max_retries=self._max_retries,
            )
        )
        return task.remote(**values)

    def is_over(self, task: Any, wait_s: float = 0.0) -> bool:
        """Say whether a task has ended, waiting for it so long at most [s]."""
        ready, _ = _ray().wait([task], timeout=wait_s)
        return bool(ready)

    def answer(self, task: Any) -> dict[str, Any]:
        """Return what a task that has ended answered; one that did not, says why it could not."""
        errors = _ray().exceptions
        try:
            return _ray().get(task)
        except errors.TaskCancelledError:
            return {"phase": "ended", "reason": "cancelled"}
        except errors.RayTaskError as error:  # ours: such as a folder that is not there
            return {"phase": "ended", "reason": str(error.cause)}
        except errors.RayError as error:
            reason = f"Ray gave it up, {self._max_retries} retries allowed: {error}"
            return {"phase": "lost", "reason": reason}

    def cancel(self, task: Any) -> None:
        """Have a task interrupted, or taken from the queue."""
        _ray().cancel(task)

    def kill(self, task: Any) -> None:
        """End the worker of a task that does not answer.

        Raises:
            UnavailableError: Ray cannot; nobody knows whether the task goes on.
        """
        _ray().cancel(task, force=True)
        if not self.is_over(task, wait_s=30.0):
            raise UnavailableError(
                "Ray did not end a task within 30 s of being told to; look at `ray status`"
            )

    def disconnect(self) -> None:
        """Leave the cluster, if we connected; one of our own ends."""
        if self._is_ours:
            self._is_ours = False
            _ray().shutdown()

    def _largest_cpus(self) -> float:
        nodes = [node["Resources"] for node in _ray().nodes() if node["Alive"]]
        fitting = [
            node["CPU"]
            for node in nodes
            if all(node.get(name, 0) >= amount for name, amount in self._needs.items())
        ]
        return max(fitting, default=self._needs["CPU"])

    def _connect(self) -> None:
        ray = _ray()
        if ray.is_initialized():
            return
        quiet = {"log_to_driver": False, "configure_logging": False}
        try:
            if self._address is None:
                # Nobody asked for the mail that Ray would send home about it.
                os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
                ray.init(
                    address="local",
                    num_cpus=round(self._needs["CPU"] * self._n_jobs),
                    resources={name: n * self._n_jobs for name, n in self._others.items()},
                    include_dashboard=False,
                    object_store_memory=_OBJECT_STORE_BYTES,
                    **quiet,
                )
            else:
                _knock(self._address)
                ray.init(address=self._address, **quiet)
        except Exception as error:  # Ray raises that very class where a start takes too long
            where = "on this machine" if self._address is None else f"at {self._address!r}"
            raise UnavailableError(f"no Ray cluster {where}: {error}") from error
        self._is_ours = True
        has = ray.cluster_resources()
        if self._address is None and has.get("GPU", 0) < self._needs["GPU"]:
            self.disconnect()
            raise UnavailableError(
                f"a job asks for {self._needs['GPU']:g} GPU, this machine has "
                f"{has.get('GPU', 0):g}; set gpus, or the address of a cluster that has them"
            )


def _knock(address: str) -> None:
    """See that something listens at an address: Ray itself tries for five minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_SECONDS).close()


def _ray() -> Any:
    """Return Ray's module: an optional part, and a second to import."""
    return import_module("ray")
