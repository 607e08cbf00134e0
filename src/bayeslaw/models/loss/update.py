"""A posterior after a few more runs, by reweighting its draws instead of fitting again; numpy alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss.evidence import Evidence, gather_evidence
from bayeslaw.models.loss.noise import log_likelihood
from bayeslaw.models.loss.posterior import Posterior
from bayeslaw.models.loss.psis import K_HAT_LIMIT, smooth_weights
from bayeslaw.models.notes import Note
from bayeslaw.runs import RunTable

FEWEST_EFFECTIVE = 200.0
"""Fewer effective draws than this leave the ends of a 90 % interval to a handful of them."""

BY_UPDATE = "+importance update"
"""What ``Posterior.method`` ends in after an update."""

# The path of the discrepancy ends at the cheapest run fitted; a run this much further down [log
# cost] would be held to an error that no longer grows.
_ROOM_BELOW = np.log(2.0)


@dataclass(frozen=True)
class Update:
    """Hold a posterior after more runs, or the reason why it must be fitted again.

    Attributes:
        posterior: The updated one; None where a refit is needed.
        k_hat: Of the importance weights; above .7 they are not to be believed.
        n_effective: Draws that count, by Kish's formula, repeated draws counted once.
        reason: Why a refit is needed; empty where it is not.
    """

    posterior: Posterior | None
    k_hat: float
    n_effective: float
    reason: str = ""

    @property
    def needs_refit(self) -> bool:
        """Whether the draws at hand cannot say what the new runs mean."""
        return self.posterior is None


@dataclass(frozen=True)
class Reweighting:
    """Hold which draws to keep, some repeatedly, ``(draw,)``, and how far to trust that."""

    chosen: np.ndarray
    k_hat: float
    n_effective: float


def reweigh(
    log_likelihood: np.ndarray, same: np.ndarray, *, efficiency: float = 1.0, seed: int = 0
) -> Reweighting:
    """Resample draws in proportion to the likelihood of new data.

    Args:
        log_likelihood: Of the new data under each draw, ``(draw,)``.
        same: Draws with one value here are copies of one point, ``(draw,)``; they are smoothed and
            counted as one, so that an update of an update is not overrated.
        efficiency: Effective draws a draw of the sample at hand.
        seed: Of the resampling.

    >>> draws = np.random.default_rng(0).standard_normal(4000)
    >>> found = reweigh(-((1.0 - draws) ** 2) / 2, draws)
    >>> bool(abs(draws[found.chosen].mean() - 0.5) < 0.05), found.k_hat < 0.7
    (True, True)
    """
    _, group = np.unique(same, return_inverse=True)
    peak = log_likelihood.max()
    if not np.isfinite(peak):
        raise InvalidInputError(
            "the new runs are impossible or undefined under every draw; check their losses"
        )
    totals = np.bincount(group, np.exp(log_likelihood - peak))
    with np.errstate(divide="ignore"):
        smoothed = smooth_weights(np.log(totals), efficiency=efficiency)
    log_share = (
        log_likelihood - peak - np.log(totals, where=totals > 0, out=np.zeros_like(totals))[group]
    )
    weights = np.exp(smoothed.log_weights[group] + log_share)
    # Systematic resampling adds the least noise; the order of draws, and so of chains, is kept.
    rng = np.random.default_rng([seed, 7])
    positions = (rng.random() + np.arange(len(weights))) / len(weights)
    edges = np.cumsum(weights)
    chosen = np.searchsorted(edges / edges[-1], positions * (1 - 1e-12))
    return Reweighting(chosen, smoothed.k_hat, smoothed.n_effective)


def update_posterior(posterior: Posterior, table: RunTable) -> Update:
    """Tell a posterior of a few more runs, in a fraction of a second.

    Each draw is one whole curve, the form's error included, so the new runs weigh it by their
    likelihood under that curve; weights are Pareto-smoothed and draws resampled. This is exact in
    the limit of many draws *for the model as it was fitted*: the anchor of the discrepancy and the
    reference point of the priors stay where the fitted runs had put them. A new run costlier than
    the anchor selects among the paths that draws have beyond it, so predictions near it narrow as
    they should; distances are still counted from the old anchor, which errs on the safe side. A
    refit moves both, so fit again before a decision that matters.

    Args:
        posterior: Draws, from NUTS or Laplace.
        table: The runs fitted, in the same order, then the new ones.

    Returns:
        The updated posterior, or the reason why the law must be fitted again: k-hat above .7,
        fewer than 200 effective draws, or new runs that the fitted model has no room for.

    Raises:
        InvalidInputError: The table does not begin with the runs fitted or adds none, or the
            posterior is a point.

    Source:
        Pareto smoothing and its limit: Vehtari et al. (2024), JMLR 25(72), arXiv:1507.02646.
    """
    evidence = gather_evidence(posterior.law, table)
    _check(posterior, evidence)
    if reason := _no_room(posterior, evidence):
        return Update(None, np.nan, np.nan, reason)
    n_old, n_draws = posterior.n_runs, len(posterior)
    densities = _log_likelihood(posterior, table, evidence)
    ess = posterior.diagnostics.min_ess_bulk
    found = reweigh(
        densities.sum(axis=1),
        posterior.sigma,
        efficiency=min(ess / n_draws, 1.0) if np.isfinite(ess) else 1.0,
        seed=posterior.seed + len(table),
    )
    n_new = len(table) - n_old
    verdict = (
        f"{n_new} new run{'s' * (n_new > 1)}: k-hat {found.k_hat:.2f}, {found.n_effective:.0f} of "
        f"{n_draws} draws effective"
    )
    if found.k_hat > K_HAT_LIMIT or found.n_effective < FEWEST_EFFECTIVE:
        return Update(
            None,
            found.k_hat,
            found.n_effective,
            f"{verdict} (asked: at most {K_HAT_LIMIT}, at least {FEWEST_EFFECTIVE:.0f}); the runs "
            f"say too much for the draws at hand, so fit the law again",
        )
    note = Note("importance_update", "info", f"{verdict}; made without a refit")
    updated = _taken(posterior, found.chosen)
    return Update(
        dataclasses.replace(
            updated,
            method=_method(posterior),
            fingerprint=table.fingerprint,
            n_runs=len(table),
            notes=(*posterior.notes, note),
            fitted=_fitted(posterior, table, evidence, densities, found.chosen),
        ),
        found.k_hat,
        found.n_effective,
    )


def _log_likelihood(posterior: Posterior, table: RunTable, evidence: Evidence) -> np.ndarray:
    """Return each new run's log density under each draw, given its job's runs, ``(draw, new)``."""
    is_new = np.arange(len(table)) >= posterior.n_runs
    rows = np.flatnonzero(np.isin(evidence.trunk, evidence.trunk[is_new]))
    selected = table.select(rows)
    misfit = np.log(evidence.loss_nats[rows]) - np.log(posterior.losses(selected))
    densities = log_likelihood(
        misfit,
        evidence.trunk[rows],
        posterior.noise_scale(selected),
        posterior.run_share,
        posterior.badly_tuned_share,
        posterior.badly_tuned_excess,
    )
    return densities[:, is_new[rows]]


def _no_room(posterior: Posterior, evidence: Evidence) -> str:
    cheapest = evidence.cost_flops[posterior.n_runs :].min()
    below = np.log(posterior.max_cost_flops / cheapest) - posterior.span
    if below > _ROOM_BELOW:
        return (
            f"a new run costs {np.exp(below):.3g} times less than the cheapest run fitted, where "
            f"the error of the law's form was not modelled; fit the law again"
        )
    shared = np.bincount(evidence.trunk)[evidence.trunk[posterior.n_runs :]].max() > 1
    if shared and not posterior.run_share.any():
        return (
            "a new run is of the same training job as another, and the fit knew of no such runs; "
            "fit the law again"
        )
    return ""


def _taken(posterior: Posterior, chosen: np.ndarray) -> Posterior:
    """Return the posterior with every array of draws indexed, whichever arrays it has."""
    n_draws = len(posterior)
    changed: dict[str, Any] = {"n_chains": 1}
    for field in dataclasses.fields(posterior):
        value = getattr(posterior, field.name)
        if isinstance(value, np.ndarray) and len(value) == n_draws:
            changed[field.name] = value[chosen]
        elif isinstance(value, Mapping) and field.name in ("draws", "sample_stats"):
            changed[field.name] = {name: values[chosen] for name, values in value.items()}
    return dataclasses.replace(posterior, **changed)


def _fitted(
    posterior: Posterior,
    table: RunTable,
    evidence: Evidence,
    densities: np.ndarray,
    chosen: np.ndarray,
) -> dict[str, np.ndarray]:
    """Return what `save` keeps of the data, the new runs included."""
    rows: dict[str, np.ndarray] = {
        "loss_nats": evidence.loss_nats,
        "trunk": evidence.trunk,
        "run_id": np.array(table.run_ids),
        **evidence.columns,
    }
    old = posterior.fitted["log_likelihood"]
    fitted = {name: rows[name] for name in posterior.fitted if name in rows}
    for name in set(posterior.fitted) - set(rows) - {"log_likelihood"}:
        fitted[name] = np.asarray(table[name], float)
    fitted["log_likelihood"] = np.concatenate([old, densities], axis=1)[chosen]
    return {name: fitted[name] for name in posterior.fitted}


def _method(posterior: Posterior) -> Any:
    return posterior.method.removesuffix(BY_UPDATE) + BY_UPDATE


def _check(posterior: Posterior, evidence: Evidence) -> None:
    if posterior.method == "map":
        raise InvalidInputError(
            "a mode has one draw and nothing to reweigh; fit with method='nuts' or 'laplace'"
        )
    n_old = posterior.n_runs
    if evidence.n_runs <= n_old:
        raise InvalidInputError(
            f"the table must hold the {n_old} runs fitted and then the new ones, got "
            f"{evidence.n_runs} runs in all"
        )
    for name, values in {**evidence.columns, "loss_nats": evidence.loss_nats}.items():
        if (differs := posterior.fitted[name] != values[:n_old]).any():
            row = int(np.argmax(differs))
            raise InvalidInputError(
                f"run {row} of the table has {name} {values[row]:.6g}, the fit had "
                f"{posterior.fitted[name][row]:.6g}: the table must begin with the runs fitted, in "
                f"their order; or fit the law again"
            )
