"""Who is replayed: each yields rows of a pool, and is sent what they measured."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np

from bayeslaw.search.pool_search import PoolSearch
from benchmarks.peers.optimiser import Optimiser
from benchmarks.replay.pools import OBJECTIVES, Pool

Asking = Generator[int, np.ndarray, None]
"""Yields rows, is sent their values ``(objective,)``."""

PEERS = ("ax", "botorch_qlognehvi", "optuna_gp", "optuna_tpe", "optuna_nsga2")
METHODS = ("ours", *PEERS, "random")


def ask(method: str, pool: Pool, seed: int) -> Asking:
    """Start a method on a pool."""
    if method == "ours":
        return _ours(pool, seed)
    if method == "random":
        return _random(pool, seed)
    if method == "botorch_qlognehvi":
        return _given_the_pool(method, pool, seed)
    return _given_the_space(method, pool, seed)


def _ours(pool: Pool, seed: int) -> Asking:
    search = PoolSearch(pool.columns, objectives=OBJECTIVES, seed=seed)
    while True:
        (row,) = search.ask()
        values = yield row
        search.tell(row, values.tolist())


def _random(pool: Pool, seed: int) -> Asking:
    for row in np.random.default_rng(seed).permutation(len(pool)):
        yield int(row)


def _given_the_pool(method: str, pool: Pool, seed: int) -> Asking:
    space: list[dict[str, Any]] = [
        {"name": "row", "kind": "pool", "features": pool.features.tolist()}
    ]
    with Optimiser(method, space=space, objectives=OBJECTIVES, seed=seed) as peer:
        while True:
            row = peer.ask()[0]["parameters"]["row"]
            values = yield row
            peer.tell([{"parameters": {"row": row}, "values": _named(values)}])


def _given_the_space(method: str, pool: Pool, seed: int) -> Asking:
    """Take the row nearest to what the peer proposes; tell it that row's own choices.

    Choices of layers that the row has not are told as they were proposed.
    """
    taken: list[int] = []
    with Optimiser(method, space=pool.space, objectives=OBJECTIVES, seed=seed) as peer:
        while True:
            asked = peer.ask()[0]
            row = pool.nearest(asked["parameters"], taken)
            taken.append(row)
            values = yield row
            told = asked["parameters"] | pool.parameters(row)
            run = {"token": asked["token"], "parameters": told, "values": _named(values)}
            peer.tell([run])


def _named(values: np.ndarray) -> dict[str, float]:
    return dict(zip(OBJECTIVES, map(float, values), strict=True))
