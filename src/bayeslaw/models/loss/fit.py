"""Fit a law to runs: the way in."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, get_args

import numpy as np

from bayeslaw.errors import InvalidInputError, NotEnoughRunsError, UndecidedError
from bayeslaw.models.loss.coordinates import Coordinates
from bayeslaw.models.loss.corpus import corpus_prior
from bayeslaw.models.loss.diagnostics import NO_DIAGNOSTICS, diagnose
from bayeslaw.models.loss.doubts import doubts, refuse_too_many
from bayeslaw.models.loss.evidence import Evidence, gather_evidence, padded
from bayeslaw.models.loss.identifiability import check_identifiability
from bayeslaw.models.loss.laws import LAWS, LossLaw
from bayeslaw.models.loss.pointwise import pointwise
from bayeslaw.models.loss.posterior import BADLY_TUNED, SCALES, FitMethod, Posterior
from bayeslaw.models.loss.scales import ScalePrior
from bayeslaw.models.notes import Note
from bayeslaw.runs import RunTable

if TYPE_CHECKING:
    from bayeslaw.models.loss import sampling

MIN_RUNS = 3


def fit_law(
    law: LossLaw,
    table: RunTable,
    *,
    method: FitMethod = "nuts",
    seed: int = 0,
    n_chains: int = 4,
    n_warmup: int = 500,
    n_draws: int | None = None,
    scale_prior: ScalePrior | None = None,
    badly_tuned: bool = False,
    progress: bool = False,
) -> Posterior:
    """Fit a law's coefficients to finished runs.

    Log loss is the law's, plus the form's own error (`discrepancy`), plus Student-t noise. Priors
    are stated at the table's own reference point (`Coefficient`), so any tokenizer and scale will
    do. Everything is float64 and follows from the seed.

    Args:
        law: A row of `LAWS`, or ``law.counting(...)`` of it.
        table: Finished runs, with the columns that ``law.inputs`` names.
        method: ``nuts`` (the reference; seconds), ``laplace`` (a Gaussian around the mode,
            importance-resampled; a tenth of that) or ``map`` (the mode alone).
        seed: Of starts, draws and discrepancy paths.
        n_chains: NUTS chains.
        n_warmup: NUTS draws a chain that adapt and are thrown away.
        n_draws: Draws a chain (NUTS, 1,000 when left out) or in all (Laplace, 2,000).
        scale_prior: What is believed of the discrepancy's scales; what a corpus of public tables
            taught (`corpus_prior`) when left out.
        badly_tuned: Whether some runs may have missed their best learning rate or batch, as those
            of a sweep do: the law is then of the tuned runs (`contamination`).
        progress: Whether to print each stage and its seconds to standard error.

    Returns:
        Draws with diagnostics and coded notes.

    Raises:
        NotEnoughRunsError: Fewer than 3 runs.
        InvalidInputError: The table lacks a column, or an argument makes no sense.
    """
    _check(law, table, method, n_chains, n_warmup, n_draws)
    # jax loads here and not at import: a posterior is read and used without it.
    from bayeslaw.models.loss import sampling

    n_draws = n_draws or (1000 if method == "nuts" else 2000)
    refuse_too_many(table, n_draws * (n_chains if method == "nuts" else 1))
    notes = (*doubts(law, table), *check_identifiability(law, table))
    evidence = gather_evidence(law, table)
    scale_prior = scale_prior or corpus_prior()
    if badly_tuned and evidence.has_trunks:
        raise InvalidInputError(
            "badly_tuned=True is for runs that stand alone, and runs of this table share trunks; keep "
            "one point of each trunk (table.select), or keep the best-tuned runs and leave "
            "badly_tuned=False"
        )
    arrays = padded(evidence, law, scale_prior, badly_tuned=badly_tuned)
    sample = sampling.sample(
        law,
        arrays,
        method=method,
        seed=seed,
        n_chains=n_chains,
        n_warmup=n_warmup,
        n_draws=n_draws,
        progress=progress,
    )
    coordinates = Coordinates(law, evidence.has_trunks, badly_tuned)
    return _posterior(coordinates, table, evidence, scale_prior, sample, method, seed, notes)


def _posterior(
    coordinates: Coordinates,
    table: RunTable,
    evidence: Evidence,
    scale_prior: ScalePrior,
    sample: sampling.Sample,
    method: FitMethod,
    seed: int,
    notes: tuple[Note, ...],
) -> Posterior:
    law = coordinates.law
    n_chains, n_draws, _ = sample.z.shape
    flat = sample.z.reshape(n_chains * n_draws, -1)
    at = coordinates.unpack(flat, vars(scale_prior))
    draws = law.from_unconstrained(at.coefficients, evidence.log_reference, np)
    names = (*SCALES, *BADLY_TUNED) if coordinates.badly_tuned else SCALES
    scales = {name: getattr(at, name) for name in names}
    if not all(np.isfinite(values).all() for values in (*draws.values(), *scales.values())):
        raise UndecidedError(
            f"fitting law {law.name!r} gave draws that are not finite; check the units of the "
            f"table's columns {list(law.inputs)}"
        )
    diagnostics = NO_DIAGNOSTICS
    if method == "nuts":
        diagnostics = diagnose(
            {
                name: values.reshape(n_chains, n_draws)
                for name, values in {**draws, **scales}.items()
                if np.ptp(values) > 0
            },
            sample.statistics["diverging"],
            sample.statistics["n_steps"],
        )
    n_total = n_chains * n_draws
    posterior = Posterior(
        law_name=law.name,
        n_column=law.n_column,
        draws=draws,
        **scales,
        path=sample.path.reshape(n_total, -1),
        path_ids=np.arange(n_total),
        span=float(evidence.behind_frontier.max()),
        centre=evidence.centre,
        ends=(float(evidence.off_centre.min()), float(evidence.off_centre.max())),
        scale_prior=scale_prior,
        n_chains=n_chains,
        method=method,
        seed=seed,
        fingerprint=table.fingerprint,
        max_cost_flops=float(evidence.cost_flops.max()),
        n_runs=evidence.n_runs,
        diagnostics=diagnostics,
        notes=(*notes, *sample.notes, *diagnostics.notes(n_chains)),
        fitted={
            "loss_nats": evidence.loss_nats,
            "trunk": evidence.trunk,
            "run_id": np.array(table.run_ids),
            **evidence.columns,
        },
        sample_stats={name: values.reshape(n_total) for name, values in sample.statistics.items()},
    )
    likelihood = pointwise(posterior).log_density(np.log(evidence.loss_nats))
    return replace(posterior, fitted={**posterior.fitted, "log_likelihood": likelihood})


def _check(
    law: LossLaw,
    table: RunTable,
    method: str,
    n_chains: int,
    n_warmup: int,
    n_draws: int | None,
) -> None:
    if not isinstance(law, LossLaw):
        raise InvalidInputError(
            f"law must be a row of LAWS, such as LAWS['chinchilla'], got {law!r}; known are "
            f"{sorted(LAWS)}"
        )
    if method not in get_args(FitMethod):
        raise InvalidInputError(f"method must be one of {get_args(FitMethod)}, got {method!r}")
    smallest = {"n_chains": (n_chains, 1), "n_warmup": (n_warmup, 0)}
    if n_draws is not None:
        smallest["n_draws"] = (n_draws, 4)
    for name, (value, least) in smallest.items():
        if value < least:
            raise InvalidInputError(f"{name} must be at least {least}, got {value}")
    if law.name not in LAWS or not law.same_formula_as(LAWS[law.name]):
        raise InvalidInputError(
            f"law {law.name!r} is not a row of LAWS, so its posterior could not be read back; add "
            f"it to bayeslaw.models.loss.laws"
        )
    law.variables(table)
    if len(table) < MIN_RUNS:
        raise NotEnoughRunsError(
            f"law {law.name!r} has {len(law.coefficients)} coefficients and needs at least "
            f"{MIN_RUNS} finished runs, got {len(table)}; train more runs"
        )
