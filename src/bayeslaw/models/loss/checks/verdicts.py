"""What to make of a fit, as coded verdicts: the questions anyone should ask of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from bayeslaw.models.loss.checks.calibration import (
    FAILURE_RATE,
    MIN_RUNS,
    Calibration,
    check_calibration,
)
from bayeslaw.models.loss.checks.confounding import TOGETHER, Confounding, find_confounding
from bayeslaw.models.loss.checks.leave_one_out import LeaveOneOut, leave_one_out
from bayeslaw.models.loss.checks.rolling import RollingOrigins
from bayeslaw.models.loss.diagnostics import MAX_RHAT, MIN_ESS_PER_CHAIN
from bayeslaw.models.loss.linearised import UNLEARNT
from bayeslaw.models.loss.posterior import Posterior
from bayeslaw.models.loss.posterior_groups import run_names

HOLDS = (0.82, 0.97)
"""Coverage of 90 % intervals on dearer runs that still counts as 90 %: what we ask of ourselves."""

_DESIGNS = (
    "few_runs", "one_size_and_budget", "one_size", "one_token_budget", "constant_tokens_per_param",
    "one_shape", "one_shape_per_size",
)  # fmt: skip
"""Notes of a fit on designs that are known not to tell; see `check_identifiability`."""

_MOST_NAMED = 5
_ONE_POINT = "all draws are one point, which cannot tell; fit with method='nuts'"


@dataclass(frozen=True)
class Verdict:
    """Answer one question about a fit.

    Attributes:
        question: Stable name: ``mixed``, ``identified``, ``separate``, ``calibrated``, ``robust``
            or ``holds_beyond``.
        is_good: Whether the answer is yes; None where it cannot be told.
        code: Stable name of the answer: ``too_narrow``.
        message: For people: what was found, and what would mend it.
        figures: What it rests on, JSON-ready.
    """

    question: str
    is_good: bool | None
    code: str
    message: str
    figures: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values."""
        return asdict(self)


@dataclass(frozen=True)
class Diagnosis:
    """Hold the verdicts and what they were read from.

    Attributes:
        verdicts: One a question, in the order in which to ask.
        leave_one_out: PSIS-LOO of every run.
        calibration: Tests of its PITs.
        confounding: What was not learnt.
        rolling: Dearer runs predicted from cheaper ones; None when not asked for.
    """

    verdicts: tuple[Verdict, ...]
    leave_one_out: LeaveOneOut
    calibration: Calibration
    confounding: Confounding
    rolling: RollingOrigins | None = None


def diagnose_posterior(
    posterior: Posterior, *, rolling: RollingOrigins | None = None, why_not_rolling: str = ""
) -> Diagnosis:
    """Ask a fit what should be asked before its intervals are believed.

    Args:
        posterior: From `fit_law`, or loaded.
        rolling: From `rolling_origins`, which takes fits of its own.
        why_not_rolling: Why there is none, if that is known.

    >>> from bayeslaw.models.loss import LAWS, fit_law
    >>> from bayeslaw.runs import RunTable
    >>> n = np.geomspace(1e6, 1e8, 12).round()
    >>> runs = RunTable.from_columns(
    ...     {"n_params": n, "n_tokens": 20 * n, "loss_nats": 1.7 + 400 / n**0.34})
    >>> posterior = fit_law(LAWS["chinchilla"], runs, method="laplace", n_draws=400)
    >>> [v.code for v in diagnose_posterior(posterior).verdicts if v.question == "mixed"]
    ['no_chains']
    """
    loo = leave_one_out(posterior)
    calibration = check_calibration(loo.pit[loo.pareto_k <= loo.max_k])
    confounding = find_confounding(posterior)
    verdicts = (
        _mixed(posterior),
        _identified(posterior, confounding),
        _separate(confounding),
        _calibrated(calibration, len(loo.pit)),
        _robust(posterior, loo),
        _holds_beyond(rolling, why_not_rolling),
    )
    return Diagnosis(verdicts, loo, calibration, confounding, rolling)


def _mixed(posterior: Posterior) -> Verdict:
    found = posterior.diagnostics
    if not found.rhat:
        return Verdict(
            "mixed",
            None,
            "no_chains",
            f"fitted by {posterior.method}, so there are no chains to compare; fit with "
            f"method='nuts' to ask",
        )
    worst = max(found.rhat, key=lambda name: found.rhat[name])
    least = MIN_ESS_PER_CHAIN * posterior.n_chains
    few = min(found.min_ess_bulk, found.min_ess_tail)
    figures = {
        "max_rhat": found.max_rhat,
        "min_ess_bulk": float(found.min_ess_bulk),
        "min_ess_tail": float(found.min_ess_tail),
        "divergences": found.divergences,
    }
    is_good = found.max_rhat <= MAX_RHAT and few >= least and not found.divergences
    told = (
        f"worst R-hat {found.max_rhat:.3f} ({worst}; at most {MAX_RHAT}), smallest ESS {few:.0f} (at "
        f"least {least:.0f}), {found.divergences} divergences"
    )
    if not is_good:
        told += ": sample longer (n_warmup, n_draws)"
    if found.divergences:
        told += "; where it diverged a part of the posterior may be missed"
    return Verdict("mixed", is_good, "mixed" if is_good else "not_mixed", told, figures)


