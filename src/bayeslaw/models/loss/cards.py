"""Published fits of the laws, with their errors: `models/*.yaml` as objects."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss.card_schema import Card, Entry, FitSection, read_card
from bayeslaw.models.loss.laws import LAWS, Columns, LossLaw
from bayeslaw.runs import COLUMNS
from bayeslaw.shipped import shipped_folder

_Z95 = 1.959964


@dataclass(frozen=True)
class PublishedFit:
    """Hold the coefficients that somebody published for a law; get one from `published_fits`.

    Attributes:
        name: Its key in `published_fits`.
        law: A row of `LAWS`, counting N as the source does.
        theta: Coefficient to value. A source that published only a part of them leaves gaps.
        stderr: Coefficient to standard error, where published.
        ci95: Coefficient to 95 % interval, where published.
        loss: Which loss, unit, text and tokenizer: losses of two sources do not compare.
        source: Paper, place in it, and who fitted.
        valid_range: Input to lowest and highest value fitted; None where an end is unknown.
        notes: What a user of the numbers has to know.
        paper: The paper's own letters, where ours differ.
        is_refitted: Whether the numbers are not the authors' but refitted from public rows.
        is_unverified: Whether the numbers still have to be checked against the paper.
        correlation: Of the errors of the logarithms, ``(coefficient, coefficient)`` in
            ``theta``'s order; None where nobody worked it out.

    >>> fit = published_fits()["hoffmann_2022"]
    >>> round(float(fit.losses({"n_params": 70e9, "n_tokens": 1.4e12})), 3)
    1.937
    """

    name: str
    law: LossLaw
    theta: Mapping[str, float]
    stderr: Mapping[str, float]
    ci95: Mapping[str, tuple[float, float]]
    loss: str
    source: str
    valid_range: Mapping[str, tuple[float | None, float | None]]
    notes: tuple[str, ...] = ()
    paper: Mapping[str, float] | None = None
    is_refitted: bool = False
    is_unverified: bool = False
    correlation: np.ndarray | None = field(default=None, compare=False)

    @property
    def n_column(self) -> str:
        """How N was counted."""
        return self.law.n_column

    @property
    def missing(self) -> tuple[str, ...]:
        """Coefficients of the law that were not published."""
        return tuple(name for name in self.law.coefficient_names if name not in self.theta)

    @property
    def without_error(self) -> tuple[str, ...]:
        """Coefficients published without an error: `draws` holds them at their value."""
        return tuple(
            name for name in self.theta if name not in self.stderr and name not in self.ci95
        )

    def losses(self, columns: Columns) -> np.ndarray:
        """Return the loss at the published coefficients [the unit that ``loss`` names].

        Raises:
            InvalidInputError: A column is missing, or not all coefficients were published.
        """
        self._check_complete()
        inputs = (name for name in self.law.inputs if name in columns)
        return self.law(
            {name: np.float64(value) for name, value in self.theta.items()},
            {name: np.asarray(columns[name], dtype=float) for name in inputs},
        )

    def draws(self, n_draws: int, seed: int) -> dict[str, np.ndarray]:
        """Draw coefficients from their published errors, each ``(draw,)``.

        Positive coefficients are lognormal around the printed value, as wide as the 95 % interval
        in logarithms or, where only that is published, as the standard error; signed ones are
        normal. One without a published error stays at its value (`without_error`). Errors go
        together as `correlation` says; where it is None they are drawn independently, which makes
        losses far from the coefficients' own balance much wider than the source's data allow.

        Raises:
            InvalidInputError: Not all coefficients were published, or ``n_draws`` is not positive.
        """
        self._check_complete()
        if n_draws < 1:
            raise InvalidInputError(f"n_draws must be at least 1, got {n_draws}")
        rng = np.random.default_rng(seed)
        z = rng.standard_normal((n_draws, len(self.theta)))
        if self.correlation is not None:
            z = z @ _root(self.correlation).T
        draws = {}
        for i, (name, value) in enumerate(self.theta.items()):
            sd = self._log_sd(name) if value > 0 else self._sd(name)
            draws[name] = value * np.exp(sd * z[:, i]) if value > 0 else value + sd * z[:, i]
        return draws

    def outside(self, columns: Columns) -> dict[str, np.ndarray]:
        """Return, for each input with a known range, which rows lie outside it."""
        flags = {}
        for name, (low, high) in self.valid_range.items():
            if name in columns:
                values = np.asarray(columns[name], float)
                below = values < (-math.inf if low is None else low)
                flags[name] = below | (values > (math.inf if high is None else high))
        return flags

    def _sd(self, name: str) -> float:
        if name in self.ci95:
            low, high = self.ci95[name]
            return (high - low) / (2 * _Z95)
        return self.stderr.get(name, 0.0)

    def _log_sd(self, name: str) -> float:
        if name in self.ci95 and self.ci95[name][0] > 0:
            low, high = self.ci95[name]
            return math.log(high / low) / (2 * _Z95)
        return self._sd(name) / self.theta[name]

    def _check_complete(self) -> None:
        if self.missing:
            raise InvalidInputError(
                f"the published fit {self.name!r} gives only {list(self.theta)} of law "
                f"{self.law.name!r}; {list(self.missing)} were not published, so it has no loss. "
                f"Fit the law to runs, or take another of `bayeslaw laws {self.law.name}`"
            )


@dataclass(frozen=True)
class PublishedFormula:
    """Hold a published formula that is no loss law: a recipe, a frontier.

    Attributes:
        name: Its key in `published_formulas`.
        formula: As text.
        units: Of what goes in and what comes out.
        values: Coefficient to value.
        stderr: Coefficient to standard error, where published.
        ci95: Coefficient to 95 % interval, where published.
        source: Paper, and who fitted.
        notes: What a user of the numbers has to know.
        is_unverified: Whether the numbers still have to be checked against the paper.
    """

    name: str
    formula: str
    units: str
    values: Mapping[str, float]
    stderr: Mapping[str, float]
    ci95: Mapping[str, tuple[float, float]]
    source: str
    notes: tuple[str, ...] = ()
    is_unverified: bool = False


def published_fits(*, unverified: bool = False) -> Mapping[str, PublishedFit]:
    """Return every published fit that ships, by name.

    Args:
        unverified: Whether to add those whose numbers were not checked against their paper.
    """
    fits = {n: fit for file, card in _cards().items() for n, fit in _fits(card, file).items()}
    return MappingProxyType({n: f for n, f in fits.items() if unverified or not f.is_unverified})


def published_formulas(*, unverified: bool = False) -> Mapping[str, PublishedFormula]:
    """Return every published formula that is no loss law, by name."""
    return MappingProxyType(
        {
            name: PublishedFormula(
                name, section.formula, section.units, *_numbers(section.coefficients),
                section.source, section.notes, section.unverified,
            )
            for card in _cards().values()
            for name, section in card.formulas.items()
            if unverified or not section.unverified
        }
    )  # fmt: skip


def fits_of(path: Path) -> dict[str, PublishedFit]:
    """Read the fits of one card, unverified ones included.

    Raises:
        InvalidInputError: The card does not say what it must; the message names the place.
    """
    return _fits(read_card(path), path.name)


@cache
def _cards() -> Mapping[str, Card]:
    cards = {path.name: read_card(path) for path in sorted(shipped_folder("models").glob("*.yaml"))}
    seen: dict[str, str] = {}
    for file, card in cards.items():
        for name in (*card.fits, *card.formulas):
            if name in seen:
                raise InvalidInputError(f"{file} and {seen[name]} both have a fit {name!r}")
            seen[name] = file
    return cards


def _fits(card: Card, file: str) -> dict[str, PublishedFit]:
    return {name: _fit(name, fit, card, file) for name, fit in card.fits.items()}


def _fit(name: str, fit: FitSection, card: Card, file: str) -> PublishedFit:
    def complain(what: str) -> InvalidInputError:
        return InvalidInputError(f"fit {name!r} of {file}: {what}")

    law_name, n_column, loss = (
        _required(key, getattr(fit, key) or getattr(card, key), complain)
        for key in ("law", "n_column", "loss")
    )
    if law_name not in LAWS:
        raise complain(f"no law {law_name!r}; known are {sorted(LAWS)}")
    law = LAWS[law_name]
    if n_column != law.n_column:
        law = law.counting(n_column)
    names = law.coefficient_names
    if unknown := sorted(set(fit.coefficients) - set(names)):
        raise complain(f"law {law_name!r} has coefficients {list(names)}, not {unknown}")
    kinds = {c.name: c.kind for c in law.coefficients}
    if bad := [k for k, e in fit.coefficients.items() if not _is_allowed(kinds[k], e.value)]:
        raise complain(f"coefficients {bad} of law {law_name!r} must be positive")
    if unknown := sorted((set(fit.valid) - set(law.inputs)) | (set(card.valid) - set(COLUMNS))):
        raise complain(f"law {law_name!r} takes {list(law.inputs)}, so {unknown} have no range")
    valid = {k: v for k, v in {**card.valid, **fit.valid}.items() if k in law.inputs}
    ordered = {key: fit.coefficients[key] for key in names if key in fit.coefficients}
    theta, stderr, ci95 = _numbers(ordered)
    correlation = None
    if fit.correlation is not None:
        order = fit.correlation.order
        if set(order) != set(theta):
            raise complain(f"the correlation is of {list(order)}, the fit of {list(theta)}")
        rows = [order.index(key) for key in theta]
        correlation = np.array(fit.correlation.matrix)[np.ix_(rows, rows)]
    return PublishedFit(
        name, law, theta, stderr, ci95, loss, fit.source, MappingProxyType(valid),
        (*card.notes, *fit.notes), fit.paper, fit.refitted, fit.unverified, correlation,
    )  # fmt: skip


def _is_allowed(kind: str, value: float) -> bool:
    """Say whether a coefficient may have this value; a fit may put the floor at 0."""
    return kind == "real" or value > 0 or (kind == "floor" and value == 0)


def _required(key: str, value: str | None, complain: Callable[[str], Exception]) -> str:
    if value is None:
        raise complain(f"neither the fit nor its card says {key!r}")
    return value


def _numbers(
    entries: Mapping[str, Entry],
) -> tuple[Mapping[str, float], Mapping[str, float], Mapping[str, tuple[float, float]]]:
    return (
        MappingProxyType({k: e.value for k, e in entries.items()}),
        MappingProxyType({k: e.stderr for k, e in entries.items() if e.stderr is not None}),
        MappingProxyType({k: e.ci95 for k, e in entries.items() if e.ci95 is not None}),
    )


def _root(correlation: np.ndarray) -> np.ndarray:
    """Return a square root of a correlation matrix that rounding may have made singular."""
    values, vectors = np.linalg.eigh(correlation)
    return vectors * np.sqrt(np.clip(values, 0.0, None))
