"""A run that is this worker's, kept so by heartbeats while its block runs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bayeslaw.errors import BayeslawError, LeaseLostError, NotFoundError, StateError

if TYPE_CHECKING:
    from bayeslaw.client.study import RemoteStudy
    from bayeslaw.client.types import RunDocument

_log = logging.getLogger(__name__)


class HeldRun:
    """Hold a leased run: `RemoteStudy.working` makes one, a thread renews its lease.

    A server that cannot be reached does not stop the work: a late result is still accepted. A
    server that answers "not yours any more" does: `is_lost` turns true and `check` raises.

    Attributes:
        run: As it was handed out: ``run.architecture``, ``run.n_tokens``.
        progress: Told to the server with the next heartbeat; set it to what you like.
    """

    def __init__(
        self, study: RemoteStudy, run: RunDocument, worker_id: str, lease_s: float
    ) -> None:
        self.run = run
        self.progress: Mapping[str, Any] | None = None
        self._study = study
        self._worker_id = worker_id
        self._lease_s = lease_s
        self._lost = ""
        self._stop_reason = ""
        self._is_ended = False
        self._over = threading.Event()
        self._thread = threading.Thread(
            target=self._keep_alive, name=f"heartbeats of {run.run_id}", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """End the heartbeats; closing twice is harmless."""
        self._over.set()
        self._thread.join()

    @property
    def is_lost(self) -> bool:
        """Whether the server said that the run is not this worker's any more."""
        return bool(self._lost)

    @property
    def should_stop(self) -> bool:
        """Whether work on this run is of no more use: lost, or somebody stopped it."""
        return bool(self._lost or self._stop_reason)

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to tell: its end was told, or it is of no more use."""
        return self._is_ended or self.should_stop

    def check(self) -> None:
        """Go on if the run is still wanted of this worker; for a training loop, once in a while.

        Raises:
            LeaseLostError: It is another worker's now, or has ended.
            StateError: The server asks to stop, for the reason it gives.
        """
        if self._lost:
            raise LeaseLostError(self._lost)
        if self._stop_reason:
            raise StateError(f"run {self.run.run_id!r} should stop: {self._stop_reason}")

    def report(self, points: Sequence[Mapping[str, Any]]) -> None:
        """Tell losses on the way; see `RemoteStudy.report`."""
        answer = self._study.report(self.run, points, worker_id=self._worker_id)
        if answer.should_stop:
            self._stop_reason = "the server said so when it was told losses on the way"

    def complete(self, *, loss_nats: float, cost_gpu_hours: float, **details: Any) -> str:
        """End the run with its final loss, and return the outcome; see `RemoteStudy.complete`."""
        answer = self._study.complete(
            self.run,
            loss_nats=loss_nats,
            cost_gpu_hours=cost_gpu_hours,
            worker_id=self._worker_id,
            **details,
        )
        self._end()
        return answer.outcome

    def fail(self, reason: str, *, cost_gpu_hours: float = 0.0) -> None:
        """End the run because this architecture does not train; see `RemoteStudy.fail`."""
        told = {"cost_gpu_hours": cost_gpu_hours, "worker_id": self._worker_id}
        self._study.fail(self.run, reason, **told)
        self._end()

    def abandon(self, reason: str, *, cost_gpu_hours: float = 0.0) -> None:
        """Give the run up without knowing how it would have ended."""
        told = {"cost_gpu_hours": cost_gpu_hours, "worker_id": self._worker_id}
        self._study.abandon(self.run, reason, **told)
        self._end()

    def requeue(self, reason: str) -> None:
        """Give the run back, for whoever asks next."""
        self._study.requeue(self.run, reason, worker_id=self._worker_id)
        self._end()

    def _end(self) -> None:
        self._is_ended = True
        self._over.set()

    def _keep_alive(self) -> None:
        """Renew at a third of the lease, and at a tenth while the server does not answer."""
        is_troubled = False
        pause_s = self._lease_s / 3
        while not self._over.wait(pause_s):
            began = time.monotonic()
            try:
                answer = self._study.heartbeat(
                    self.run,
                    worker_id=self._worker_id,
                    lease_s=self._lease_s,
                    progress=self.progress,
                    patience_s=0.0,
                )
            except (LeaseLostError, NotFoundError) as error:
                if not self._over.is_set():  # else it is we who ended it
                    self._lost = str(error)
                return
            except BayeslawError as error:
                if not is_troubled:
                    _log.warning("run %s: a heartbeat failed: %s", self.run.run_id, error)
                is_troubled, pause_s = True, self._lease_s / 10
                continue
            is_troubled = False
            if answer.should_stop:
                self._stop_reason = answer.reason or "the server gives no reason"
            pause_s = max(0.0, self._lease_s / 3 - (time.monotonic() - began))


@contextmanager
def holding(
    study: RemoteStudy, run: RunDocument, worker_id: str, lease_s: float
) -> Iterator[HeldRun]:
    """Keep a leased run while the block runs, and give it up if the block does not end it."""
    held = HeldRun(study, run, worker_id, lease_s)
    try:
        yield held
    except (KeyboardInterrupt, SystemExit) as error:
        _give_up(held, held.requeue, f"the worker was told to end ({type(error).__name__})")
        raise
    except Exception as error:
        _give_up(held, held.abandon, f"{type(error).__name__}: {error}"[:1000])
        raise
    else:
        _give_up(held, held.abandon, "the worker left it without a result")
    finally:
        held.close()


def _give_up(held: HeldRun, give_up: Callable[[str], None], reason: str) -> None:
    if held.is_settled:
        return
    try:
        give_up(reason)
    except BayeslawError as error:  # the lease ends by itself; what ended the block matters more
        _log.warning("run %s was not given up: %s", held.run.run_id, error)
