"""Tables of measured architectures, replayed as if nothing had been measured yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bayeslaw.errors import InvalidInputError

SCALE = "s"
OBJECTIVES = ("perplexity", "latency_ms")
"""Both are minimised."""


@dataclass(frozen=True)
class Pool:
    """Hold one pool: the architectures of one width, on one device.

    Attributes:
        name: Such as ``s-768-a100``.
        n_layers: Of each architecture ``(row,)``.
        bias: Whether its matrices have biases ``(row,)``.
        heads: Attention heads of each layer, 0 where there is no such layer ``(row, layer)``.
        mlp_ratios: Hidden size of each layer's MLP over the width, 0 likewise ``(row, layer)``.
        values: Perplexity and median latency [ms], hidden until asked ``(row, objective)``.
    """

    name: str
    n_layers: np.ndarray
    bias: np.ndarray
    heads: np.ndarray
    mlp_ratios: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        """Count architectures."""
        return len(self.values)

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """What ours sees: the same choices, those of layers together."""
        return {
            "n_layers": self.n_layers,
            "bias": self.bias,
            "heads": self.heads,
            "mlp_ratios": self.mlp_ratios,
        }

    @property
    def features(self) -> np.ndarray:
        """What an optimiser that is given a pool sees: every choice as it is ``(row, feature)``."""
        columns = (self.n_layers[:, None], self.bias[:, None], self.heads, self.mlp_ratios)
        return np.concatenate([np.asarray(c, dtype=float) for c in columns], axis=1)

    @property
    def space(self) -> list[dict[str, Any]]:
        """What an optimiser that makes its own candidates sees: a parameter a choice."""

        def choices(values: np.ndarray) -> list[int]:
            return [int(value) for value in np.unique(values[values > 0])]

        space: list[dict[str, Any]] = [
            {"name": "n_layers", "kind": "ordered", "values": choices(self.n_layers)},
            {"name": "bias", "kind": "choice", "values": ["no", "yes"]},
        ]
        for i in range(self.heads.shape[1]):
            space.append(
                {"name": f"heads_{i}", "kind": "ordered", "values": choices(self.heads[:, i])}
            )
            space.append(
                {"name": f"mlp_ratio_{i}", "kind": "ordered", "values": choices(self.mlp_ratios)}
            )
        return space

    def parameters(self, row: int) -> dict[str, Any]:
        """Return a row in terms of `space`; layers that it has not are left out."""
        n_layers = int(self.n_layers[row])
        found: dict[str, Any] = {"n_layers": n_layers, "bias": "yes" if self.bias[row] else "no"}
        for i in range(n_layers):
            found[f"heads_{i}"] = int(self.heads[row, i])
            found[f"mlp_ratio_{i}"] = int(self.mlp_ratios[row, i])
        return found

    def nearest(self, parameters: dict[str, Any], taken: Sequence[int]) -> int:
        """Return the row nearest to a candidate among those not taken.

        Distances are Euclidean over all layers, heads and MLP ratios each in steps of their choice.
        """
        n_layers, width = int(parameters["n_layers"]), self.heads.shape[1]
        there = np.arange(width) < n_layers
        heads = np.array([parameters[f"heads_{i}"] for i in range(width)]) * there
        ratios = np.array([parameters[f"mlp_ratio_{i}"] for i in range(width)]) * there
        distances = ((self.heads - heads) / _step(self.heads)) ** 2
        distances = distances + ((self.mlp_ratios - ratios) / _step(self.mlp_ratios)) ** 2
        total = distances.sum(axis=1) + (self.bias != (parameters["bias"] == "yes"))
        total[list(taken)] = np.inf
        return int(np.argmin(total))


def _step(values: np.ndarray) -> float:
    return float(np.diff(np.unique(values[values > 0])).min())


def devices_in(data: Path) -> list[str]:
    """Return the devices that the table of latencies holds."""
    names = pd.read_parquet(_file(data, "latency")).columns
    return [name.removeprefix("lat_med_ms__") for name in names if name.startswith("lat_med_ms__")]


def read_pools(data: Path, devices: Sequence[str]) -> list[Pool]:
    """Read HW-GPT-Bench at scale s: a pool for each width and device.

    Args:
        data: Folder of the public tables.
        devices: Names in the table of latencies.

    Raises:
        InvalidInputError: The tables or a device are not there.

    Source:
        Sukthanker et al. 2024, arXiv:2405.10299; raw measurements, none of their surrogates.
    """
    if missing := [device for device in devices if device not in devices_in(data)]:
        raise InvalidInputError(f"no device(s) {missing} in {data}; there are {devices_in(data)}")
    shapes = pd.read_parquet(_file(data, "arch"))
    times = pd.read_parquet(_file(data, "latency")).set_index("arch_id").loc[shapes["arch_id"]]
    n_layers = shapes["n_layer"].to_numpy()
    heads, ratios = (
        _per_layer(shapes[name].tolist(), n_layers) for name in ("n_head", "mlp_ratio")
    )
    pools = []
    for width in sorted(shapes["embed_dim"].unique()):
        of_width = (shapes["embed_dim"] == width).to_numpy()
        for device in devices:
            latency = times[f"lat_med_ms__{device}"].to_numpy()
            values = np.stack([shapes["perplexity"].to_numpy(), latency], axis=1)
            rows = of_width & np.isfinite(values).all(axis=1)
            pools.append(
                Pool(
                    name=f"{SCALE}-{width}-{device}",
                    n_layers=n_layers[rows],
                    bias=shapes["bias"].to_numpy()[rows],
                    heads=heads[rows],
                    mlp_ratios=ratios[rows],
                    values=values[rows],
                )
            )
    return pools


def _per_layer(texts: Sequence[str], n_layers: np.ndarray) -> np.ndarray:
    values = np.zeros((len(texts), int(n_layers.max())))
    for row, (text, n) in enumerate(zip(texts, n_layers, strict=True)):
        values[row, :n] = [float(part) for part in text.split(",")[:n]]
    return values


def _file(data: Path, name: str) -> Path:
    path = data / "hw_gpt_bench" / f"{name}_{SCALE}.parquet"
    if not path.exists():
        raise InvalidInputError(f"no {path}; --data is the folder of the public tables")
    return path
