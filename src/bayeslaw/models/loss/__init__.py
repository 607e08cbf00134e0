"""Loss laws and what runs say of them. jax loads when a law is fitted, not before."""

from bayeslaw.models.loss.diagnostics import Diagnostics
from bayeslaw.models.loss.fit import fit_law
from bayeslaw.models.loss.identifiability import check_identifiability
from bayeslaw.models.loss.law_weights import weights_by_evidence
from bayeslaw.models.loss.laws import LAWS, Coefficient, LossLaw, register_law
from bayeslaw.models.loss.posterior import Posterior
from bayeslaw.models.loss.prediction import Prediction
from bayeslaw.models.loss.scales import ScalePrior
from bayeslaw.models.loss.stack import LawStack, fit_stack

__all__ = [
    "LAWS",
    "Coefficient",
    "Diagnostics",
    "LawStack",
    "LossLaw",
    "Posterior",
    "Prediction",
    "ScalePrior",
    "check_identifiability",
    "fit_law",
    "fit_stack",
    "register_law",
    "weights_by_evidence",
]
