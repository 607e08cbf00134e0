"""Every loss law: one file and one row here."""

from collections.abc import Mapping
from types import MappingProxyType

from bayeslaw.models.loss.laws.aspect_ratio import ASPECT_RATIO
from bayeslaw.models.loss.laws.aspect_ratio_tied import ASPECT_RATIO_TIED
from bayeslaw.models.loss.laws.chinchilla import CHINCHILLA
from bayeslaw.models.loss.laws.coefficient import Coefficient
from bayeslaw.models.loss.laws.conditional_additive import CONDITIONAL_ADDITIVE
from bayeslaw.models.loss.laws.conditional_multiplicative import CONDITIONAL_MULTIPLICATIVE
from bayeslaw.models.loss.laws.law import COUNTINGS, Columns, LossLaw
from bayeslaw.models.loss.laws.shape_penalty import from_paper, to_paper

LAWS: Mapping[str, LossLaw] = MappingProxyType(
    {
        law.name: law
        for law in (
            CHINCHILLA,
            ASPECT_RATIO_TIED,
            ASPECT_RATIO,
            CONDITIONAL_MULTIPLICATIVE,
            CONDITIONAL_ADDITIVE,
        )
    }
)
"""Every law, by name."""

__all__ = ["COUNTINGS", "LAWS", "Coefficient", "Columns", "LossLaw", "from_paper", "to_paper"]
