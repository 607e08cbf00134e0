"""Latency of architectures that were never timed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.latency.checks import check_measurements, check_served
from bayeslaw.models.latency.features import FEATURES, latency_features
from bayeslaw.models.latency.phase import Ceilings, PhaseSurrogate, fit_phase
from bayeslaw.models.latency.roofline import Phase, count_work
from bayeslaw.models.notes import Note
from bayeslaw.runs import Measurement
from bayeslaw.space import Architecture, Device, Workload

FIGURES: Mapping[str, Phase] = {"ttft_ms": "prefill", "tpot_ms": "decode"}
"""Latency figure to the phase that takes it."""

# A median's standard error is 1.2533 sd / sqrt(n); a normal's interquartile range is 1.349 sd.
_MEDIAN_ERROR_PER_IQR = 1.2533 / 1.349
# Chains start at the Laplace approximation, so below this they only refine it.
_MAX_RHAT = 1.5
_FAR_DOUBLINGS = 0.25


@dataclass(frozen=True)
class LatencyPrediction:
    """Hold intervals of latency.

    Attributes:
        level: Probability between the outer quantiles.
        ttft_ms: Quantile name (``p05``, ``p50``, ``p95`` at level 0.9) to values [ms].
        tpot_ms: The same, per output token [ms].
        notes: Warnings about this prediction.
    """

    level: float
    ttft_ms: Mapping[str, np.ndarray]
    tpot_ms: Mapping[str, np.ndarray]
    notes: tuple[Note, ...]


@dataclass(frozen=True)
class LatencySurrogate:
    """Predict latency on one device; build it with `fit_latency`.

    A Gaussian process on log latency around a roofline whose constants are unknown too. All of
    them are integrated over, because a single best setting of a dozen hyperparameters seen
    through a dozen timings is overconfident. Far from anything measured the process returns to
    the roofline, so what remains is the uncertainty of its constants and of the residual.

    Timings of one session share an offset (clocks, neighbours), which repeats within it never show.
    The k-th timing of the same architecture and workload counts as taken in session k, so what
    drifts is learnt from anchors that are timed again; without any it is the prior's few percent.

    Attributes:
        measured: Workload of the first measurement: device, engine and precision hold for all.
        ttft: Of prefill.
        tpot: Of a decode step.
        notes: Warnings about the fit.
    """

    measured: Workload
    ttft: PhaseSurrogate
    tpot: PhaseSurrogate
    notes: tuple[Note, ...]

    def draw(
        self,
        architectures: Sequence[Architecture],
        workload: Workload,
        n_draws: int,
        seed: int,
        *,
        new_measurement: bool = False,
    ) -> dict[str, np.ndarray]:
        """Draw latency curves over all architectures.

        Args:
            architectures: One a column; the same one twice gets the same latency.
            workload: What they serve.
            n_draws: Rows.
            seed: The same seed, the same draws.
            new_measurement: Whether each value is another timing: with the offset of a new session,
                shared by a row, and its own noise.

        Returns:
            ``ttft_ms`` and ``tpot_ms``, each ``(draw, architecture)`` [ms]; a row is joint over
            architectures, the two figures are independent.

        Raises:
            InvalidInputError: Another device, engine or precision than was measured.
        """
        curves, timings = self.draw_with_timings(architectures, workload, n_draws, seed)
        return timings if new_measurement else curves

    def draw_with_timings(
        self, architectures: Sequence[Architecture], workload: Workload, n_draws: int, seed: int
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Draw latency curves as `draw` does, and with them one more timing of each value."""
        check_served(workload, self.measured)
        generator = torch.Generator().manual_seed(seed)
        curves: dict[str, np.ndarray] = {}
        timings: dict[str, np.ndarray] = {}
        for figure, surrogate in self._figures.items():
            curves[figure], timings[figure] = surrogate.draw(
                architectures, workload, n_draws=n_draws, generator=generator
            )
        return curves, timings

    def predict(
        self,
        architectures: Sequence[Architecture],
        workload: Workload,
        level: float = 0.9,
        new_measurement: bool = True,
    ) -> LatencyPrediction:
        """Return quantiles of each architecture's latency, exact for the mixture of draws.

        Args:
            architectures: What to predict for.
            workload: What they serve.
            level: Probability between the outer quantiles.
            new_measurement: Whether the interval is for a timing in another session or for the
                latency itself.

        Raises:
            InvalidInputError: A level outside (0, 1), or a workload that was not measured.
        """
        if not 0 < level < 1:
            raise InvalidInputError(f"level must be between 0 and 1, got {level}")
        check_served(workload, self.measured)
        tails = ((1 - level) / 2, 0.5, (1 + level) / 2)
        found: dict[str, dict[str, np.ndarray]] = {}
        for figure, surrogate in self._figures.items():
            mean, sd, repeat_sd = surrogate.marginals(architectures, workload)
            if new_measurement:
                sd = (sd**2 + repeat_sd[:, None] ** 2).sqrt()
            found[figure] = {
                f"p{round(100 * tail):02d}": _mixture_quantile(mean, sd, tail).exp().numpy() * 1e3
                for tail in tails
            }
        notes = self.extrapolation_notes(architectures, workload)
        return LatencyPrediction(level, found["ttft_ms"], found["tpot_ms"], notes)

    def extrapolation_notes(
        self, architectures: Sequence[Architecture], workload: Workload
    ) -> tuple[Note, ...]:
        """Return a note for each feature that lies outside the measured range by 20 % or more."""
        notes = []
        ceilings = self.tpot.ceilings
        ridge = ceilings.flops_per_second / ceilings.bytes_per_second
        at = latency_features(architectures, [workload], "decode", ridge)
        seen = self.tpot.features.numpy()
        for column, name in enumerate(FEATURES):
            low, high = seen[:, column].min(), seen[:, column].max()
            beyond = np.maximum(at[:, column] - high, low - at[:, column])
            if (far := beyond > _FAR_DOUBLINGS).any():
                notes.append(
                    Note(
                        "latency_extrapolated",
                        "warning",
                        f"{int(far.sum())} of {len(at)} architectures have {name} up to "
                        f"{2 ** float(beyond.max()):.2g}x outside the measured range "
                        f"[{2**low:.4g}, {2**high:.4g}]; there the roofline alone predicts: time "
                        f"one of them",
                    )
                )
        return tuple(notes)

    @property
    def _figures(self) -> dict[str, PhaseSurrogate]:
        return {"ttft_ms": self.ttft, "tpot_ms": self.tpot}


