"""``bayeslaw latency fit``: what timings taught of a device."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayeslaw.cli.latency_options import OneDevice, Select, Timings
from bayeslaw.cli.options import AsJson, Seed
from bayeslaw.cli.output import console, print_json, print_notes, print_table

if TYPE_CHECKING:
    from bayeslaw.models.latency import LatencySurrogate


def fit(
    table: Timings,
    device: OneDevice = None,
    select: Select = [],  # noqa: B006  (typer copies it)
    page: Annotated[
        Path | None, typer.Option("--page", help="Write figures and tables to this HTML file.")
    ] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Fit a device's constants to timings, and say how left-out timings fell."""
    from bayeslaw.cli.latency_tables import fit_timings, read_timings
    from bayeslaw.report.latency import learnt_constants, left_out_summary, noise_summary

    surrogate = fit_timings(read_timings(table, device, select), seed, silent=as_json)
    constants, noise = learnt_constants(surrogate), noise_summary(surrogate)
    left_out = left_out_summary(surrogate)
    written = None
    if page is not None:
        from bayeslaw.report.latency import write_latency_page

        written = write_latency_page(page, surrogate)
    if as_json:
        print_json(
            {
                **about(surrogate),
                "constants": [constant.to_dict() for constant in constants],
                "noise": noise,
                "left_out": left_out,
                "notes": [note.to_dict() for note in surrogate.notes],
                "page": None if written is None else str(written),
            }
        )
        return
    said = about(surrogate)
    print_table(
        f"{said['device']}, {said['engine']} {said['engine_version']}, {said['precision']}: "
        f"{said['n_timings']} timings of {said['n_networks']} networks ({said['method']})",
        ["constant", "meaning", "median [90 %]", "of ceiling", "width left"],
        [
            [
                c.name, c.meaning, str(c),
                None if c.of_ceiling is None else f"{100 * c.of_ceiling:.0f} %",
                f"{c.width_left:.2f}",
            ]
            for c in constants
        ],
        left=2,
    )  # fmt: skip
    peak, bandwidth = said["ceilings"]["peak_flops"], said["ceilings"]["memory_bandwidth"]
    source = "datasheet" if said["ceilings"]["is_datasheet"] else "guessed from the timings"
    _say(f"ceilings ({source}): {peak:.3g} FLOP/s, {bandwidth:.3g} byte/s. Width left: 1 is the "
         f"prior's, so the timings said nothing.")  # fmt: skip
    shares = (f"{name} {100 * v:.2g} %" for name, v in noise.items() if name != "tail_degrees")
    _say(f"noise, as a share of latency: {', '.join(shares)}")
    if left_out is None:
        _say("left out: not scored, because there are too many timings")
    else:
        _say(
            f"left out one by one: {100 * left_out['share_inside']:.0f} % of "
            f"{left_out['n_timings']} timings inside 90 %; scores {left_out['mean_score']:+.2f} ± "
            f"{left_out['sd_score']:.2f}; intervals widened {left_out['widening']:.2f} times"
        )
    print_notes(surrogate.notes)
    if written is not None:
        _say(f"wrote {written}")


def about(surrogate: LatencySurrogate) -> dict[str, Any]:
    """Return what was fitted, JSON-ready."""
    ceilings, table = surrogate.process.layout.ceilings, surrogate.table
    return {
        **surrogate.served,
        "n_timings": len(table),
        "n_networks": len(set(table.labels["model"])),
        "method": surrogate.process.method,
        "fingerprint": table.fingerprint,
        "ceilings": {
            "peak_flops": ceilings.flops_per_second,
            "memory_bandwidth": ceilings.bytes_per_second,
            "is_datasheet": not ceilings.is_guessed,
        },
    }


def _say(line: str) -> None:
    console().print(line, markup=False, highlight=False)
