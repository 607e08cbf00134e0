"""What the tiny suite says: noise floor, shape effects, laws, and how far shape errors spread.

``python -m benchmarks.tiny_suite --json OUT [--table RUNS.parquet] [--picture OUT.png] [--quick]``.
``--quick`` fits laws by Laplace instead of NUTS and takes no bootstrap. The procedures were checked
on made-up suites of known truth: ``python -m benchmarks.tiny.simulate``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bayeslaw import read_runs
from bayeslaw.cli.output import print_table
from benchmarks.harness import run_benchmark
from benchmarks.tiny.effects import bootstrap_effects, shape_effects
from benchmarks.tiny.laws import CANDIDATES, fitted_laws, held_out
from benchmarks.tiny.noise import noise_floor
from benchmarks.tiny.picture import draw
from benchmarks.tiny.shape_errors import shape_errors
from benchmarks.tiny.suite import Suite

TABLE = Path(__file__).parent / "results" / "tiny-suite" / "runs.parquet"
PICTURE = Path(__file__).parent.parent / "docs" / "tiny-suite.png"
HEADERS = ["question", "answer", "90 % from", "to", "verdict"]
LAW_HEADERS = ["law", "on", "MAE", "- Chinchilla's", "CRPS", "90 % held", "no discr."]
_SEED = 0


def measure(
    quick: bool, folder: Path, *, table: Path, picture: Path
) -> tuple[dict[str, Any], Sequence[Sequence[Any]]]:
    suite = Suite.of(read_runs(table))
    figures = answers(suite, quick=quick)
    draw(suite, figures, picture)
    print_table(
        "laws on runs they have not seen [nats]", LAW_HEADERS, law_rows(figures["held_out"]), left=2
    )
    return {"table": _shown(table), **figures}, answer_rows(figures)


def answers(suite: Suite, *, quick: bool) -> dict[str, Any]:
    """Return all figures, with the answers in short under ``headline``."""
    noise = noise_floor(suite, seed=_SEED)
    effects = shape_effects(suite, seed=_SEED)
    changes = shape_effects(suite, seed=_SEED, interactions=True)["interactions"]
    found = held_out(suite, seed=_SEED)
    errors = {
        label: shape_errors(suite, label, noise=noise["trunk_correlation"], seed=_SEED)
        for label in CANDIDATES
    }
    best = {
        split: min(laws, key=lambda label: laws[label]["crps_nats"])
        for split, laws in found.items()
    }
    spread = errors[best["larger_sizes"]]["cuts"][0]
    headline = {
        "n_points": len(suite),
        "n_trunks": effects["n_trunks"],
        "n_shapes": effects["n_shapes"],
        "shape_matters": {
            name: {
                "verdict": factor["verdict"],
                "p_value": factor["p_value"],
                "at_most_nats": factor["at_most_nats"],
            }
            for name, factor in effects["factors"].items()
        },
        "seed_sd_nats": {
            f"{row['tokens_per_param']:g}": row["nats"] for row in noise["by_tokens_per_param"]
        },
        "trunk_correlation": noise["trunk_correlation"]["correlation"],
        "best_law": best,
        "shape_error": {
            "law": best["larger_sizes"],
            "fitted_up_to": spread["fitted_up_to"],
            **{
                key: spread[key]
                for key in ("tau_shared", "tau_shape", "shape_level_sd", "shape_specific_share")
            },
        },
    }
    return {
        "headline": headline,
        "noise": noise,
        "effects": effects,
        "effects_interactions": changes,
        "effects_bootstrap": bootstrap_effects(suite, seed=_SEED),
        "effects_by_other_means": {
            base: shape_effects(suite, seed=_SEED, base=base)
            for base in ("surface_body", "surface_all")
        },
        "laws": fitted_laws(suite, quick=quick, seed=_SEED),
        "held_out": found,
        "shape_errors": errors,
    }


def answer_rows(figures: Mapping[str, Any]) -> list[list[Any]]:
    """Return the rows of the printed table."""
    return [
        *_noise_rows(figures["noise"]),
        *_effect_rows(figures["effects"]["factors"], figures["effects_interactions"]),
        *_counting_rows(figures),
        *_spread_rows(figures["shape_errors"], figures["headline"]["best_law"]["larger_sizes"]),
    ]


def _noise_rows(noise: Mapping[str, Any]) -> list[list[Any]]:
    rows: list[list[Any]] = [
        [
            f"sd between seeds at {row['tokens_per_param']:g} tokens a weight [nats]",
            *_rounded(row["nats"][key] for key in ("sd", "low", "high")),
            f"{row['degrees_of_freedom']} d.o.f.",
        ]
        for row in noise["by_tokens_per_param"]
    ]
    rows.append(_row("correlation of a trunk's points", noise["trunk_correlation"]["correlation"]))
    if "text_sampling" in noise:
        share = noise["text_sampling"]["shared_share_of_variance_at_least"]
        rows.append(
            [
                "share of loss_stderr^2 that runs share, at least",
                *_rounded(share[key] for key in ("estimate", "low", "high")),
                "",
            ]
        )
    return rows


def _effect_rows(factors: Mapping[str, Any], changes: Mapping[str, Any]) -> list[list[Any]]:
    rows: list[list[Any]] = []
    for name, factor in factors.items():
        low, high = factor["range"]
        rows += [
            _row(f"{name} {low:.3g} minus middle [nats]", factor["low_end_minus_middle_nats"]),
            _row(
                f"{name} {high:.3g} minus middle [nats]",
                factor["high_end_minus_middle_nats"],
                _verdict(factor),
            ),
        ]
        if "optimum" in factor:
            rows.append(
                _row(f"best {name}", factor["optimum"], _short(factor["optimum"]["verdict"]))
            )
        for over, change in changes[name].items():
            rows.append(
                _row(
                    f"{name} {high:.3g}: change over {over} [nats]",
                    change["high_end_change_nats"],
                    _verdict(change),
                )
            )
    return rows


def _counting_rows(figures: Mapping[str, Any]) -> list[list[Any]]:
    """Return what is left of the effects at equal total weights: wide networks embed more."""
    all_weights = figures["effects_by_other_means"]["surface_all"]
    rows = [
        _row(
            f"{name} {factor['range'][1]:.3g}, at equal n_params [nats]",
            factor["high_end_minus_middle_nats"],
            _verdict(factor),
        )
        for name, factor in all_weights["factors"].items()
    ]
    for where, found in (("n_params_body", figures["effects"]), ("n_params", all_weights)):
        sd = found["error_sds_log_loss"]["shape"]
        rows.append(_row(f"sd of shapes at equal {where} [log loss]", sd))
    return rows


def law_rows(splits: Mapping[str, Any]) -> list[list[Any]]:
    """Return how well each law predicts runs that it has not seen."""
    rows: list[list[Any]] = []
    for split, laws in splits.items():
        for label, scores in laws.items():
            gap = scores.get("mae_minus_chinchilla_nats")
            rows.append(
                [
                    label.replace("conditional", "cond."),
                    split.replace("_", " "),
                    f"{scores['mae_nats']:.4f}",
                    f"{gap['low']:+.4f} .. {gap['high']:+.4f}" if gap else "",
                    f"{scores['crps_nats']:.4f}",
                    f"{scores['within_90_with_discrepancy']:.2f}",
                    f"{scores['within_90_without']:.2f}",
                ]
            )
    return rows


def _spread_rows(errors: Mapping[str, Any], best: str) -> list[list[Any]]:
    rows: list[list[Any]] = []
    for cut in errors[best]["cuts"]:
        where = f"sizes to {cut['fitted_up_to']}"
        said = f"{cut['n_shapes_predicted']} shapes"
        rows += [
            _row(f"{where}: tau, shared", cut["tau_shared"], said),
            _row(f"{where}: tau, of a shape", cut["tau_shape"], said),
            _row(f"{where}: sd of a shape", cut["shape_level_sd"], said),
        ]
    return rows


def _row(question: str, found: Mapping[str, float], verdict: str = "") -> list[Any]:
    return [question, *_rounded(found[key] for key in ("median", "low", "high")), verdict]


def _verdict(found: Mapping[str, Any]) -> str:
    return f"{_short(found['verdict'])}, p {found['p_value']:.2g}"


def _short(verdict: str) -> str:
    return verdict.replace(" at this scale", "")


def _rounded(values: Iterable[float]) -> list[str]:
    return [f"{value:.3g}" for value in values]


def _shown(path: Path) -> str:
    root = Path(__file__).parent.parent
    return (
        str(path.resolve().relative_to(root)) if path.resolve().is_relative_to(root) else path.name
    )


if __name__ == "__main__":
    run_benchmark(
        "tiny_suite",
        measure,
        HEADERS,
        __doc__ or "",
        {
            "table": {"type": Path, "default": TABLE, "help": "a suite's runs"},
            "picture": {"type": Path, "default": PICTURE, "help": "where the picture goes"},
        },
    )
