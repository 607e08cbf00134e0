"""``bayeslaw latency suggest``: which networks to time next."""

from __future__ import annotations

import math
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
from bayeslaw.cli.output import console, print_json, print_notes, print_table
from bayeslaw.errors import InvalidInputError

if TYPE_CHECKING:
    from bayeslaw.space import Architecture
    from bayeslaw.study.config import StudyConfig

_N_DRAWN = 2000
_N_TARGETS = 64


def suggest(
    table: Timings,
    pool: Annotated[
        list[Path], typer.Option("--pool", help="What could be timed: config.json, or a folder.")
    ] = [],  # noqa: B006  (typer copies it)
    space: Annotated[
        Path | None,
        typer.Option(
            "--space", help="Instead of a pool: a study's YAML, for its space and workload."
        ),
    ] = None,
    target: Annotated[
        list[Path],
        typer.Option(
            "--target", help="Whose latency is to be known; the study's target space, or the pool."
        ),
    ] = [],  # noqa: B006
    n: Annotated[int, typer.Option("--n", help="How many to time.")] = 4,
    batch_size: BatchSize = None,
    prompt_tokens: PromptTokens = None,
    output_tokens: OutputTokens = None,
    device: OneDevice = None,
    select: Select = [],  # noqa: B006
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Choose the networks whose timing narrows latency at the targets most for its cost."""
    from bayeslaw.cli.latency_tables import fit_timings, read_configs, read_timings, serving
    from bayeslaw.cli.progress import waiting
    from bayeslaw.models.latency.suggest import suggest_timings
    from bayeslaw.study.config import StudyConfig

    if bool(pool) == (space is not None):
        raise InvalidInputError(
            "give either --pool (config.json files) or --space (a study's YAML)"
        )
    timings = read_timings(table, device, select)
    load: dict[str, int | None] = {
        "batch_size": batch_size, "prompt_tokens": prompt_tokens, "output_tokens": output_tokens,
    }  # fmt: skip
    if space is None:
        offered = read_configs(pool)
        targets = offered[:_N_TARGETS]
    else:
        study = StudyConfig.read(space)
        offered, targets = _drawn(study, seed)
        load = {k: getattr(study.serving, k) if v is None else v for k, v in load.items()}
    if target:
        targets = read_configs(target)
    workload = serving(timings, load)
    surrogate = fit_timings(timings, seed, silent=as_json)
    with waiting(f"choosing {n} of {len(offered)} networks", silent=as_json):
        found = suggest_timings(surrogate, offered, workload, targets, n)
    content: list[dict[str, Any]] = [
        {
            "architecture": offered[s.place].to_dict(),
            "place": s.place,
            "cost_seconds": s.cost_seconds,
            "log_sd_before": math.sqrt(s.variance_before),
            "log_sd_after": math.sqrt(s.variance_after),
        }
        for s in found
    ]
    if as_json:
        print_json(
            {
                **surrogate.served,
                "workload": workload.to_dict(),
                "n_pool": len(offered),
                "n_targets": len(targets),
                "suggestions": content,
                "notes": [note.to_dict() for note in surrogate.notes],
            }
        )
        return
    print_table(
        f"time these next on {surrogate.served['device']}, of {len(offered)} networks",
        ["network", "weights", "takes [s]", "sd of log latency at the targets", "narrower by"],
        [
            [
                offered[s.place], offered[s.place].n_params, round(s.cost_seconds, 1),
                f"{100 * entry['log_sd_before']:.2f} % to {100 * entry['log_sd_after']:.2f} %",
                f"{100 * (1 - entry['log_sd_after'] / entry['log_sd_before']):.0f} %",
            ]
            for s, entry in zip(found, content, strict=True)
        ],
    )  # fmt: skip
    console().print(
        f"each for a batch of {workload.batch_size}, {workload.prompt_tokens} + "
        f"{workload.output_tokens} tokens, given those above it; expected before any is timed, over "
        f"{len(targets)} targets",
        highlight=False,
    )
    print_notes(surrogate.notes)


def _drawn(config: StudyConfig, seed: int) -> tuple[list[Architecture], list[Architecture]]:
    """Return distinct architectures of a study's space, and of those its target is chosen among."""
    spaces = ((config.full_space, _N_DRAWN), (config.target_space, _N_TARGETS))
    pool, targets = (
        list(dict.fromkeys(candidate.architecture for candidate in space.sample(n, seed)))
        for space, n in spaces
    )
    return pool, targets
