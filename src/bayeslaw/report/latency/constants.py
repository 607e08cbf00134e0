"""What the timings taught of a device, in numbers: constants, noise, and how left-out timings fell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats

from bayeslaw.models.latency import CONSTANTS, LatencySurrogate
from bayeslaw.models.latency.conformal import widening
from bayeslaw.models.latency.constants import Constant
from bayeslaw.models.latency.layout import FIGURES

_Z90 = 1.6448536
_UNITS = {"peak_flops": "FLOP/s", "bandwidth": "byte/s"}
_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))
_OF_LINKS = ("link_ratio", "link_layer")


@dataclass(frozen=True)
class LearntConstant:
    """Hold one constant after the timings.

    Attributes:
        name: Of the constant.
        meaning: In words.
        unit: ``FLOP/s``, ``byte/s``, ``s`` or ``ratio``.
        p05: Lower end of its 90 % interval, of the log-normal that matches the draws.
        p50: Its median.
        p95: Upper end.
        of_ceiling: Median over the device's ceiling; None where it is no rate.
        width_left: Its log standard deviation over the prior's: near 1 the timings said nothing.
    """

    name: str
    meaning: str
    unit: str
    p05: float
    p50: float
    p95: float
    of_ceiling: float | None
    width_left: float

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values."""
        return asdict(self)

    def __str__(self) -> str:
        """Say median, interval and unit: ``21.1 [20.1, 22.1] GFLOP/s``."""
        scale, prefix = 1.0, ""
        if self.unit != "ratio":
            scale, prefix = next((s for s in _PREFIXES if self.p50 >= s[0]), _PREFIXES[-1])
        middle, *ends = (f"{value / scale:.3g}" for value in (self.p50, self.p05, self.p95))
        unit = "" if self.unit == "ratio" else f" {prefix}{self.unit}"
        return f"{middle} [{ends[0]}, {ends[1]}]{unit}"


def learnt_constants(surrogate: LatencySurrogate) -> list[LearntConstant]:
    """Return the constants that this table's timings can speak of, in the order of `CONSTANTS`.

    Those of links are left out where every timing is of one device.
    """
    layout = surrogate.process.layout
    logs = surrogate.process.values().log_constants.numpy()
    ceilings = layout.ceilings.log_scales()
    prior_sd = np.sqrt((layout.prior.root**2).sum(axis=1))
    has_links = bool((surrogate.table["n_devices"] > 1).any())
    found = []
    for k, constant in enumerate(CONSTANTS):
        if constant.name in _OF_LINKS and not has_links:
            continue
        middle, sd = float(logs[:, k].mean()), float(logs[:, k].std(ddof=1))
        is_rate = constant.scale != "one"
        found.append(
            LearntConstant(
                constant.name,
                constant.meaning.partition(" [")[0],
                _unit(constant),
                float(np.exp(middle - _Z90 * sd)),
                float(np.exp(middle)),
                float(np.exp(middle + _Z90 * sd)),
                float(np.exp(middle - ceilings[k])) if is_rate else None,
                sd / float(prior_sd[k]),
            )
        )
    return found


def noise_summary(surrogate: LatencySurrogate) -> dict[str, float]:
    """Return medians of what scatters timings, each as a share of latency (0.01 is 1 %).

    ``timing_<figure>`` is the scale of one timing's own error; ``session`` is shared by one
    process; ``roofline_prefill`` and ``roofline_decode`` are by how much the roofline is off;
    ``tail_degrees`` are the degrees of freedom of the noise's tail [count].
    """
    values = surrogate.process.values()
    figures = sorted(set(surrogate.table.labels["figure"]), key=FIGURES.index)

    def middle(logs: Any) -> float:
        return float(np.exp(np.median(logs.numpy())))

    timing = {
        f"timing_{name}": middle(values.log_noise[:, FIGURES.index(name)]) for name in figures
    }
    roofline = {
        f"roofline_{phase}": middle(values.settings.amplitude[:, column])
        for column, phase in enumerate(("prefill", "decode"))
    }
    return {
        **timing,
        "session": middle(values.settings.session),
        **roofline,
        "tail_degrees": float(np.median(surrogate.process.draws.degrees.numpy())),
    }


def left_out_summary(surrogate: LatencySurrogate, level: float = 0.9) -> Mapping[str, float] | None:
    """Return how left-out timings fell; None for the many rows that are not scored.

    Scores are standard normal where the fit is calibrated. ``share_inside`` is before intervals are
    widened by ``widening``, the factor that `predict_rows` applies.
    """
    scores = surrogate.scores
    if not len(scores):
        return None
    end = stats.norm.ppf(0.5 + level / 2)
    return {
        "n_timings": len(scores),
        "level": level,
        "share_inside": float(np.mean(np.abs(scores) <= end)),
        "mean_score": float(scores.mean()),
        "sd_score": float(scores.std()),
        "widening": widening(scores, level),
    }


def _unit(constant: Constant) -> str:
    if constant.scale != "one":
        return _UNITS[constant.scale]
    return "s" if "[s]" in constant.meaning else "ratio"
