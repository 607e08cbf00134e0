"""``bayeslaw latency predict``: what a network that was never timed would take."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayeslaw.cli.latency_options import (
    BatchSize,
    OneDevice,
    OutputTokens,
    PromptTokens,
    Select,
    Timings,
)
from bayeslaw.cli.options import AsJson, Seed
from bayeslaw.cli.output import interval, print_json, print_notes, print_table, stacked

if TYPE_CHECKING:
    import numpy as np

    from bayeslaw.models.latency import LatencySurrogate
    from bayeslaw.models.latency.memory import MemoryModel
    from bayeslaw.runs import LatencyTable
    from bayeslaw.space import Architecture, Workload

_FIGURES = ("ttft_ms", "tpot_ms", "e2el_ms", "tokens_per_second")


def predict(
    table: Timings,
    config: Annotated[
        list[Path], typer.Argument(help="Hugging Face config.json files, or folders of .json.")
    ],
    batch_size: BatchSize = None,
    prompt_tokens: PromptTokens = None,
    output_tokens: OutputTokens = None,
    precision: Annotated[
        str | None, typer.Option("--precision", help="The measured one when left out.")
    ] = None,
    engine: Annotated[
        str | None, typer.Option("--engine", help="The measured one when left out.")
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(
            "--baseline", help="A config.json to compare with: ratios, and whence they come."
        ),
    ] = None,
    memory: Annotated[
        bool, typer.Option("--memory", help="Also memory, and the probability to run out of it.")
    ] = False,
    device: OneDevice = None,
    select: Select = [],  # noqa: B006  (typer copies it)
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Predict latency, throughput and memory of networks, with 90 % intervals of a new timing."""
    from bayeslaw.cli.latency_tables import fit_timings, read_configs, read_timings, serving

    timings = read_timings(table, device, select)
    architectures = read_configs(config)
    compared = read_configs([baseline])[0] if baseline is not None else None
    load = {
        "batch_size": batch_size, "prompt_tokens": prompt_tokens, "output_tokens": output_tokens,
    }  # fmt: skip
    workload = serving(timings, load, precision, engine)
    memory_model = _fit_memory(timings, seed) if memory else None
    surrogate = fit_timings(timings, seed, silent=as_json)
    predicted = surrogate.predict(architectures, workload)
    content: list[dict[str, Any]] = [
        {
            "architecture": architecture.to_dict(),
            **{name: _at(getattr(predicted, name), i) for name in _FIGURES},
        }
        for i, architecture in enumerate(architectures)
    ]
    bounds = _bounds(surrogate, architectures, workload)
    content = [entry | found for entry, found in zip(content, bounds, strict=True)]
    if compared is not None:
        for entry, architecture in zip(content, architectures, strict=True):
            entry["over_baseline"] = _gain(surrogate, compared, architecture, workload, seed)
    if memory_model is not None:
        needs = _memory(memory_model, architectures, workload)
        content = [entry | need for entry, need in zip(content, needs, strict=True)]
    said = {
        **surrogate.served,
        "workload": workload.to_dict(),
        "networks": content,
        "notes": [note.to_dict() for note in (*surrogate.notes, *predicted.notes)],
    }
    if as_json:
        print_json(said)
        return
    print_table(
        f"{said['device']}, {workload.precision}, batch {workload.batch_size}, "
        f"{workload.prompt_tokens} + {workload.output_tokens} tokens: median [90 % of a timing]",
        ["network", "TTFT [ms]", "TPOT [ms]", "request [ms]", "tokens/s"],
        [
            [str(a).replace(" ff", "\nff"), *(stacked(entry[name]) for name in _FIGURES)]
            for a, entry in zip(architectures, content, strict=True)
        ],
    )
    _show_bounds(architectures, content)
    if memory:
        _show_memory(architectures, content)
    if compared is not None:
        _show_gains(compared, architectures, content)
    print_notes([*surrogate.notes, *predicted.notes])


def _show_bounds(architectures: list[Architecture], content: list[dict[str, Any]]) -> None:
    figures = _FIGURES[:2]
    parts = list(content[0]["bounded_by"][figures[0]]["shares"])
    print_table(
        "what the time goes into: mean share of each part",
        ["network", "figure", "bounded by", *(part.replace("_", " ") for part in parts)],
        [
            [
                str(a).replace(" ff", "\nff"), figure.removesuffix("_ms").upper(), bound["name"],
                *(f"{100 * bound['shares'][part]['mean']:.0f} %" for part in parts),
            ]
            for a, entry in zip(architectures, content, strict=True)
            for figure, bound in ((name, entry["bounded_by"][name]) for name in figures)
        ],
        left=3,
    )  # fmt: skip