def fit_latency(
    measurements: Sequence[Measurement], device: Device | None = None, seed: int = 0
) -> LatencySurrogate:
    """Fit a surrogate to the timings of one device and engine version.

    Args:
        measurements: At least four, of different architectures or workloads.
        device: Its ceilings; None reads a guess off the measurements and lets it vary widely.
        seed: The same seed, the same surrogate.

    Raises:
        InvalidInputError: Too few measurements, mixed devices, engines or precisions, or a
            timing that is not positive or faster than the device can be.
    """
    check_measurements(measurements, device)
    architectures = [m.architecture for m in measurements]
    workloads = [m.workload for m in measurements]
    ceilings = _ceilings(measurements, device)
    n_repeats = np.array([m.n_repeats for m in measurements], dtype=np.float64)
    fits: dict[str, PhaseSurrogate] = {}
    notes: list[Note] = []
    for offset, (figure, phase) in enumerate(FIGURES.items()):
        median = np.array([getattr(m, figure) for m in measurements])
        spread = np.array([getattr(m, figure.replace("_ms", "_iqr_ms")) for m in measurements])
        error = _MEDIAN_ERROR_PER_IQR * spread / median / np.sqrt(n_repeats)
        fits[figure] = fit_phase(
            phase,
            architectures,
            workloads,
            median / 1e3,
            error**2,
            _sessions(measurements),
            ceilings,
            seed=seed + offset,
        )
        if (rhat := fits[figure].draws.rhat) > _MAX_RHAT:
            notes.append(
                Note(
                    "latency_not_mixed",
                    "warning",
                    f"the chains behind {figure} disagree (R-hat {rhat:.2f} > {_MAX_RHAT}); its "
                    f"intervals are rough: time more architectures or fit with another seed",
                )
            )
    if ceilings.is_guessed:
        notes.append(
            Note(
                "device_unknown",
                "info",
                "no datasheet was given, so the device's ceilings are guessed from its fastest "
                "timings; give a Device for narrower intervals",
            )
        )
    return LatencySurrogate(workloads[0], fits["ttft_ms"], fits["tpot_ms"], tuple(notes))


def _sessions(measurements: Sequence[Measurement]) -> np.ndarray:
    """Number sessions by how often the same case was timed before, ``(measurement,)``."""
    seen: Counter[tuple[Architecture, Workload]] = Counter()
    sessions = []
    for m in measurements:
        sessions.append(seen[m.architecture, m.workload])
        seen[m.architecture, m.workload] += 1
    return np.array(sessions)


def _ceilings(measurements: Sequence[Measurement], device: Device | None) -> Ceilings:
    if device is not None:
        peak = device.peak(measurements[0].workload.precision)
        return Ceilings(peak, device.memory_bandwidth, is_guessed=False)
    architectures = [m.architecture for m in measurements]
    workloads = [m.workload for m in measurements]
    prefill = count_work(architectures, workloads, "prefill")
    decode = count_work(architectures, workloads, "decode")
    ttft = np.array([m.ttft_ms for m in measurements]) / 1e3
    tpot = np.array([m.tpot_ms for m in measurements]) / 1e3
    # The prior's median is 0.6 of the ceiling; twice the best rate seen puts it above that rate.
    return Ceilings(
        flops_per_second=2 * float((prefill.flops / ttft).max()),
        bytes_per_second=2 * float((decode.bytes / tpot).max()),
        is_guessed=True,
    )


def _mixture_quantile(mean: Tensor, sd: Tensor, tail: float) -> Tensor:
    """Return a quantile of equal mixtures of normals, by bisection over ``(draw, column)``."""
    low = (mean - 12 * sd).min(dim=0).values
    high = (mean + 12 * sd).max(dim=0).values
    for _ in range(60):
        middle = 0.5 * (low + high)
        below = torch.special.ndtr((middle - mean) / sd).mean(dim=0) < tail
        low = torch.where(below, middle, low)
        high = torch.where(below, high, middle)
    return 0.5 * (low + high)
