"""What the planner shows: plan, posterior and diagnostics as JSON."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bayeslaw.models.loss import Posterior, weights_by_evidence
from bayeslaw.models.notes import Note
from bayeslaw.search import Suggestion
from bayeslaw.service.planner.telling import Told
from bayeslaw.space import Architecture
from bayeslaw.study.advising import Advice

MOST_SHOWN = 100
"""Items of a plan that are shown; the others are as a rule by chance, and can be asked for one by one."""

_LARGEST_FILE = 8_000_000


def plan_view(
    advice: Advice,
    measure: Sequence[Architecture],
    notes: Iterable[Note],
    *,
    is_by_law: bool,
) -> dict[str, Any]:
    """Return the plan as it was made, and why."""
    nothing = advice.exhausted or advice.waiting
    return {
        "items": [
            {"rank": rank, **shown(suggestion)}
            for rank, suggestion in enumerate(advice.suggestions[:MOST_SHOWN], start=1)
        ],
        "n_items": len(advice.suggestions),
        "is_by_law": is_by_law,
        "measure": [architecture.to_dict() for architecture in measure],
        "notes": [note.to_dict() for note in notes],
        "exhausted": None if advice.exhausted is None else advice.exhausted.to_dict(),
        "waiting": None if nothing is None else nothing.to_dict(),
    }


def shown(suggestion: Suggestion) -> dict[str, Any]:
    """Return a suggestion as JSON, figures that are not finite left out."""
    return finite(suggestion.to_dict())


def posterior_view(posteriors: Sequence[Posterior]) -> dict[str, Any]:
    """Return each law's coefficients with intervals, how it was sampled and how far it is believed."""
    weights = weights_by_evidence(posteriors).tolist()
    laws = [
        {
            "law": posterior.law_name,
            "n_column": posterior.n_column,
            "method": posterior.method,
            "weight": weight,
            "n_runs": posterior.n_runs,
            "n_draws": len(posterior),
            "max_cost_flops": posterior.max_cost_flops,
            "coefficients": {
                name: _quantiles(values)
                for name, values in {**posterior.draws, **posterior.scales}.items()
            },
            "diagnostics": diagnostics_of(posterior),
            "notes": [note.to_dict() for note in posterior.notes],
        }
        for posterior, weight in zip(posteriors, weights, strict=True)
    ]
    return finite({"laws": laws})


def diagnostics_view(
    told: Told, notes: Iterable[Note], planner: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what to know before one believes the rest."""
    all_notes = [*notes, *(note for posterior in told.posteriors for note in posterior.notes)]
    laws = {
        posterior.law_name: {
            **diagnostics_of(posterior),
            "method": posterior.method,
            "n_runs": posterior.n_runs,
            "k_hat": told.k_hat.get(posterior.law_name),
        }
        for posterior in told.posteriors
    }
    shown_notes = [note.to_dict() for note in dict.fromkeys(all_notes)]
    return finite({"notes": shown_notes, "laws": laws, "planner": dict(planner)})


def netcdf_views(place: Path, laws: Sequence[str]) -> dict[str, Any]:
    """Return the files of a fit as text, by the name of their view; too large ones stay files."""
    views = {}
    for law in laws:
        content = (place / f"{law}.nc").read_bytes()
        if len(content) <= _LARGEST_FILE:
            text = base64.b64encode(content).decode()
            views[f"posterior-netcdf/{law}"] = {"law": law, "base64": text}
    return views


def diagnostics_of(posterior: Posterior) -> dict[str, Any]:
    """Return how a posterior was sampled, None where nothing is known."""
    found = posterior.diagnostics
    return finite(
        {
            "max_rhat": found.max_rhat,
            "min_ess_bulk": found.min_ess_bulk,
            "min_ess_tail": found.min_ess_tail,
            "divergences": found.divergences,
        }
    )


def finite(value: Any) -> Any:
    """Return JSON in which numbers that are not finite are null."""
    if isinstance(value, Mapping):
        return {str(name): finite(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(part) for part in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _quantiles(values: np.ndarray) -> dict[str, float]:
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
    return {"p05": float(low), "p50": float(middle), "p95": float(high)}
