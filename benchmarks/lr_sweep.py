"""How far a recipe's learning rate is from the best one, in nats.

At three sizes of LLaMA's proportions each recipe's rates are halved and doubled (at the smallest
also a quarter and four times); each job is a trunk whose branches finish at several token counts.
Around the best of the rates tried a parabola in the log of the rate gives the best rate and how
much lower its loss is than the recipe's. Quick: the two smaller sizes, up to 20 tokens a weight,
three rates. Interrupted, it goes on where it was.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bayeslaw.executors import LocalExecutor
from bayeslaw.lab.corpus import build_corpus
from bayeslaw.models.recipes import RECIPES
from bayeslaw.runs import Hyperparameters, Job, JobResult
from bayeslaw.space import Architecture, Candidate
from benchmarks.harness import run_benchmark

_SEQ_LEN = 128
_FACTORS = (1.0, 0.5, 2.0, 0.25, 4.0)
_RECIPES = ("tiny", "mup")
# Standard deviation of a final loss over seeds by tokens a weight, as the tiny suite has it
# (docs/tiny-suite.md) [nats per token].
_NOISE_NATS = {5: 0.030, 10: 0.026, 20: 0.016, 40: 0.018}
# Points further above the lowest than this lie outside the valley that a parabola describes.
_VALLEY_NATS = 0.1
_N_DRAWS = 4000


@dataclass(frozen=True)
class Size:
    """A network and how long it is trained."""

    architecture: Architecture
    tokens_per_weight: tuple[int, ...]
    factors: tuple[float, ...] = _FACTORS


SIZES = {
    "25k": Size(Architecture(2, 32, 2, 2, 16, 88, 256, tied_embeddings=True), (5, 10, 20, 40)),
    # At 25k rates four times off are 0.1-0.4 nats worse at every length: not worth their time here.
    "83k": Size(
        Architecture(3, 48, 3, 3, 16, 128, 256, tied_embeddings=True), (5, 10, 20, 40), _FACTORS[:3]
    ),
    "249k": Size(
        Architecture(4, 72, 3, 3, 24, 192, 256, tied_embeddings=True), (5, 10, 20), _FACTORS[:3]
    ),
}
_QUICK = {name: replace(SIZES[name], tokens_per_weight=(5, 10, 20), factors=_FACTORS[:3])
          for name in ("25k", "83k")}  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """One training job of the sweep."""

    recipe: str
    size: str
    factor: float

    @property
    def name(self) -> str:
        return f"{self.recipe}-{self.size}-x{self.factor:g}"


def measure(
    quick: bool, folder: Path, corpus: Path | None, recipes: Sequence[str], sizes: Sequence[str]
) -> tuple[dict[str, Any], Sequence[Sequence[Any]]]:
    if corpus is None:
        corpus = folder / "corpus"
        build_corpus("python-sources", corpus)
    known = _QUICK if quick else SIZES
    swept = {name: size for name, size in known.items() if name in sizes}
    cells = [
        Cell(recipe, size, factor)
        for recipe in recipes
        for size, settings in swept.items()
        for factor in settings.factors
    ]
    jobs = {cell: _job(cell, swept[cell.size], corpus) for cell in cells}
    results = _train(jobs, folder / "jobs")
    points = [_point(cell, jobs[cell], results[cell]) for cell in cells]
    valleys = [
        _valley(recipe, size, count, points)
        for recipe in recipes
        for size, settings in swept.items()
        for count in settings.tokens_per_weight
    ]
    figures = {
        "headline": {
            recipe: max(v["shortfall_nats"] for v in valleys if v["recipe"] == recipe)
            for recipe in recipes
        },
        "noise_nats": _NOISE_NATS,
        "drift": {recipe: _drift([v for v in valleys if v["recipe"] == recipe])
                  for recipe in recipes},
        "valleys": valleys,
        "points": points,
        "shapes": {name: size.architecture.to_dict() for name, size in swept.items()},
        "corpus": results[cells[0]].record.get("corpus"),
        "seconds_training": sum(result.seconds for result in results.values()),
    }  # fmt: skip
    return figures, [_row(valley) for valley in valleys]


def _job(cell: Cell, size: Size, corpus: Path) -> Job:
    n_params_body = size.architecture.n_params_body
    *branches, n_tokens = [count * n_params_body for count in size.tokens_per_weight]
    recipe = RECIPES[cell.recipe](Candidate(size.architecture, n_tokens), _SEQ_LEN)
    return Job(
        run_id=cell.name,
        kind="train",
        architecture=size.architecture,
        n_tokens=n_tokens,
        branches=tuple(branches),
        hyperparameters=_at_rates(recipe, cell.factor),
        corpus=str(corpus.resolve()),
    )


def _at_rates(numbers: Hyperparameters, factor: float) -> Hyperparameters:
    rates = ("learning_rate", "embedding_rate", "vector_rate")
    values = {name: getattr(numbers, name) for name in rates}
    return replace(numbers, **{name: v * factor for name, v in values.items() if v is not None})


def _train(jobs: Mapping[Cell, Job], folder: Path) -> dict[Cell, JobResult]:
    """Train what has no result yet, two jobs of one thread side by side."""
    started = time.monotonic()
    with LocalExecutor(slots=2, threads=1) as executor:
        waiting = {cell: executor.submit(job, folder / cell.name) for cell, job in jobs.items()}
        results: dict[Cell, JobResult] = {}
        while waiting:
            for cell, handle in list(waiting.items()):
                if executor.poll(handle).is_over:
                    del waiting[cell]
                    result = results[cell] = executor.collect(handle)
                    loss = result.reason if result.loss_nats is None else f"{result.loss_nats:.4f}"
                    print(
                        f"{time.monotonic() - started:5.0f} s  {len(results)}/{len(jobs)}  "
                        f"{cell.name}  {loss}",
                        flush=True,
                    )
            time.sleep(0.2)
    return results


def _point(cell: Cell, job: Job, result: JobResult) -> dict[str, Any]:
    """Return a job's losses by tokens a weight; a rate at which it diverged has those before."""
    assert job.n_tokens is not None
    assert job.hyperparameters is not None
    losses = {branch["n_tokens"]: branch["loss_nats"] for branch in result.branches}
    if result.loss_nats is not None:
        losses[job.n_tokens] = result.loss_nats
    n_params_body = job.architecture.n_params_body
    return {
        **asdict(cell),
        "learning_rate": job.hyperparameters.learning_rate,
        "batch_tokens": job.hyperparameters.batch_tokens,
        "status": result.status,
        "reason": result.reason,
        "seconds": result.seconds,
        "loss_nats": {str(count // n_params_body): loss for count, loss in losses.items()},
    }


def _valley(
    recipe: str, size: str, tokens_per_weight: int, points: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the best rate over the recipe's, and what the recipe loses by it, with 90 % ranges.

    The parabola goes through the points of the valley, the three lowest at least; ranges are over
    draws of the points with their noise, shared by the rates of neither seed nor text. Where a
    draw has no lowest point among the rates tried, the lowest of the ends counts.
    """
    own = [p for p in points if (p["recipe"], p["size"]) == (recipe, size)]
    losses = {p["factor"]: p["loss_nats"].get(str(tokens_per_weight)) for p in own}
    known = {factor: loss for factor, loss in sorted(losses.items()) if loss is not None}
    if len(known) < 3 or 1.0 not in known:
        raise RuntimeError(
            f"{recipe} at {size} finished at {tokens_per_weight} tokens a weight for the rates "
            f"{sorted(known)} only; three with the recipe's own are needed to see a valley"
        )
    lowest = min(known.values())
    ranked = sorted(known, key=lambda factor: known[factor])
    kept = sorted({*ranked[:3], *(f for f in ranked if known[f] < lowest + _VALLEY_NATS)})
    octaves = np.log2(kept)
    values = np.array([known[factor] for factor in kept])
    noise = np.random.default_rng(0).normal(
        0, _NOISE_NATS[tokens_per_weight], (_N_DRAWS, len(kept))
    )
    best, shortfall = _lowest_of_parabola(octaves, values[None])
    best_drawn, shortfall_drawn = _lowest_of_parabola(octaves, values + noise)
    return {
        "recipe": recipe,
        "size": size,
        "tokens_per_weight": tokens_per_weight,
        "loss_nats": known[1.0],
        "lowest_loss_nats": lowest,
        "lowest_at_factor": ranked[0],
        "best_factor": float(2 ** best[0]),
        "best_factor_range": [float(2**v) for v in np.quantile(best_drawn, (0.05, 0.95))],
        "shortfall_nats": float(shortfall[0]),
        "shortfall_range_nats": [float(v) for v in np.quantile(shortfall_drawn, (0.05, 0.95))],
        "best_octaves_sd": float(best_drawn.std()),
        "is_bracketed": min(known) < ranked[0] < max(known),
    }


def _lowest_of_parabola(octaves: np.ndarray, losses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where parabolas ``(draw, point)`` are lowest within the points, and how far below 0's."""
    _, slope, bend = np.polynomial.polynomial.polyfit(octaves, losses.T, 2)
    ends = np.array([octaves.min(), octaves.max()])
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = np.where(bend > 0, -slope / (2 * bend), np.inf)
    candidates = np.stack(
        [np.clip(inside, *ends), np.full_like(inside, ends[0]), np.full_like(inside, ends[1])]
    )
    heights = slope * candidates + bend * candidates**2
    chosen = heights.argmin(axis=0)
    draws = np.arange(candidates.shape[1])
    return candidates[chosen, draws], np.maximum(0.0, -heights[chosen, draws])


def _drift(valleys: Sequence[Mapping[str, Any]]) -> dict[str, float] | None:
    """Return how the best rate moves when tokens double, sizes keeping their own levels.

    Best rates at an end of those tried are left out; branches count as independent of each other.
    """
    valleys = [valley for valley in valleys if valley["is_bracketed"]]
    sizes = sorted({valley["size"] for valley in valleys})
    if len(valleys) <= len(sizes):
        return None
    design = np.array(
        [[np.log2(v["tokens_per_weight"]), *(v["size"] == size for size in sizes)] for v in valleys]
    )
    weights = 1 / np.array([v["best_octaves_sd"] for v in valleys])
    octaves = np.log2([v["best_factor"] for v in valleys])
    covariance = np.linalg.inv((design * weights[:, None] ** 2).T @ design)
    slope = (covariance @ (design * weights[:, None] ** 2).T @ octaves)[0]
    return {
        "octaves_per_doubling_of_tokens": float(slope),
        "standard_error": float(np.sqrt(covariance[0, 0])),
        "valleys": len(valleys),
    }


def _row(valley: Mapping[str, Any]) -> list[Any]:
    low, high = valley["shortfall_range_nats"]
    return [
        valley["recipe"],
        valley["size"],
        valley["tokens_per_weight"],
        valley["loss_nats"],
        valley["best_factor"],
        valley["shortfall_nats"],
        f"{low:.3f}-{high:.3f}",
    ]


if __name__ == "__main__":
    run_benchmark(
        "lr_sweep",
        measure,
        ["recipe", "size", "tokens a weight", "loss", "best / recipe's rate", "lost nats", "90 %"],
        __doc__ or "",
        {
            "corpus": {"type": Path, "help": "a built corpus; python-sources when left out"},
            "recipes": {"nargs": "+", "default": _RECIPES, "choices": sorted(RECIPES)},
            "sizes": {"nargs": "+", "default": tuple(SIZES), "choices": tuple(SIZES)},
        },
    )
