"""What a card may say: the YAML of `models/`, checked before anything is built from it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from bayeslaw.errors import InvalidInputError


class Section(BaseModel):
    """A part of a card; a word that is not known is an error, so a typo is never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Entry(Section):
    """A published number and what is known of its error.

    Attributes:
        value: As printed, or as derived from what is printed.
        stderr: Its standard error.
        ci95: Its 95 % interval.
    """

    value: FiniteFloat
    stderr: Annotated[FiniteFloat, Field(gt=0)] | None = None
    ci95: tuple[FiniteFloat, FiniteFloat] | None = None

    @model_validator(mode="after")
    def _interval_holds_value(self) -> Entry:
        if self.ci95 is not None and not self.ci95[0] < self.value < self.ci95[1]:
            raise ValueError(f"ci95 {list(self.ci95)} does not hold the value {self.value}")
        return self


class Correlation(Section):
    """How the errors of a fit's coefficients go together.

    Attributes:
        source: Who worked it out, and from what.
        order: Names of the coefficients.
        matrix: Correlations of their logarithms, rows and columns in that order.
    """

    source: str
    order: tuple[str, ...]
    matrix: tuple[tuple[FiniteFloat, ...], ...]

    @model_validator(mode="after")
    def _is_a_correlation(self) -> Correlation:
        n = len(self.order)
        if len(self.matrix) != n or any(len(row) != n for row in self.matrix):
            raise ValueError(f"the matrix must be {n} x {n}, a row for each of {self.order}")
        for i, row in enumerate(self.matrix):
            for j, value in enumerate(row):
                if not -1 <= value <= 1 or not math.isclose(value, self.matrix[j][i]):
                    raise ValueError("the matrix must be symmetric with entries in -1..1")
            if row[i] != 1:
                raise ValueError(f"{self.order[i]!r} must correlate with itself by 1")
        return self


class FitSection(Section):
    """One fit of a law. What a card says for all its fits need not be said again.

    Attributes:
        law: Name in `LAWS`; that of the card when left out.
        n_column: How N was counted; that of the card when left out.
        loss: Which loss, in which unit, on which text and tokenizer.
        source: Paper, place in it, and who fitted.
        refitted: Whether the numbers are not the authors' but fitted again from public rows.
        unverified: Whether the numbers still have to be checked against the paper.
        valid: Input to the lowest and highest value that was fitted; null where unknown.
        notes: What a user of the numbers has to know.
        paper: The paper's own letters, where ours differ.
        coefficients: Coefficient of the law to its number.
        correlation: Of their errors, where somebody worked it out.
    """

    law: str | None = None
    n_column: str | None = None
    loss: str | None = None
    source: str
    refitted: bool = False
    unverified: bool = False
    valid: dict[str, tuple[FiniteFloat | None, FiniteFloat | None]] = {}
    notes: tuple[str, ...] = ()
    paper: dict[str, FiniteFloat] | None = None
    coefficients: Annotated[dict[str, Entry], Field(min_length=1)]
    correlation: Correlation | None = None


class FormulaSection(Section):
    """A published formula that is no loss law: a recipe, a frontier.

    Attributes:
        formula: As text, with the coefficients' names in it.
        units: Of what goes in and what comes out.
        source: Paper, and who fitted.
        unverified: Whether the numbers still have to be checked against the paper.
        notes: What a user of the numbers has to know.
        coefficients: Name to number.
    """

    formula: str
    units: str
    source: str
    unverified: bool = False
    notes: tuple[str, ...] = ()
    coefficients: Annotated[dict[str, Entry], Field(min_length=1)]


class Card(Section):
    """A file of `models/`: what was published around one law or one paper.

    Attributes:
        about: What the numbers are.
        law: Of all fits that do not name their own.
        n_column: Of all fits that do not say their own.
        loss: Of all fits that do not say their own.
        valid: Of all fits that do not say their own.
        notes: On all fits, before their own.
        fits: Fit name to fit.
        formulas: Formula name to formula.
    """

    about: str
    law: str | None = None
    n_column: str | None = None
    loss: str | None = None
    valid: dict[str, tuple[FiniteFloat | None, FiniteFloat | None]] = {}
    notes: tuple[str, ...] = ()
    fits: dict[str, FitSection] = {}
    formulas: dict[str, FormulaSection] = {}


def read_card(path: Path) -> Card:
    """Read and check a card.

    Raises:
        InvalidInputError: The file cannot be read, is not YAML or says what no card may say.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise InvalidInputError(f"cannot open the card {path}: {error}") from error
    except yaml.YAMLError as error:
        raise InvalidInputError(f"the card {path.name} is not YAML: {error}") from error
    try:
        return Card.model_validate(content)
    except ValidationError as error:
        lines = [
            f"  {'.'.join(str(part) for part in issue['loc'])}: {issue['msg']}"
            for issue in error.errors()
        ]
        raise InvalidInputError(
            f"the card {path.name} does not say what a card must:\n" + "\n".join(lines)
        ) from error
