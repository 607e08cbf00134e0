"""Posteriors told of the runs that ended since they were fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bayeslaw.errors import BayeslawError
from bayeslaw.models.loss import Posterior
from bayeslaw.models.loss.update import update_posterior
from bayeslaw.models.notes import Note
from bayeslaw.runs import Run, RunTable


@dataclass(frozen=True)
class Told:
    """Hold posteriors and which of the runs they know.

    Attributes:
        posteriors: One a law, all of the same runs.
        n_updated: Runs that they were told of since the fit [count].
        n_untold: Runs that they do not know, or should not [count]; 0 where they are up to date.
        k_hat: Of each law's update; empty without one.
        notes: What to know before believing them.
    """

    posteriors: tuple[Posterior, ...] = ()
    n_updated: int = 0
    n_untold: int = 0
    k_hat: dict[str, float] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()


def tell(fitted: Sequence[Posterior], losses: Sequence[Run]) -> Told:
    """Update fitted posteriors by importance weights, all laws or none.

    The update always starts from the fit, so it follows from the fit and the runs alone, whatever
    the order in which results came in. Where the draws cannot say what the new runs mean, the
    posteriors stay as they were fitted, with a note: a law that knows fewer runs than another
    could not be weighed against it.

    Args:
        fitted: As `fit_law` left them, of the same runs; may be empty.
        losses: All runs that a law may learn from now.
    """
    fitted = tuple(fitted)
    if not fitted:
        return Told(n_untold=len(losses))
    names = [str(name) for name in fitted[0].fitted["run_id"]]
    known, present = set(names), {run.run_id: run for run in losses}
    if gone := [name for name in names if name not in present]:
        what = f"{len(gone)} of the runs fitted ({', '.join(gone[:3])}) were retracted since"
        return _untold(fitted, len(gone) + len(present) - len(names), what)
    new = [run for run in losses if run.run_id not in known]
    try:
        table = RunTable.from_runs([*(present[name] for name in names), *new])
        if not new:
            if any(posterior.fingerprint != table.fingerprint for posterior in fitted):
                return _untold(fitted, len(losses), "the runs fitted have changed since")
            return Told(fitted)
        updates = [update_posterior(posterior, table) for posterior in fitted]
    except BayeslawError as error:
        return _untold(fitted, len(new) or len(losses), str(error))
    k_hat = {p.law_name: u.k_hat for p, u in zip(fitted, updates, strict=True)}
    updated = tuple(update.posterior for update in updates if update.posterior is not None)
    if len(updated) < len(fitted):
        reason = next(update.reason for update in updates if update.needs_refit)
        found = _untold(fitted, len(new), reason)
        return Told(fitted, 0, found.n_untold, k_hat, found.notes)
    return Told(updated, len(new), 0, k_hat)


def _untold(fitted: tuple[Posterior, ...], n_untold: int, reason: str) -> Told:
    note = Note(
        "posterior_behind",
        "warning",
        f"the posterior of {fitted[0].n_runs} runs does not know {max(n_untold, 1)} change(s) "
        f"since, and the plan rests on it until the refit that is under way: {reason}",
    )
    return Told(fitted, 0, max(n_untold, 1), {}, (note,))
