"""Our fits of one split, kept on disk so that an interrupted benchmark goes on.

A cell is (table, split, prior's middle of tau): the draws of every law of the stack at the held-out
rows, with the discrepancy apart, so that its size can be scored without fitting again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from rich.progress import track

from bayeslaw.models.loss.scales import ScalePrior
from bayeslaw.runs import RunTable
from benchmarks.extrapolation.splits import Split

N_DRAWS = 500
NO_DISCREPANCY = 1e-4
"""A middle of tau at which there is none to speak of."""


@dataclass(frozen=True)
class LawDraws:
    """Hold one law's draws at the held-out rows, in log loss, each ``(draw, row)``.

    Attributes:
        curve: The law with what its error is inside the runs.
        beyond: The error beyond the costliest run, at reach 1.
        noise: Of one new run.
        tau: ``(draw,)``.
        log_cost_distance: ``(row,)``.
    """

    curve: np.ndarray
    beyond: np.ndarray
    noise: np.ndarray
    tau: np.ndarray
    log_cost_distance: np.ndarray

    def draws(self, reach: float) -> np.ndarray:
        """Return log losses of one new run, the error shared by rows as the model has it."""
        return self.curve + reach * self.beyond + self.noise

    def independent_draws(self, reach: float, seed: int) -> np.ndarray:
        """Return the same with every row's error its own."""
        spread = self.tau[:, None] * np.sqrt(np.maximum(self.log_cost_distance, 0.0))
        normals = np.random.default_rng([seed, 11]).standard_normal(self.curve.shape)
        return self.curve + reach * spread * normals + self.noise


Cell = Mapping[str, LawDraws]
"""By the law's label; ``chinchilla (n_params)``."""


def fit_cell(split: Split, tau_median: float, path: Path) -> Path:
    """Fit the stack's laws to a split and write their draws, unless they are there."""
    if not path.exists():
        from bayeslaw.models.loss.stack import fit_stack

        prior = replace(ScalePrior(), tau_median=tau_median, reach=1.0)
        if tau_median <= NO_DISCREPANCY:
            prior = replace(prior, rho_median=NO_DISCREPANCY)
        stack = fit_stack(split.fit, scale_prior=prior, n_draws=10**6)
        arrays = {}
        for posterior in stack.posteriors:
            thinned = posterior.thin(min(N_DRAWS, len(posterior)))
            curve = np.log(thinned.losses(split.heldout, tau_factor=0.0))
            scale = thinned.noise_scale(split.heldout)
            arrays |= {
                f"{posterior.label}|curve": curve,
                f"{posterior.label}|beyond": np.log(thinned.losses(split.heldout)) - curve,
                f"{posterior.label}|noise": scale
                * np.random.default_rng(11).standard_t(6.0, scale.shape),
                f"{posterior.label}|tau": thinned.tau,
                f"{posterior.label}|log_cost_distance": thinned.log_cost_distance(split.heldout),
            }
        partial = path.with_suffix(".partial.npz")
        np.savez_compressed(partial, **arrays)
        partial.rename(path)
    return path


def read_cell(path: Path) -> Cell:
    """Return what `fit_cell` wrote."""
    with np.load(path) as arrays:
        fields: dict[str, dict[str, np.ndarray]] = {}
        for key in arrays.files:
            label, _, name = key.partition("|")
            fields.setdefault(label, {})[name] = arrays[key]
    return {label: LawDraws(**parts) for label, parts in fields.items()}


def cell_path(folder: Path, name: str, split: Split, what: str) -> Path:
    """Return where a cell lies: its name carries the rows it was made from."""
    rows = f"{split.fit.fingerprint}{split.heldout.fingerprint}"
    digest = hashlib.sha256(rows.encode()).hexdigest()[:12]
    return folder / f"{name.replace('/', '.')}-{digest}-{what}.npz"


def fill(jobs: Sequence[tuple[Callable[..., Path], tuple]], label: str, n_workers: int) -> None:
    """Run jobs in worker processes with a progress bar; an error in one ends the benchmark."""
    todo = [(call, arguments) for call, arguments in jobs if not arguments[-1].exists()]
    if not todo:
        return
    with ProcessPoolExecutor(n_workers, mp_context=get_context("spawn")) as pool:
        waiting = [pool.submit(call, *arguments) for call, arguments in todo]
        for done in track(as_completed(waiting), label, total=len(waiting)):
            done.result()


def pooled(parts: Iterable[np.ndarray]) -> np.ndarray:
    """Return draws of several laws as one mixture, each law weighing the same."""
    every = list(parts)
    fewest = min(len(part) for part in every)
    return np.concatenate([part[:fewest] for part in every])


def table_columns(runs: RunTable, *, has_losses: bool) -> dict[str, np.ndarray]:
    """Return a table as the baselines take it; N is all weights where the table has them."""
    columns = {
        "n": runs["n_params"] if "n_params" in runs else runs["n_params_body"],
        "n_tokens": runs["n_tokens"],
    }
    if "aspect_ratio" in runs:
        columns["aspect_ratio"] = runs["aspect_ratio"]
    if has_losses:
        columns["loss_nats"] = runs["loss_nats"]
        if runs.trunks:
            columns["trunk"] = np.unique(runs.trunks, return_inverse=True)[1].astype(float)
    return columns
