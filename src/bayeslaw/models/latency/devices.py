"""From devices that were measured to one that was not: constants are alike relative to datasheets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.latency.checks import ONE_OF, check_one_of
from bayeslaw.models.latency.constants import Ceilings, ConstantsPrior
from bayeslaw.models.latency.fitting import constants_alone, fit_process
from bayeslaw.models.latency.hierarchy import GroupConstants, Hierarchy, fit_hierarchy
from bayeslaw.models.latency.roofline import figure_log_seconds, guess_ceilings
from bayeslaw.models.latency.rows import Reader
from bayeslaw.models.latency.surrogate import LatencySurrogate
from bayeslaw.models.latency.trend import SharedTrend, fit_trend
from bayeslaw.models.notes import Note
from bayeslaw.runs import LatencyTable
from bayeslaw.space import Device

ROWS_A_GROUP = 64
"""Rows of each device and engine that the constants are learnt from, drawn evenly."""

_TREND_ROWS = 1500
# How much wider than the prior a group's own constants are looked for, so that what it tells is
# its timings and hardly the prior.
_WIDEN = 3.0


@dataclass(frozen=True)
class DeviceLessons:
    """Hold what some devices teach of another; build it with `fit_devices`.

    Attributes:
        hierarchies: Of their constants, by whether ceilings were guessed: shares of a datasheet and
            shares of a guess are not alike.
        trend: What their rooflines left over alike; None for a single device.
        reader: Of tables like theirs.
    """

    hierarchies: Mapping[bool, Hierarchy]
    trend: SharedTrend | None
    reader: Reader

    def prior_for(self, device: str, engine: str, ceilings: Ceilings) -> ConstantsPrior:
        """Return what is believed of a device's constants before it is timed.

        An engine that others ran brings its own habits along; a device that was measured under
        another engine brings its own. Where no measured device had its ceilings found the same way
        (datasheet or guess), the wide prior stands.
        """
        if ceilings.is_guessed not in self.hierarchies:
            return ConstantsPrior.wide(ceilings)
        return self.hierarchies[ceilings.is_guessed].prior_for(device, engine)

    def surrogate(
        self,
        measured: LatencyTable | None,
        device: Device | None = None,
        *,
        labels_like: LatencyTable | None = None,
        seed: int = 0,
    ) -> LatencySurrogate:
        """Return the surrogate of a new device, from however few timings.

        Args:
            measured: Its timings; None for none at all.
            device: Its datasheet; needed without timings.
            labels_like: A question that names device, engine and precision, needed without timings.
            seed: The same seed, the same surrogate.

        Raises:
            InvalidInputError: Neither timings nor a datasheet and a question, or mixed labels.
        """
        known = measured if measured is not None else labels_like
        if known is None or (measured is None and device is None):
            raise InvalidInputError(
                "without timings a new device needs its datasheet (device=) and a question that "
                "names it (labels_like=); or time a few architectures"
            )
        check_one_of(known)
        feasible = None
        if measured is not None:
            if measured.is_query:
                raise InvalidInputError("these rows ask, they have no latencies; give timings")
            feasible = measured.where(measured["out_of_memory"] == 0)
        ceilings = _ceilings(known, device)
        labels = {name: known.labels[name][0] for name in ONE_OF}
        prior = self.prior_for(labels["device"], labels["engine"], ceilings)
        process = fit_process(
            feasible, ceilings, prior, seed=seed, offset=self.trend, reader=self.reader
        )
        notes = []
        if feasible is None:
            notes.append(
                Note(
                    "latency_from_other_devices",
                    "warning",
                    f"nothing was timed on {labels['device']!r}; its datasheet and "
                    f"{sum(h.n_devices for h in self.hierarchies.values())} other devices predict it: "
                    f"time a few architectures",
                )
            )
        return LatencySurrogate(
            known if feasible is None else feasible, process, process.scores, tuple(notes)
        )


def fit_devices(
    sources: LatencyTable,
    devices: Mapping[str, Device] | None = None,
    *,
    seed: int = 0,
    scale: float = 0.3,
) -> DeviceLessons:
    """Learn from measured devices what a new one is like.

    Log constants relative to the datasheet are one mean over all, plus what is a device's, an
    engine's and an engine version's on a device, each normal with an unknown scale.

    Args:
        sources: Timings of one or more devices and engines.
        devices: Datasheets by the table's device labels; ceilings of the others are read off
            their fastest rows.
        seed: The same seed, the same lessons.
        scale: Of the half-normal prior on how much devices and engines differ (log); vary it to
            see what hangs on it.

    Raises:
        InvalidInputError: The table asks, or holds nothing that ran.
    """
    if sources.is_query:
        raise InvalidInputError("these rows ask, they have no latencies to learn from")
    table = sources.where(sources["out_of_memory"] == 0)
    reader = Reader.around(table)
    rng = np.random.default_rng(seed)
    keys = _keys(table)
    groups: list[GroupConstants] = []
    residuals, chosen_rows = [], []
    for key in sorted(set(keys)):
        members = rng.permutation([i for i, k in enumerate(keys) if k == key])
        part = table.where(np.sort(members))
        ceilings = _ceilings(part, (devices or {}).get(key[0]))
        wide = ConstantsPrior.wide(ceilings, widen=_WIDEN)
        some = table.where(np.sort(members[:ROWS_A_GROUP]))
        mean, covariance = constants_alone(some, ceilings, wide, reader=reader)
        groups.append(GroupConstants(key[0], key[1], ceilings, mean, covariance))
        chosen_rows.append(np.sort(members[: max(1, _TREND_ROWS // len(set(keys)))]))
        residuals.append(_residual(table.where(chosen_rows[-1]), groups[-1], reader))
    hierarchies = {
        guessed: fit_hierarchy(alike, seed=seed, scale=scale)
        for guessed in (False, True)
        if (alike := [group for group in groups if group.ceilings.is_guessed == guessed])
    }
    trend = None
    if len(groups) > 1:
        weighing = torch.as_tensor(groups[0].mean + groups[0].ceilings.log_scales())[None]
        pooled = table.where(np.concatenate(chosen_rows))
        trend = fit_trend(pooled, np.concatenate(residuals), reader, weighing, seed)
    return DeviceLessons(hierarchies, trend, reader)


def _keys(table: LatencyTable) -> list[tuple[str, str, str, str]]:
    return list(zip(*(table.labels[name] for name in ONE_OF), strict=True))


def _residual(table: LatencyTable, group: GroupConstants, reader: Reader) -> np.ndarray:
    constants = torch.as_tensor(group.mean + group.ceilings.log_scales())[None]
    expected = figure_log_seconds(constants, reader.read(table).passes)[0].numpy()
    return np.log(table["latency_ms"] / 1e3) - expected


def _ceilings(table: LatencyTable, device: Device | None) -> Ceilings:
    if device is None:
        return guess_ceilings(table)
    return Ceilings(device.peak(table.labels["precision"][0]), device.memory_bandwidth)
