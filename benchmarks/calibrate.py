"""Simulation-based calibration: does a truth rank evenly among the draws of its own posterior?

For every law: draw coefficients and scales from their priors, losses from them, fit, and count the
draws below each truth. Of an exact program every rank is as likely as any other. All laws and
quantities together fail such a program once in a hundred runs (Holm). Needs no data.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
import sys
import time
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

import bayeslaw.models.loss as loss
from bayeslaw.models.loss import LAWS
from bayeslaw.models.loss.corpus import corpus_prior
from bayeslaw.models.loss.discrepancy import forward_error
from bayeslaw.models.loss.jax_session import float64
from bayeslaw.models.loss.posterior import SCALES
from bayeslaw.models.loss.psis import K_HAT_LIMIT
from bayeslaw.models.loss.sampling import Sample, sample
from bayeslaw.models.loss.scales import ScalePrior
from benchmarks.calibration.picture import draw
from benchmarks.calibration.ranks import FAILURE_RATE, N_KEPT, holm, rank, uniformity_p
from benchmarks.calibration.simulate import Simulation, simulate
from benchmarks.harness import run_benchmark

HEADERS = ("law", "tables", "k-hat > .7", "worst", "p (Holm)", "mean rank", "in 90 %", "verdict")
FIRST = ("chinchilla", "chinchilla_tied", "conditional_multiplicative", "aspect_ratio_u")
Sampler = Literal["laplace", "nuts"]

BLOCK = 10
"""Simulations of one cell: what is lost at most when a run is interrupted."""

# Modules that decide a rank; a cell made under others is made again.
_DECIDING = (
    "coordinates", "corpus", "density", "discrepancy", "evidence", "gradients", "laplace", "map",
    "noise", "nuts", "psis", "sampling", "scales", "trajectory", "laws/*",
)  # fmt: skip


def measure(
    quick: bool, folder: Path, laws: str, method: Sampler, minutes: float, picture: Path | None
) -> tuple[dict[str, Any], list[list[Any]]]:
    """Fill cells of (law, block) until time is up, then judge all that are there."""
    n_simulations = 60 if quick else 200
    prior = corpus_prior()
    code = _fingerprint(prior)
    cells = folder / f"{method}-{code}"
    cells.mkdir(parents=True, exist_ok=True)
    ordered = [*FIRST, *(name for name in LAWS if name not in FIRST)]
    stop = time.monotonic() + 60 * minutes
    for name in laws.split(",") if laws else ordered:
        for block in range(n_simulations // BLOCK):
            path = cells / f"{name}-{block:02d}.json"
            if not path.exists() and time.monotonic() < stop:
                started = time.perf_counter()
                numbers = range(BLOCK * block, BLOCK * (block + 1))
                rows = [ranks_of(simulate(LAWS[name], i, prior), method, i) for i in numbers]
                path.with_suffix(".part").write_text(json.dumps(rows))
                path.with_suffix(".part").rename(path)
                seconds = time.perf_counter() - started
                print(f"{path.stem}: {seconds:.0f} s", file=sys.stderr, flush=True)
    found = judge({name: _read(cells, name, n_simulations) for name in ordered})
    if picture is not None:
        draw(found, picture)
    figures = {
        "method": method,
        "failure_rate": FAILURE_RATE,
        "code": code,
        "scale_prior": vars(prior),
        "laws": found,
    }
    return figures, [_row(name, law) for name, law in found.items()]


def ranks_of(simulation: Simulation, method: Sampler, seed: int) -> dict[str, Any]:
    """Fit one table and rank each truth; coefficients by their coordinate, which is monotone.

    Returns:
        Ranks by quantity and the fit's k-hat.
    """
    with float64():
        arrays = jax.tree.map(jnp.asarray, dict(simulation.arrays))
        fitted = sample(
            simulation.law,
            arrays,
            method=method,
            seed=seed,
            n_chains=4 if method == "nuts" else 1,
            n_warmup=500,
            n_draws=500 if method == "nuts" else 2000,
        )
    n_coordinates = fitted.z.shape[-1]
    z = fitted.z.reshape(-1, n_coordinates)
    path = fitted.path.reshape(len(z), -1)
    beyond = forward_error(simulation.distance, simulation.features, np.arange(len(z)), seed=seed)
    truth = _quantities(simulation, simulation.z[None], simulation.path[None], simulation.beyond)
    drawn = _quantities(simulation, z, path, beyond)
    return {
        "ranks": {name: rank(truth[name].item(), values) for name, values in drawn.items()},
        "k_hat": _k_hat(fitted),
        "notes": sorted({note.code for note in fitted.notes if note.severity == "warning"}),
        "n_refused": simulation.n_refused,
    }


def _quantities(
    simulation: Simulation, z: np.ndarray, path: np.ndarray, beyond: np.ndarray
) -> dict[str, np.ndarray]:
    at = simulation.unpack(z)
    names = simulation.law.coefficient_names
    found = {f"coefficient {name}": at.coefficients[:, i] for i, name in enumerate(names)}
    scales = [name for name in SCALES if name != "run_share" or simulation.evidence.has_trunks]
    found |= {f"scale {name}": getattr(at, name) for name in scales}
    alone, whole = simulation.curves(z, path, np.broadcast_to(beyond, (len(z), 2)))
    for i, which in enumerate(("costliest", "cheapest")):
        found[f"prediction law, {which} scaled up"] = alone[:, i]
        found[f"prediction curve, {which} scaled up"] = whole[:, i]
    return found


def judge(cells: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return what each law's ranks say; p-values are corrected over every law and quantity."""
    ranks = {
        (law, quantity): [row["ranks"][quantity] for row in rows if quantity in row["ranks"]]
        for law, rows in cells.items()
        for quantity in dict.fromkeys(name for row in rows for name in row["ranks"])
    }
    p_values = {
        f"{law}/{quantity}": uniformity_p(values) for (law, quantity), values in ranks.items()
    }
    adjusted = holm(p_values)
    laws: dict[str, Any] = {}
    for law, rows in cells.items():
        quantities = {
            quantity: {
                "kind": quantity.split()[0],
                "p": p_values[f"{law}/{quantity}"],
                "p_holm": adjusted[f"{law}/{quantity}"],
                "fails": adjusted[f"{law}/{quantity}"] < FAILURE_RATE,
                "mean_rank": float(np.mean(values)) / N_KEPT,
                "in_90": float(np.mean([5 <= value < 95 for value in values])),
                "ranks": values,
            }
            for (name, quantity), values in ranks.items()
            if name == law
        }
        k_hats = [row["k_hat"] for row in rows if row["k_hat"] is not None]
        laws[law] = {
            "n_simulations": len(rows),
            "k_hat_above_limit": float(np.mean([k > K_HAT_LIMIT for k in k_hats]))
            if k_hats
            else None,
            "warnings": {
                code: sum(code in row["notes"] for row in rows)
                for code in sorted({code for row in rows for code in row["notes"]})
            },
            "n_refused": sum(row["n_refused"] for row in rows),
            "failed": [quantity for quantity, found in quantities.items() if found["fails"]],
            "quantities": quantities,
        }
    return laws


