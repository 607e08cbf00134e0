"""Latency of architectures that were never timed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.latency import noise
from bayeslaw.models.latency.checks import (
    ONE_OF,
    check_served,
    check_table,
    far_notes,
    unmeasured_notes,
)
from bayeslaw.models.latency.conformal import widening
from bayeslaw.models.latency.constants import Ceilings, ConstantsPrior
from bayeslaw.models.latency.features import shape_features
from bayeslaw.models.latency.fitting import fit_process
from bayeslaw.models.latency.prediction import (
    EXACT_ROWS,
    LatencyPrediction,
    mixture_quantiles,
    quantile_names,
)
from bayeslaw.models.latency.process import LatencyProcess, Offset
from bayeslaw.models.latency.roofline import guess_ceilings
from bayeslaw.models.notes import Note
from bayeslaw.runs import LatencyTable, Measurement
from bayeslaw.space import Architecture, Device, Workload

Of = Literal["latency", "timing", "new_session"]
"""What an interval is of: the latency itself, one more timing, or a timing in another session."""

_MAX_RHAT = 2.0
_POOL_DRAWS = 8


@dataclass(frozen=True)
class LatencySurrogate:
    """Predict latency on one device; build it with `fit_latency`.

    A Gaussian process on log latency around a roofline whose constants are unknown too, with noise
    of heavy tails. All of it is integrated over, because a single best setting of thirty unknowns
    seen through a dozen timings is overconfident. TTFT, TPOT and whole requests are one process:
    a request takes ``TTFT + (output_tokens - 1) TPOT`` in every draw.

    Attributes:
        table: The timings it learnt from.
        process: Log latency given them.
        scores: Normal scores of left-out timings ``(row,)``; empty for many thousands of rows.
        notes: Warnings about the fit.
    """

    table: LatencyTable
    process: LatencyProcess
    scores: np.ndarray
    notes: tuple[Note, ...]

    @property
    def served(self) -> dict[str, str]:
        """Device, engine, engine version and precision that were measured."""
        return {name: self.table.labels[name][0] for name in ONE_OF}

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
            ``ttft_ms``, ``tpot_ms`` and their sum over a request, ``e2el_ms``, each
            ``(draw, architecture)`` [ms]; a row is joint over architectures and figures.

        Raises:
            InvalidInputError: Another device, engine or precision than was measured.
        """
        curves, timings = self.draw_with_timings(architectures, workload, n_draws, seed)
        return timings if new_measurement else curves

    def draw_with_timings(
        self, architectures: Sequence[Architecture], workload: Workload, n_draws: int, seed: int
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Draw latency curves as `draw` does, and with them one more timing of each value."""
        # An architecture asked about twice is one network: it gets one value.
        unique = list(dict.fromkeys(architectures))
        place = {architecture: i for i, architecture in enumerate(unique)}
        columns = [place[architecture] for architecture in architectures]
        asked = self.ask(unique, workload)
        check_served(asked, self.served)
        generator = torch.Generator().manual_seed(seed)
        logs, setting = self.process.curves(asked, n_draws, generator)
        order = torch.randperm(n_draws, generator=generator)
        logs, setting = logs[order], setting[order]
        curves = _figures(logs, len(unique), columns, workload)
        return curves, _figures(
            logs[:, [*columns, *(len(unique) + c for c in columns)]]
            + self._timing_errors(asked, setting, columns, generator),
            len(columns),
            list(range(len(columns))),
            workload,
        )

    def ask(self, architectures: Sequence[Architecture], workload: Workload) -> LatencyTable:
        """Return the question for TTFT of all architectures, then TPOT of all."""
        served = replace(workload, device=self._device_asked(workload))
        return LatencyTable.concat(
            [LatencyTable.ask(architectures, served, f) for f in ("ttft_ms", "tpot_ms")]
        )

    def predict(
        self,
        architectures: Sequence[Architecture],
        workload: Workload,
        level: float = 0.9,
        new_measurement: bool = True,
    ) -> LatencyPrediction:
        """Return quantiles of each architecture's latency.

        Args:
            architectures: What to predict for.
            workload: What they serve.
            level: Probability between the outer quantiles.
            new_measurement: Whether the interval is for a timing in another session or for the
                latency itself.

        Raises:
            InvalidInputError: A level outside (0, 1), or a workload that was not measured.
        """
        of: Of = "new_session" if new_measurement else "latency"
        served = replace(workload, device=self._device_asked(workload))
        found: dict[str, dict[str, np.ndarray]] = {}
        for figure in ("ttft_ms", "tpot_ms", "e2el_ms"):
            asked = LatencyTable.ask(architectures, served, figure)
            found[figure] = self.predict_rows(asked, level, of)
        names = list(quantile_names(level))
        n_tokens = 1e3 * workload.batch_size * workload.output_tokens
        rate = {
            name: n_tokens / found["e2el_ms"][slow]
            for name, slow in zip(names, reversed(names), strict=True)
        }
        notes = self.extrapolation_notes(architectures, workload)
        return LatencyPrediction(
            level, found["ttft_ms"], found["tpot_ms"], notes, found["e2el_ms"], rate
        )

    def predict_rows(
        self, asked: LatencyTable, level: float = 0.9, of: Of = "timing"
    ) -> dict[str, np.ndarray]:
        """Return quantiles of each row of a question [ms], by name, each ``(row,)``.

        Large pools (over 20,000 rows) take eight draws in single precision.

        Args:
            asked: A table of questions, or of timings to compare with.
            level: Probability between the outer quantiles.
            of: What the interval is of.

        Raises:
            InvalidInputError: A level outside (0, 1), or another device, engine or precision.
        """
        if not 0 < level < 1:
            raise InvalidInputError(f"level must be between 0 and 1, got {level}")
        check_served(asked, self.served)
        mean, sd = self.mixture(asked, of)
        tails = quantile_names(level)
        low, middle, high = mixture_quantiles(mean, sd, list(tails.values()))
        factor = widening(self.scores, level)
        logs = (middle - factor * (middle - low), middle, middle + factor * (high - middle))
        return {name: 1e3 * values.exp().numpy() for name, values in zip(tails, logs, strict=True)}

    def mixture(self, asked: LatencyTable, of: Of = "timing") -> tuple[torch.Tensor, torch.Tensor]:
        """Return the normals whose equal mixture log seconds are, mean and sd ``(part, row)``."""
        is_pool = len(asked) > EXACT_ROWS
        n_used = min(_POOL_DRAWS, len(self.process.draws.values)) if is_pool else None
        dtype = torch.float32 if is_pool else torch.float64
        mean, sd = self.process.marginals(asked, n_used, dtype)
        if of == "latency":
            return mean, sd
        timing = self.process.timing_variances(asked, n_used)
        if of == "new_session":
            timing = timing + (2 * self.process.values(n_used).settings.session).exp()[:, None]
        if is_pool:  # the tail's nodes would multiply the work by five
            return mean, (sd**2 + timing.mean(dim=0)).sqrt()
        total = (sd**2 + timing).sqrt()
        return mean.repeat(len(timing), 1), total.reshape(-1, len(asked))

    def extrapolation_notes(
        self, architectures: Sequence[Architecture], workload: Workload
    ) -> tuple[Note, ...]:
        """Return a note for each feature that lies outside the measured range by 20 % or more."""
        asked = self.ask(architectures, workload)
        reader = self.process.reader
        at = shape_features(asked.where(np.arange(len(architectures))))
        found = far_notes(reader.names, at, reader.low, reader.high)
        return (*found, *unmeasured_notes(asked, self.table))

    def _device_asked(self, workload: Workload) -> str:
        """``local`` is the machine the timings were taken on."""
        return self.served["device"] if workload.device == "local" else workload.device

    def _timing_errors(
        self,
        asked: LatencyTable,
        setting: torch.Tensor,
        columns: Sequence[int],
        generator: torch.Generator,
    ) -> torch.Tensor:
        """Draw what another timing in one new session adds to log latency, ``(draw, 2 columns)``."""
        n = len(asked) // 2
        rows = torch.tensor([*columns, *(n + c for c in columns)])
        values = self.process.values()
        inputs = self.process.reader.read(asked)
        own = (2 * values.log_noise[:, inputs.figures[rows]]).exp()
        variance = own + values.log_repeats.exp()[:, None] * self.process.usual_floor
        degrees = self.process.draws.degrees[setting]
        scales = noise.random_scales(degrees, len(rows), generator)
        shape = (len(setting), len(rows))
        white = torch.randn(shape, generator=generator, dtype=torch.float64)
        # A new session is off by another factor in prefill than in decode.
        offset = torch.randn(len(setting), 2, generator=generator, dtype=torch.float64)
        shared = values.settings.session.exp()[setting][:, None] * offset
        shared = shared.repeat_interleave(len(columns), dim=1)
        return shared + (variance[setting] * scales).sqrt() * white


def fit_latency(
    measurements: Sequence[Measurement] | LatencyTable,
    device: Device | None = None,
    seed: int = 0,
    *,
    prior: ConstantsPrior | None = None,
    offset: Offset | None = None,
) -> LatencySurrogate:
    """Fit a surrogate to the timings of one device and engine version.

    Up to 160 rows by chains, to 2,000 by the Laplace approximation, beyond through 512 inducing
    rows. Rows that ran out of memory are left out here; `fit_memory` learns from them.

    Args:
        measurements: At least four, of different architectures or workloads.
        device: Its ceilings; None reads a guess off the measurements and lets it vary widely.
        seed: The same seed, the same surrogate.
        prior: On the device's constants, such as `DeviceLessons.prior_for` gives.
        offset: What other devices taught beyond their constants (`DeviceLessons.offset`).

    Raises:
        InvalidInputError: Too few measurements, mixed devices, engines, versions or precisions, or
            a timing that is not positive or faster than the device can be.
    """
    table = _as_table(measurements)
    is_feasible = table["out_of_memory"] == 0 if not table.is_query else np.ones(len(table), bool)
    if not is_feasible.any():
        raise InvalidInputError("every measurement ran out of memory; there is no latency to fit")
    table = table.where(is_feasible)
    check_table(table, device)
    ceilings = _ceilings(table, device)
    prior = prior or ConstantsPrior.wide(ceilings)
    process = fit_process(table, ceilings, prior, seed=seed, offset=offset)
    notes: list[Note] = []
    if process.draws.rhat > _MAX_RHAT:
        notes.append(
            Note(
                "latency_not_mixed",
                "warning",
                f"the chains disagree (R-hat {process.draws.rhat:.2f} > {_MAX_RHAT}); intervals are "
                f"rough: time more architectures or fit with another seed",
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
    return LatencySurrogate(table, process, process.scores, tuple(notes))


def _as_table(measurements: Sequence[Measurement] | LatencyTable) -> LatencyTable:
    if isinstance(measurements, LatencyTable):
        return measurements
    table = LatencyTable.from_measurements(measurements)
    if any(table.labels["session"]):
        return table
    # Without sessions the k-th timing of one case counts as taken in session k.
    seen: Counter[tuple[str, ...]] = Counter()
    sessions = []
    for m in measurements:
        case = (str(m.architecture), str(m.workload))
        sessions += [str(seen[case])] * 2
        seen[case] += 1
    return LatencyTable(
        table.columns, {**table.labels, "session": tuple(sessions)}, table.source, table.notes
    )


def _ceilings(table: LatencyTable, device: Device | None) -> Ceilings:
    if device is None:
        return guess_ceilings(table)
    return Ceilings(device.peak(table.labels["precision"][0]), device.memory_bandwidth)


def _figures(
    logs: torch.Tensor, n: int, columns: Sequence[int], workload: Workload
) -> dict[str, np.ndarray]:
    """Turn log seconds of TTFT, then TPOT ``(draw, 2 n)`` into figures [ms]."""
    both: Mapping[str, np.ndarray] = {
        "ttft_ms": 1e3 * logs[:, :n].exp().numpy()[:, columns],
        "tpot_ms": 1e3 * logs[:, n:].exp().numpy()[:, columns],
    }
    later = workload.output_tokens - 1
    return {**both, "e2el_ms": both["ttft_ms"] + later * both["tpot_ms"]}
