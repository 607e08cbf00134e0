"""What must happen although nobody asks for it."""

from __future__ import annotations

import asyncio
import logging

from bayeslaw.errors import BayeslawError
from bayeslaw.service.metrics import Metrics
from bayeslaw.service.parts import Parts
from bayeslaw.service.problems import ProblemError

_LOG = logging.getLogger(__name__)

# A turn must not keep the writer from those who wait for an answer [count].
_RUNS_A_TURN = 100
_FORGET_EVERY_S = 60.0


class Housekeeping:
    """Take back runs whose lease has run out, and forget answers that nobody asks for any more.

    Both go through the writer like any other change, a bounded part at a time, and are timed by the
    service's own clock. A turn that fails is logged, once while it goes on failing, and the next
    one tries again.

    Args:
        parts: Of the service.
        metrics: Where leases that ran out are counted.
    """

    def __init__(self, parts: Parts, metrics: Metrics) -> None:
        self._parts = parts
        self._metrics = metrics
        self._forgot_at = -float("inf")
        self._is_failing = False

    async def run(self) -> None:
        """Take turns until cancelled."""
        while True:
            await asyncio.sleep(self._parts.settings.housekeeping_interval_s)
            try:
                await self.turn()
                self._is_failing = False
            except Exception as error:
                # It must outlive whatever goes wrong: without it, dead workers keep their runs.
                known = isinstance(error, BayeslawError | ProblemError)
                if not known or not self._is_failing:
                    _LOG.warning("housekeeping failed: %s", error, exc_info=not known)
                self._is_failing = True

    async def turn(self) -> int:
        """Do what is due once, and return how many leases had run out.

        Raises:
            UnavailableError: The store cannot be reached.
        """
        parts = self._parts
        now = parts.clock()
        studies = await parts.reads.ask(lambda reader: reader.studies_with_expired(now))
        n_expired = 0
        for study_id in studies:
            n_expired += await self._expire(study_id)
        self._metrics.leases_expired.inc(n_expired)
        if not 0 <= now - self._forgot_at < _FORGET_EVERY_S:
            before = now - parts.settings.answers_kept_s
            await parts.writer.run(lambda transaction: transaction.forget_answers(before))
            self._forgot_at = now
        return n_expired

    async def _expire(self, study_id: str) -> int:
        expired = await self._parts.writer.run(
            lambda _: self._parts.state(study_id).expire_leases(limit=_RUNS_A_TURN),
            study_id=study_id,
        )
        return len(expired)