def _identified(posterior: Posterior, confounding: Confounding) -> Verdict:
    if confounding.is_point:
        return Verdict("identified", None, "point_estimate", _ONE_POINT)
    figures = {"width_left": dict(confounding.width_left)}
    by_design = [note for note in posterior.notes if note.code in _DESIGNS]
    if by_design:
        told = " ".join(note.message for note in by_design)
        return Verdict("identified", False, by_design[0].code, told, figures)
    if not confounding.unlearnt:
        name = max(confounding.width_left, key=lambda name: confounding.width_left[name])
        told = (
            f"the runs narrowed every coefficient; least {name}, to "
            f"{confounding.width_left[name]:.0%} of its prior's width"
        )
        return Verdict("identified", True, "identified", told, figures)
    told = (
        f"these runs say next to nothing about {', '.join(confounding.unlearnt)} (over {UNLEARNT:.0%} "
        f"of the prior's width is left): what is believed is the prior. {confounding.advice[-1]}"
    )
    return Verdict("identified", False, "unidentified", told, figures)


def _separate(confounding: Confounding) -> Verdict:
    if confounding.is_point:
        return Verdict("separate", None, "point_estimate", _ONE_POINT)
    if not confounding.groups:
        told = f"no two coefficients correlate by more than {TOGETHER:g} in the posterior"
        return Verdict("separate", True, "separate", told)
    told = "; ".join(
        f"{_tied(group, correlation)}. {advice}"
        for group, correlation, advice in zip(
            confounding.groups, confounding.correlations, confounding.advice, strict=False
        )
    )
    figures = {
        "groups": [list(group) for group in confounding.groups],
        "correlations": list(confounding.correlations),
    }
    return Verdict("separate", False, "confounded", told, figures)


def _tied(group: tuple[str, ...], correlation: float) -> str:
    named = ", ".join(group)
    if abs(correlation) > TOGETHER:
        return f"{named} move together (correlation {correlation:.2f})"
    return f"of {named} together one direction is as wide as before the runs"


def _calibrated(calibration: Calibration, n_runs: int) -> Verdict:
    figures = asdict(calibration)
    if calibration.n_runs < MIN_RUNS:
        told = f"{calibration.n_runs} of {n_runs} runs can be predicted without themselves; {MIN_RUNS} could tell"
        return Verdict("calibrated", None, "too_few_runs", told, figures)
    seen = (
        f"{calibration.inside90:.0%} of {calibration.n_runs} runs lie in their leave-one-out 90 % "
        f"interval, normal scores {calibration.mean_score:+.2f} on average, root mean square "
        f"{calibration.sd_score:.2f}"
    )
    rate = f"a right fit is called wrong at most {FAILURE_RATE:.0%} of the time"
    if not (fault := calibration.fault):
        return Verdict("calibrated", True, "calibrated", f"{seen} ({rate})", figures)
    meaning = {
        "biased": "losses lie to one side of what is predicted: the form is wrong somewhere",
        "too_narrow": "losses scatter more than the intervals allow",
        "too_wide": "losses scatter less than the intervals allow: sigma may be the prior's",
        "wrong_shape": "losses lie neither to one side nor too far out, but not as predicted",
    }[fault]
    return Verdict("calibrated", False, fault, f"{meaning}; {seen} ({rate})", figures)


def _robust(posterior: Posterior, loo: LeaveOneOut) -> Verdict:
    names = run_names(posterior)
    pulling = np.flatnonzero(loo.pareto_k > loo.max_k)
    pulling = pulling[np.argsort(-loo.pareto_k[pulling])]
    largest = float(loo.pareto_k.max())
    figures = {
        "max_k": loo.max_k,
        "largest_k": largest if np.isfinite(largest) else None,  # JSON knows no infinity
        "elpd": float(loo.elpd.sum()),
        "runs": [str(names[run]) for run in pulling],
        "rows": pulling.tolist(),
    }
    if np.ptp(posterior.sigma) == 0:
        return Verdict("robust", None, "point_estimate", _ONE_POINT)
    if not len(pulling):
        told = f"no run decides the fit: the largest Pareto k is {largest:.2f} (at most {loo.max_k:.2f})"
        return Verdict("robust", True, "no_influential_runs", told, figures)
    listed = ", ".join(
        f"{names[run]} (k {loo.pareto_k[run]:.2f}, loss {posterior.fitted['loss_nats'][run]:.4g})"
        for run in pulling[:_MOST_NAMED]
    )
    more = f" and {len(pulling) - _MOST_NAMED} more" if len(pulling) > _MOST_NAMED else ""
    told = (
        f"{listed}{more} pull the fit hard (Pareto k over {loo.max_k:.2f}): check that they finished "
        f"and were tuned as the others, and fit once without them"
    )
    return Verdict("robust", False, "influential_runs", told, figures)


def _holds_beyond(rolling: RollingOrigins | None, why_not: str) -> Verdict:
    if rolling is None:
        told = why_not or "dearer runs were not predicted from cheaper ones: give the table of runs"
        return Verdict("holds_beyond", None, "not_checked", told)
    held = rolling.coverage90
    figures = {
        "coverage90": held,
        "coverage50": rolling.coverage50,
        "n_origins": rolling.n_origins,
        "n_predictions": len(rolling.run),
        "max_cost_ratio": float(np.exp(rolling.log_cost_ratio.max())),
        "mean_log_error": float(rolling.log_error.mean()),
    }
    seen = (
        f"fitted to cheaper runs {rolling.n_origins} times, 90 % intervals held {held:.0%} of dearer "
        f"runs (up to {figures['max_cost_ratio']:.3g} times costlier; losses were "
        f"{figures['mean_log_error']:+.1%} off the median)"
    )
    if HOLDS[0] <= held <= HOLDS[1]:
        return Verdict("holds_beyond", True, "holds_beyond", seen, figures)
    if held > HOLDS[1]:
        return Verdict("holds_beyond", True, "wide_beyond", f"{seen}: wider than needed", figures)
    return Verdict(
        "holds_beyond",
        False,
        "misses_beyond",
        f"{seen}: believe its intervals less beyond the costliest run, and train one run nearer to "
        f"the target",
        figures,
    )
