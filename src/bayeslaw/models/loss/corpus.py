"""What other people's tables teach of how wrong laws are beyond their runs: a dated file of figures.

``models/corpora/loss-*.yaml`` holds, for each public table, the mean log score of held-out runs at
2-20 times the cost and how many of them 90 % intervals held, over rolling origins, for a grid of
priors. No row of a table is in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import yaml

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss.scales import ScalePrior
from bayeslaw.shipped import shipped_folder

LEVEL = 0.9
_FILE = "corpora/loss-2026-11-22.yaml"


def corpus_prior(*, leaving_out: str | None = None) -> ScalePrior:
    """Return the prior on scales under which other tables' costlier runs were predicted best.

    For each middle of tau, `ScalePrior.reach` is what made 90 % intervals hold nearest to 90 %;
    of these the one with the highest log score is taken. (The log score alone takes a reach at
    which they hold 83 %: an interval that claims 90 should hold 90.) Every source weighs the same.

    Args:
        leaving_out: A ``source_id``: nothing learnt on that source's tables is used. For scoring a
            table that is in the corpus.

    Raises:
        InvalidInputError: Nothing is left.

    >>> corpus_prior().tau_median > 0
    True
    >>> "gadre" in corpus_prior(leaving_out="gadre").source
    False
    """
    corpus = _read()
    middles, reaches = corpus["tau_medians"], corpus["reaches"]
    scores, sources = _mean(corpus["tables"], "log_scores", leaving_out)
    held, _ = _mean(corpus["tables"], "coverage90", leaving_out)
    nearest = np.abs(held - LEVEL).argmin(axis=1)
    row = int(np.argmax(scores[np.arange(len(middles)), nearest]))
    return ScalePrior(
        tau_median=float(middles[row]),
        reach=float(reaches[nearest[row]]),
        source=f"{_FILE}: {', '.join(sources)}",
    )


def baseline_tau(*, leaving_out: str | None = None) -> float:
    """Return the same for Chinchilla's bootstrap: one tau, drawn lognormal with the corpus's sd."""
    corpus = _read()["chinchilla_huber"]
    scores, _ = _mean(corpus["tables"], "log_scores", leaving_out)
    return float(corpus["taus"][int(np.argmax(scores))])


def _mean(
    tables: Mapping[str, Mapping[str, Any]], figure: str, leaving_out: str | None
) -> tuple[np.ndarray, list[str]]:
    by_source: dict[str, list[np.ndarray]] = {}
    for table in tables.values():
        if table["source_id"] != leaving_out:
            by_source.setdefault(table["source_id"], []).append(np.array(table[figure], float))
    if not by_source:
        raise InvalidInputError(f"no table is left in {_FILE} without source {leaving_out!r}")
    means = [np.mean(grids, axis=0) for grids in by_source.values()]
    return np.mean(means, axis=0), sorted(by_source)


@lru_cache(maxsize=1)
def _read() -> dict[str, Any]:
    return yaml.safe_load((shipped_folder("models") / _FILE).read_text())
