"""What other people's tables teach of how wrong laws are beyond their runs: a dated file of figures.

``models/corpora/loss-*.yaml`` holds, for each public table, the mean log score of held-out runs at
2-20 times the cost, over rolling origins, for a grid of priors. No row of a table is in it.
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

_FILE = "corpora/loss-2026-11-22.yaml"


def corpus_prior(*, leaving_out: str | None = None) -> ScalePrior:
    """Return the prior on scales under which other tables' costlier runs were predicted best.

    Args:
        leaving_out: A ``source_id``: nothing learnt on that source's tables is used. For scoring a
            table that is in the corpus.

    Returns:
        The prior of the grid with the highest log score, every source weighing the same.

    Raises:
        InvalidInputError: Nothing is left.

    >>> corpus_prior().tau_median > 0
    True
    >>> "gadre" in corpus_prior(leaving_out="gadre").source
    False
    """
    corpus = _read()
    middles, reaches = corpus["tau_medians"], corpus["reaches"]
    scores, sources = _mean_scores(corpus["tables"], leaving_out)
    row, column = np.unravel_index(int(np.argmax(scores)), scores.shape)
    return ScalePrior(
        tau_median=float(middles[row]),
        reach=float(reaches[column]),
        source=f"{_FILE}: {', '.join(sources)}",
    )


def baseline_tau(*, leaving_out: str | None = None) -> float:
    """Return the same for Chinchilla's bootstrap: one tau, drawn lognormal with the corpus's sd."""
    corpus = _read()["chinchilla_huber"]
    scores, _ = _mean_scores(corpus["tables"], leaving_out)
    return float(corpus["taus"][int(np.argmax(scores))])


def _mean_scores(
    tables: Mapping[str, Mapping[str, Any]], leaving_out: str | None
) -> tuple[np.ndarray, list[str]]:
    by_source: dict[str, list[np.ndarray]] = {}
    for table in tables.values():
        if table["source_id"] != leaving_out:
            scores = np.array(table["log_scores"], float)
            by_source.setdefault(table["source_id"], []).append(scores)
    if not by_source:
        raise InvalidInputError(f"no table is left in {_FILE} without source {leaving_out!r}")
    # A law that missed by ten standard deviations once must not choose for everybody.
    means = [np.mean(scores, axis=0) for scores in by_source.values()]
    return np.mean(means, axis=0), sorted(by_source)


@lru_cache(maxsize=1)
def _read() -> dict[str, Any]:
    return yaml.safe_load((shipped_folder("models") / _FILE).read_text())
