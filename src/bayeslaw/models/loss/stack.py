"""Several laws as one belief: what is predicted where no one law is known to be right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss.fit import fit_law
from bayeslaw.models.loss.laws import COUNTINGS, LAWS, Columns
from bayeslaw.models.loss.noise import new_run_noise
from bayeslaw.models.loss.posterior import FitMethod, Posterior
from bayeslaw.models.loss.prediction import Prediction
from bayeslaw.models.loss.scales import ScalePrior
from bayeslaw.models.notes import Note
from bayeslaw.runs import RunTable

DEFAULT_LAWS = ("chinchilla", "chinchilla_tied")
"""Free and tied exponents, each for every way of counting N that a table has.

Weights are equal: by how well each law fitted the runs (leave-one-out), predictions at 2-20 times the
cost got worse the more the weights heeded it (docs/extrapolation.md).
"""


@dataclass(frozen=True)
class LawStack:
    """Hold posteriors of several laws given one table; a draw of any is one coherent curve.

    Attributes:
        posteriors: One a law and way of counting N, thinned so that each draw weighs the same.
    """

    posteriors: tuple[Posterior, ...]

    def __post_init__(self) -> None:
        if len({posterior.fingerprint for posterior in self.posteriors}) != 1:
            raise InvalidInputError(
                "a stack needs posteriors of one run table, got fingerprints "
                f"{[posterior.fingerprint for posterior in self.posteriors]}"
            )

    def __len__(self) -> int:
        return sum(len(posterior) for posterior in self.posteriors)

    @property
    def sigma(self) -> np.ndarray:
        """Scale of one run's noise in log loss at the middle of the runs, ``(draw,)``."""
        return np.concatenate([posterior.sigma for posterior in self.posteriors])

    @property
    def weights(self) -> dict[str, float]:
        """Share of the draws that each law gives, by its label."""
        return {posterior.label: len(posterior) / len(self) for posterior in self.posteriors}

    @property
    def notes(self) -> tuple[Note, ...]:
        """Warnings of all fits, each once."""
        return tuple(dict.fromkeys(n for posterior in self.posteriors for n in posterior.notes))

    def losses(
        self, columns: Columns, *, discrepancy: bool = True, tau_factor: float = 1.0
    ) -> np.ndarray:
        """Return the loss of each candidate under each draw [nats per token], ``(draw, candidate)``.

        Args:
            columns: Inputs of every law, each ``(candidate,)``, or a run table.
            discrepancy: As in `Posterior.losses`.
            tau_factor: As in `Posterior.losses`.
        """
        return np.concatenate(
            [
                posterior.losses(columns, discrepancy=discrepancy, tau_factor=tau_factor)
                for posterior in self.posteriors
            ]
        )

    def noise_scale(self, columns: Columns) -> np.ndarray:
        """Return the scale of one new run's noise in log loss, ``(draw, candidate)``."""
        return np.concatenate([posterior.noise_scale(columns) for posterior in self.posteriors])

    def predict(
        self, columns: Columns, *, level: float = 0.9, new_run: bool = True, seed: int = 0
    ) -> Prediction:
        """Predict the loss of each candidate with a central interval, as `Posterior.predict` does.

        Distances are from the costliest run, N counted as the first law counts it.
        """
        noise = 0.0
        if new_run:
            noise = new_run_noise(self.noise_scale(columns), np.random.default_rng([7, seed]))
        return Prediction.from_draws(
            lambda factor: self.losses(columns, tau_factor=factor) * np.exp(noise),
            level=level,
            is_new_run=new_run,
            log_cost_distance=self.posteriors[0].log_cost_distance(columns),
            carried_by=self.weights,
        )


def fit_stack(
    table: RunTable,
    laws: Sequence[str] = DEFAULT_LAWS,
    *,
    counted_as: Sequence[str] = COUNTINGS,
    weights: Mapping[str, float] | None = None,
    method: FitMethod = "laplace",
    seed: int = 0,
    n_draws: int = 2000,
    scale_prior: ScalePrior | None = None,
) -> LawStack:
    """Fit several laws to finished runs, each with every way of counting N that the table has.

    Args:
        table: Finished runs.
        laws: Names in `LAWS`.
        counted_as: Ways of counting N to use, of those that the table has.
        weights: How much each is believed, by label; equal when left out.
        method: As in `fit_law`.
        seed: As in `fit_law`.
        n_draws: Of the stack, in all.
        scale_prior: As in `fit_law`.

    Raises:
        InvalidInputError: A law is unknown, needs a column that the table lacks, or has a weight
            that makes no sense.
        NotEnoughRunsError: Fewer than 3 runs.
    """
    if unknown := [name for name in laws if name not in LAWS]:
        raise InvalidInputError(f"no laws {unknown}; known are {sorted(LAWS)}")
    counted = [name for name in counted_as if name in table]
    if not counted:
        raise InvalidInputError(
            f"the table counts N as none of {list(counted_as)}; it has {sorted(table)}"
        )
    chosen = []
    for law in (LAWS[name] for name in laws):
        chosen += [law.counting(name) for name in counted] if law.n_column in COUNTINGS else [law]
    labels = [f"{law.name} ({law.n_column})" for law in chosen]
    given = dict.fromkeys(labels, 1.0) if weights is None else weights
    shares = np.array([given.get(label, 0.0) for label in labels])
    makes_sense = np.isfinite(shares).all() and (shares >= 0).all() and shares.sum() > 0
    if set(given) - set(labels) or not makes_sense:
        raise InvalidInputError(
            f"weights are for {labels}, finite, not negative and not all zero; got {given}"
        )
    fitted = [
        fit_law(law, table, method=method, seed=seed + i, scale_prior=scale_prior)
        for i, law in enumerate(chosen)
    ]
    kept = np.round(n_draws * shares / shares.sum()).astype(int)
    return LawStack(
        tuple(p.thin(min(n, len(p))) for p, n in zip(fitted, kept, strict=True) if n > 0)
    )
