"""What is believed, before any run of a table, of how wrong a law may be."""

from __future__ import annotations

from dataclasses import dataclass

from bayeslaw.errors import InvalidInputError


@dataclass(frozen=True)
class ScalePrior:
    """Hold lognormal priors on the scales of the discrepancy and of the noise's growth.

    What a corpus of other tables says of them is `bayeslaw.models.loss.corpus.corpus_prior`.

    Attributes:
        tau_median: Of the discrepancy along cost [log loss per square root of log cost].
        tau_log_sd: Of its logarithm.
        rho_median: Of the discrepancy along tokens per weight [log loss per square root of log
            tokens per weight].
        rho_log_sd: Of its logarithm.
        growth_median: Of the log noise scale's growth per unit of log tokens per weight away from
            the middle of the runs.
        growth_log_sd: Of its logarithm.
        reach: How much larger the discrepancy is beyond the costliest run than the runs show: a
            law's coefficients bend to the runs and take up a part of its error there.
        source: Where the numbers are from.
    """

    tau_median: float = 0.02
    tau_log_sd: float = 0.7
    rho_median: float = 0.01
    rho_log_sd: float = 0.7
    growth_median: float = 0.1
    growth_log_sd: float = 1.0
    reach: float = 1.5
    source: str = "chosen by hand"

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name != "source" and not value > 0:
                raise InvalidInputError(f"{name} must be positive, got {value}")