def _show_memory(architectures: list[Architecture], content: list[dict[str, Any]]) -> None:
    print_table(
        "memory: median [90 %], and the probability to run out of it",
        ["network", "memory [GB]", "P(out of memory)"],
        [
            [
                a,
                interval({key: byte / 1e9 for key, byte in entry["memory_bytes"].items()}),
                entry["p_out_of_memory"],
            ]
            for a, entry in zip(architectures, content, strict=True)
        ],
    )


def _show_gains(
    baseline: Architecture, architectures: list[Architecture], content: list[dict[str, Any]]
) -> None:
    rows = []
    for a, entry in zip(architectures, content, strict=True):
        for figure, gain in (entry["over_baseline"] or {}).items():
            words = [str(a).replace(" ff", "\nff"), figure.removesuffix("_ms").upper()]
            rows.append([*words, "all of it", interval(gain["ratio"]), ""])
            rows += [
                ["", "", f"{group} alone", interval(gain["alone"][group]), interval(share)]
                for group, share in gain["shapley"].items()
            ]
    print_table(
        f"over the baseline {baseline}: ratio of latencies, below 1 is faster",
        ["network", "figure", "what is taken over", "ratio [90 %]", "its factor of the whole"],
        rows,
        left=3,
    )


def _bounds(
    surrogate: LatencySurrogate, architectures: list[Architecture], workload: Workload
) -> list[dict[str, Any]]:
    from bayeslaw.models.latency.bounds import what_bounds
    from bayeslaw.runs import LatencyTable

    figures = _FIGURES[:3]
    found = {
        name: what_bounds(surrogate, LatencyTable.ask(architectures, workload, name))
        for name in figures
    }
    return [
        {
            "bounded_by": {
                figure: {
                    "name": found[figure].names[i],
                    "probability": float(found[figure].chances[i]),
                    "shares": {part: _at(s, i) for part, s in found[figure].shares.items()},
                }
                for figure in figures
            }
        }
        for i in range(len(architectures))
    ]


def _gain(
    surrogate: LatencySurrogate,
    baseline: Architecture,
    candidate: Architecture,
    workload: Workload,
    seed: int,
) -> dict[str, Any] | None:
    """Return each figure's ratio and its parts; None for the baseline itself."""
    from bayeslaw.models.latency.attribution import attribute_gain

    if candidate == baseline:
        return None
    gains = {
        figure: attribute_gain(surrogate, baseline, candidate, workload, figure, seed=seed)
        for figure in ("ttft_ms", "tpot_ms", "e2el_ms")
    }
    return {
        figure: {
            "ratio": dict(gain.ratio),
            "alone": {group: dict(band) for group, band in gain.alone.items()},
            "shapley": {group: dict(band) for group, band in gain.shapley.items()},
            "notes": [note.to_dict() for note in gain.notes],
        }
        for figure, gain in gains.items()
    }


def _at(quantiles: Mapping[str, np.ndarray], i: int) -> dict[str, float]:
    return {name: float(values[i]) for name, values in quantiles.items()}


def _fit_memory(timings: LatencyTable, seed: int) -> MemoryModel:
    from bayeslaw.models.latency.memory import fit_memory

    return fit_memory(timings, seed=seed)


def _memory(
    model: MemoryModel, architectures: list[Architecture], workload: Workload
) -> list[dict[str, Any]]:
    """Return each network's memory, and the probability that the timed device lacks it."""
    from bayeslaw.runs import LatencyTable
    from bayeslaw.space import DEVICES

    asked = LatencyTable.ask(architectures, workload, "e2el_ms")
    need = model.quantiles(asked)
    device = DEVICES.get(workload.device)
    chance = None if device is None else model.p_out_of_memory(asked, device.memory_bytes)
    return [
        {
            "memory_bytes": _at(need, i),
            # None: the device has no datasheet, so what it holds is not known.
            "p_out_of_memory": None if chance is None else float(chance[i]),
        }
        for i in range(len(architectures))
    ]
