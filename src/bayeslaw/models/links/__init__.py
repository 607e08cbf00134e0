"""Links: from a loss to a downstream error, and from one corpus's loss to another's."""

from bayeslaw.models.links.error_link import ErrorLink, fit_error_link
from bayeslaw.models.links.link import Link, LinkPrediction, predict_through
from bayeslaw.models.links.loss_link import LossLink, fit_loss_link

__all__ = [
    "ErrorLink",
    "Link",
    "LinkPrediction",
    "LossLink",
    "fit_error_link",
    "fit_loss_link",
    "predict_through",
]
