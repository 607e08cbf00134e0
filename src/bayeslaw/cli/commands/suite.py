"""``bayeslaw suite``: a table of runs of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayeslaw.cli.options import AsJson
from bayeslaw.cli.output import console, print_json, print_table
from bayeslaw.errors import InvalidInputError, LabError

if TYPE_CHECKING:
    from bayeslaw.study.suite.config import SuiteConfig
    from bayeslaw.study.suite.jobs import SuitePlan


def suite(
    file: Annotated[
        str, typer.Argument(help="A YAML file, or the name of one that ships: tiny-suite.")
    ],
    folder: Annotated[
        Path | None, typer.Option("--folder", "-f", help="The suite's folder.")
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option("--minutes", min=0, help="Stop politely after so long; start again to go on."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be trained, and train nothing.")
    ] = False,
    jobs_only: Annotated[
        bool,
        typer.Option(
            "--jobs-only",
            help="Write text and jobs for a machine with torch and numpy alone, and collect what "
            "it has finished.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train a fixed set of shapes, each finished at several token counts, into one table."""
    from bayeslaw.shipped import shipped_file

    path = shipped_file("search", file)
    if dry_run:
        _show_design(path, as_json=as_json)
        return
    if folder is None:
        raise InvalidInputError("give the suite a folder with --folder, or ask for --dry-run")

    from bayeslaw.cli.progress import SuiteProgress, waiting
    from bayeslaw.study.suite.runner import Suite

    with waiting("choosing shapes", silent=as_json):
        opened = Suite(path, folder)
    with SuiteProgress(silent=as_json) as progress:
        opened.notify = progress
        manifest = opened.export() if jobs_only else opened.train(minutes=minutes)
    failed = manifest["failed"]
    if as_json:
        print_json(manifest)
        # The manifest says why; an error on top would be a second JSON value.
        raise typer.Exit(LabError.exit_code if failed else 0)
    console().print(
        f"{manifest['n_done']} of {manifest['n_trunks']} trunks done, {manifest['n_failed']} "
        f"failed, {manifest['n_missing']} to go; {manifest['n_points']} finished points in "
        f"{folder}/runs.parquet, {folder}/manifest.json says how"
    )
    if failed:
        raise LabError("; ".join(f"trunk {name}: {reason}" for name, reason in failed.items()))


def _show_design(path: Path, *, as_json: bool) -> None:
    from bayeslaw.study.suite.config import SuiteConfig
    from bayeslaw.study.suite.factors import TERMS, correlations
    from bayeslaw.study.suite.jobs import plan_suite

    config = SuiteConfig.read(path)
    plan = plan_suite(config)
    shapes = [trunk.architecture for trunk in plan.trunks if not trunk.is_repeat]
    alike = correlations(shapes)
    content = {
        "suite": config.name,
        "n_trunks": len(plan.trunks),
        "n_points": plan.n_points,
        "predicted_core_seconds": plan.core_seconds,
        "predicted_wall_seconds": plan.wall_seconds,
        "trunks": [
            {
                "trunk": trunk.name,
                "architecture": trunk.architecture.to_dict(),
                "n_params_body": trunk.architecture.n_params_body,
                "tokens": list(trunk.tokens),
                "seed": trunk.seed,
                "predicted_seconds": plan.seconds and plan.seconds[trunk.name],
            }
            for trunk in plan.trunks
        ],
        "terms": list(TERMS),
        "correlations": alike.round(6).tolist(),
    }
    if as_json:
        print_json(content)
        return
    _print_design(config, plan, content)


def _print_design(config: SuiteConfig, plan: SuitePlan, content: dict[str, Any]) -> None:
    from bayeslaw.cli.progress import duration

    print_table(
        f"{config.name}: trunks in the order in which they start",
        ["trunk", "shape", "body", "d/L", "r", "GQA", "q/d", "tokens", "seed", "time"],
        [
            (
                trunk.name,
                trunk.architecture,
                trunk.architecture.n_params_body,
                f"{trunk.architecture.aspect_ratio:.1f}",
                f"{trunk.architecture.mlp_attention_ratio:.2f}",
                trunk.architecture.gqa_group,
                f"{trunk.architecture.n_heads * trunk.architecture.head_dim / trunk.architecture.d_model:.2f}",
                trunk.tokens[-1],
                trunk.seed,
                duration(plan.seconds[trunk.name]) if plan.seconds else "-",
            )
            for trunk in plan.trunks
        ],
        left=2,
    )
    short = {"n_params_body": "size", "mlp_attention_ratio": "r", "aspect_ratio": "d/L",
             "gqa_group": "GQA", "attention_width": "q/d", "head_dim": "head"}  # fmt: skip
    names = [
        short[term.partition("^")[0]] + term.partition("^")[1] + term.partition("^")[2]
        for term in content["terms"]
    ]
    print_table(
        "correlations of log size, log factors and squares over all shapes",
        ["", *names],
        [
            (name, *(f"{value:.2f}" for value in row))
            for name, row in zip(names, content["correlations"], strict=True)
        ],
    )
    line = f"{content['n_trunks']} trunks, {content['n_points']} finished points"
    if plan.core_seconds is not None and plan.wall_seconds is not None:
        line += (
            f"; predicted {duration(plan.core_seconds)} of jobs, {duration(plan.wall_seconds)} of "
            f"wall time in {plan.slots} slots"
        )
    console().print(line)
