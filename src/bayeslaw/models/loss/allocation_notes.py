"""What an allocation warns about: its belief, its range, what it does not decide."""

from __future__ import annotations

from collections.abc import Mapping

from bayeslaw.models.loss.cards import PublishedFit
from bayeslaw.models.loss.discrepancy import VALIDATED_COST_RATIO
from bayeslaw.models.loss.interval import Interval
from bayeslaw.models.loss.isoflop import SHAPE_RANGES, Optimum
from bayeslaw.models.loss.laws import LossLaw
from bayeslaw.models.loss.posterior import Posterior
from bayeslaw.models.notes import Note

UNDECIDABLE_RATIO = 10.0
"""An interval of a size or a shape whose ends are further apart than this decides nothing."""

# A few draws at an end of the shapes looked at are a tail; more are an optimum that is not inside.
_MOST_AT_EDGE = 0.05


def published_notes(fit: PublishedFit) -> list[Note]:
    """Say what a fit that was published leaves out."""
    notes = [
        Note(
            "no_discrepancy",
            "warning",
            f"the published fit {fit.name!r} says nothing of how wrong its form may be beyond its "
            f"runs, so the interval of the loss is too narrow; fit the law to a table of runs",
        )
    ]
    if len(fit.without_error) == len(fit.theta):
        notes.append(
            Note(
                "no_errors_published",
                "warning",
                f"no errors of {fit.name!r} were published, so every interval is a point; fit the "
                f"law to a table of runs",
            )
        )
    elif fit.correlation is None:
        notes.append(
            Note(
                "independent_errors",
                "warning",
                f"how the errors of {fit.name!r} go together was not published; drawn one by one "
                f"they make sizes and losses more uncertain than the source's data do",
            )
        )
    return notes


def range_notes(
    belief: Posterior | PublishedFit,
    budget_flops: float,
    n_params: Interval,
    n_tokens: Interval,
    shape: Mapping[str, Interval],
) -> list[Note]:
    """Compare the medians with what the belief was fitted to."""
    notes = []
    medians = {belief.n_column: n_params.median, "n_tokens": n_tokens.median}
    medians |= {name: interval.median for name, interval in shape.items()}
    ranges: dict[str, tuple[float | None, float | None]]
    if isinstance(belief, Posterior):
        ranges = {
            name: (float(values.min()), float(values.max()))
            for name, values in belief.fitted.items()
            if name in medians
        }
        ratio = budget_flops / belief.max_cost_flops
        if ratio > VALIDATED_COST_RATIO:
            notes.append(
                Note(
                    "outside_validated_distance",
                    "warning",
                    f"the budget is {ratio:.3g} times the costliest run; intervals were checked on "
                    f"public tables up to {VALIDATED_COST_RATIO:g} times: train a run nearer to it",
                )
            )
    else:
        ranges = {name: ends for name, ends in belief.valid_range.items() if name in medians}
    for name, (low, high) in ranges.items():
        if (low is not None and medians[name] < low) or (high is not None and medians[name] > high):
            notes.append(
                Note(
                    "outside_fitted_range",
                    "warning" if name in shape else "info",
                    f"the best {name}, {medians[name]:.3g}, lies outside what was fitted "
                    f"({'unknown' if low is None else f'{low:.3g}'} to "
                    f"{'unknown' if high is None else f'{high:.3g}'}): it is extrapolated",
                )
            )
    return notes


def decision_notes(n_params: Interval, shape: Mapping[str, Interval], best: Optimum) -> list[Note]:
    """Say what the runs do not decide, and where there is no optimum to be found."""
    notes = []
    for name, interval in {"n_params": n_params, **shape}.items():
        if interval.ratio > UNDECIDABLE_RATIO:
            notes.append(
                Note(
                    "undecidable",
                    "warning",
                    f"the interval of the best {name} spans a factor of {interval.ratio:.3g}: these "
                    f"runs do not decide it; train runs that differ in {name} at one cost",
                )
            )
        if best.at_edge[name] > _MOST_AT_EDGE:
            low, high = SHAPE_RANGES.get(name, (0.0, 0.0))
            where = "" if name == "n_params" else f" ({low:g} to {high:g})"
            notes.append(
                Note(
                    "optimum_at_edge",
                    "warning",
                    f"{best.at_edge[name]:.0%} of the draws have their best {name} at an end of "
                    f"what was looked at{where}: the law or the runs give it no optimum; fix it (--fix {name}=NUMBER)",
                )
            )
    return notes


def cost_notes(law: LossLaw) -> list[Note]:
    """Warn where 6 N D counts weights that a token does not pass through."""
    is_routed = bool({"active_expert_share", "granularity"} & set(law.inputs))
    if not is_routed or law.n_column.endswith("active"):
        return []
    return [
        Note(
            "cost_counts_all_experts",
            "warning",
            f"law {law.name!r} counts the weights of all experts, so 6 N D is the compute of a "
            f"dense network of that size: a token passes through a part of them",
        )
    ]