def _row(name: str, law: dict[str, Any]) -> list[Any]:
    if not law["quantities"]:
        return [name, 0, None, None, None, None, None, "not run"]
    worst, found = min(law["quantities"].items(), key=lambda item: item[1]["p"])
    verdict = (
        f"{len(law['failed'])} of {len(law['quantities'])} fail" if law["failed"] else "none fails"
    )
    return [
        name, law["n_simulations"], law["k_hat_above_limit"], worst, found["p_holm"],
        found["mean_rank"], found["in_90"], verdict,
    ]  # fmt: skip


def _read(folder: Path, law: str, n_simulations: int) -> list[dict[str, Any]]:
    paths = (folder / f"{law}-{block:02d}.json" for block in range(n_simulations // BLOCK))
    return [row for path in paths if path.exists() for row in json.loads(path.read_text())]


def _k_hat(fitted: Sample) -> float | None:
    said = (re.match(r"k-hat (\S+),", note.message) for note in fitted.notes)
    return next((min(float(match[1]), 99.0) for match in said if match), None)


def _fingerprint(prior: ScalePrior) -> str:
    """Return a digest of prior and code that decide a rank; comments and layout do not count."""
    root = Path(loss.__file__ or "").parent
    paths = sorted(path for stem in _DECIDING for path in root.glob(f"{stem}.py"))
    paths.append(Path(__file__).parent / "calibration" / "simulate.py")
    texts = [repr(prior), *(ast.dump(ast.parse(path.read_text())) for path in paths)]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:12]


if __name__ == "__main__":
    run_benchmark(
        "calibrate", measure, HEADERS, __doc__ or "",
        {
            "laws": {"default": "", "help": "names with commas between; all when left out"},
            "method": {"default": "laplace", "choices": ("laplace", "nuts")},
            "minutes": {"type": float, "default": 1e6, "help": "start no cell after so many"},
            "picture": {"type": Path, "default": None, "help": "where the picture goes"},
        },
    )  # fmt: skip
