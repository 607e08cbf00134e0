"""Every METHOD of the benchmark as draws of log loss for one split."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bayeslaw.errors import NotEnoughRunsError, UndecidedError
from bayeslaw.models.loss.corpus import baseline_tau, corpus_prior
from benchmarks.extrapolation.baselines import BASELINES
from benchmarks.extrapolation.cells import (
    NO_DISCREPANCY,
    cell_path,
    fit_cell,
    pooled,
    read_cell,
    table_columns,
)
from benchmarks.extrapolation.corpus import tau_error
from benchmarks.extrapolation.splits import Split

OURS = ("ours", "ours_one_law", "ours_no_discrepancy", "ours_independent_discrepancy")
METHODS = (*OURS, "chinchilla_huber", "chinchilla_huber_tau", "p2_curve_fit", "simple_scaling_laws")
ONE_LAW = "chinchilla"


def cells_of(folder: Path, name: str, source_id: str, split: Split) -> list[tuple]:
    """Return the jobs whose cells `draws_of` reads for this split."""
    tau = corpus_prior(leaving_out=source_id).tau_median
    jobs: list[tuple] = [
        (fit_cell, (split, middle, cell_path(folder, name, split, f"tau{middle:g}")))
        for middle in (tau, NO_DISCREPANCY)
    ]
    jobs += [
        (forecast_cell, (split, method, cell_path(folder, name, split, method)))
        for method in BASELINES
    ]
    return jobs


def forecast_cell(split: Split, method: str, path: Path) -> Path:
    """Run a baseline and write its draws; none where it finds no fit, which `draws_of` leaves out."""
    if not path.exists():
        try:
            draws = BASELINES[method](
                table_columns(split.fit, has_losses=True),
                table_columns(split.heldout, has_losses=False),
                0,
            ).draws
        except (NotEnoughRunsError, UndecidedError) as error:
            print(f"{method} has no forecast at {path.stem}: {error}")
            draws = np.empty((0, len(split.heldout)))
        partial = path.with_suffix(".partial.npz")
        np.savez_compressed(partial, draws=draws)
        partial.rename(path)
    return path


def draws_of(folder: Path, name: str, source_id: str, split: Split) -> dict[str, np.ndarray]:
    """Return each method's draws of log loss of one new run at the held-out rows, ``(draw, row)``.

    The prior on the discrepancy is learnt on every source but this one.
    """
    prior = corpus_prior(leaving_out=source_id)
    cell = read_cell(cell_path(folder, name, split, f"tau{prior.tau_median:g}"))
    bare = read_cell(cell_path(folder, name, split, f"tau{NO_DISCREPANCY:g}"))
    one_law = next(law for label, law in cell.items() if label.startswith(f"{ONE_LAW} "))
    drawn = {
        "ours": pooled(law.draws(prior.reach) for law in cell.values()),
        "ours_one_law": one_law.draws(prior.reach),
        "ours_no_discrepancy": pooled(law.draws(0.0) for law in bare.values()),
        "ours_independent_discrepancy": pooled(
            law.independent_draws(prior.reach, seed) for seed, law in enumerate(cell.values())
        ),
    }
    for method in BASELINES:
        with np.load(cell_path(folder, name, split, method)) as arrays:
            drawn[method] = arrays["draws"]
    huber = drawn["chinchilla_huber"]
    tau = baseline_tau(leaving_out=source_id)
    drawn["chinchilla_huber_tau"] = huber + tau_error(tau, np.log(split.cost_ratios), len(huber))
    return {m: drawn[m] for m in METHODS if len(drawn[m])}
