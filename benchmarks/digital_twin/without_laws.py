"""Methods that know of no law: they search shapes at one affordable size and carry the best over.

The size is fixed: with size among the parameters a search for the least loss drifts to the largest
networks and learns shape last. Runs see the target's tokens a weight. A proxy run costs a
hundredth of the target's, so that the budget pays for all sixty.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from bayeslaw.space import Architecture, Candidate
from benchmarks.digital_twin.decide import LatencyAnswer, decide
from benchmarks.digital_twin.shapes import GQA_GROUPS, coordinates, draw_shapes
from benchmarks.digital_twin.trace import BATCHES, Trace
from benchmarks.digital_twin.world import TARGET_PARAMS, World
from benchmarks.peers.optimiser import Optimiser

PROXY_COST = 1 / 100
"""Of the target's run."""

_N_SHAPES = 1500
_NAMES = ("relative_width", "aspect_ratio", "mlp_attention_ratio", "gqa_group")
_SPACE = (
    {"name": "relative_width", "kind": "float", "low": 0.035, "high": 0.17, "log": True},
    {"name": "aspect_ratio", "kind": "float", "low": 15.0, "high": 310.0, "log": True},
    {"name": "mlp_attention_ratio", "kind": "float", "low": 0.4, "high": 6.5, "log": True},
    {"name": "gqa_group", "kind": "ordered", "values": list(GQA_GROUPS)},
)
PEERS = {"ax": "ax", "optuna_gp": "optuna_gp", "random_best": None}


def follow(world: World, latency: LatencyAnswer, method: str) -> Trace:
    """Search until the rounds or the budget end."""
    started = time.perf_counter()
    trace = Trace()
    proxy = _Proxy(world, latency)
    peer = PEERS[method]
    if peer is None:
        _search(world, latency, proxy, _Chance(world.seed), trace, by_surrogate=False)
    else:
        limits = {"tpot_share": 0.95} if world.decision == "loss" else {"loss": proxy.limit()}
        objective = "loss" if world.decision == "loss" else "tpot_share"
        with Optimiser(
            peer, space=_SPACE, objectives=[objective], limits=limits, seed=world.seed
        ) as optimiser:
            _search(world, latency, proxy, optimiser, trace, by_surrogate=True)
    trace.seconds = time.perf_counter() - started
    return trace


class _Proxy:
    """The lab at the proxy's size: any shape may be built, its target twin's latency is known."""

    def __init__(self, world: World, latency: LatencyAnswer) -> None:
        self.world = world
        size = TARGET_PARAMS * PROXY_COST**0.5
        self.n_tokens = int(world.target_tokens * PROXY_COST**0.5)
        self.shapes = draw_shapes(_N_SHAPES, size, 2000 + world.seed)
        self.places = coordinates(self.shapes)
        self.targets = coordinates([c.architecture for c in world.targets])
        self.spread = self.targets.std(axis=0)
        self.at_baseline = coordinates([world.baseline.architecture])[0]
        # What serving a proxy's shape at the target would take: its nearest target's latency.
        twin = self.nearest(self.targets, self.places)
        self.tpot_share = latency.tpot_share[twin]
        self.tried: list[int] = []
        self.losses: list[float] = []
        self.hours = 0.0

    def limit(self) -> float:
        """Run the baseline's shape and return its loss."""
        return self.run(int(self.nearest(self.places, self.at_baseline[None])[0]))["loss"]

    def nearest(self, among: np.ndarray, asked: np.ndarray) -> np.ndarray:
        """Return the nearest place of each asked one, in spreads of the targets ``(asked,)``."""
        away = (asked[:, None] - among[None]) / self.spread
        return np.argmin((away**2).sum(axis=-1), axis=1)

    def snap(self, parameters: dict[str, Any]) -> int:
        """Return the shape nearest to parameters."""
        asked = np.log([[float(parameters[name]) for name in _NAMES]])
        away = (((asked - self.places) / self.spread) ** 2).sum(axis=1)
        away[self.tried] = np.inf
        return int(np.argmin(away))

    def run(self, place: int) -> dict[str, float]:
        """Train one shape and return what is told of it."""
        candidate = Candidate(self.shapes[place], self.n_tokens)
        loss = float(self.world.table.losses([candidate])[0])
        self.tried.append(place)
        self.losses.append(loss)
        self.hours += self.world.hours(candidate)
        return {"loss": loss, "tpot_share": float(self.tpot_share[place])}

    def parameters(self, place: int) -> dict[str, Any]:
        """Return a shape as the peers name it, held inside their bounds."""
        shape: Architecture = self.shapes[place]
        found: dict[str, Any] = {}
        for given in _SPACE:
            value = getattr(shape, given["name"])
            found[given["name"]] = (
                int(value)
                if "values" in given
                else float(np.clip(value, given["low"], given["high"]))
            )
        return found


class _Chance:
    """Shapes by chance, in an optimiser's words."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng([seed, 41])

    def ask(self, n: int) -> list[dict[str, Any]]:
        """Return parameters drawn log-uniformly."""
        return [{"token": None, "parameters": self._draw()} for _ in range(n)]

    def tell(self, runs: Sequence[Any]) -> float:
        """Learn nothing."""
        return 0.0

    def _draw(self) -> dict[str, Any]:
        drawn: dict[str, Any] = {}
        for given in _SPACE:
            if "values" in given:
                drawn[given["name"]] = int(self.rng.choice(given["values"]))
            else:
                low, high = np.log([given["low"], given["high"]])
                drawn[given["name"]] = float(np.exp(self.rng.uniform(low, high)))
        return drawn


def _search(
    world: World,
    latency: LatencyAnswer,
    proxy: _Proxy,
    optimiser: Optimiser | _Chance,
    trace: Trace,
    *,
    by_surrogate: bool,
) -> None:
    if proxy.tried:  # the baseline's run, which set the limit
        told = {"loss": proxy.losses[0], "tpot_share": float(proxy.tpot_share[proxy.tried[0]])}
        optimiser.tell([{"parameters": proxy.parameters(proxy.tried[0]), "values": told}])
    for n_runs in np.cumsum(BATCHES):
        told = []
        for asked in optimiser.ask(int(n_runs) - len(proxy.tried)):
            place = proxy.snap(asked["parameters"])
            values = proxy.run(place)
            told.append(
                {
                    "parameters": proxy.parameters(place),
                    "values": values,
                    "token": asked["token"],
                }
            )
        if proxy.hours > world.budget_hours:
            break
        optimiser.tell(told)
        losses = _by_surrogate(proxy) if by_surrogate else _by_nearest(world, latency, proxy)
        trace.add(world, proxy.hours, len(proxy.tried), decide(world, latency, losses))


def _by_surrogate(proxy: _Proxy) -> np.ndarray:
    """Return what the peers' default surrogate says of every target's shape and the baseline's.

    BoTorch's `SingleTaskGP` with its own priors on standardised log shapes: Ax's default, and a
    better reading of Optuna's runs than its best one, which noise flatters.
    """
    places = proxy.places[proxy.tried]
    return _posterior_mean(
        places.tobytes(), len(places), tuple(proxy.losses),
        np.concatenate([proxy.targets, proxy.at_baseline[None]]).tobytes(),
    )  # fmt: skip


@lru_cache(maxsize=4)
def _posterior_mean(
    places: bytes, n_places: int, losses: tuple[float, ...], asked: bytes
) -> np.ndarray:
    import torch
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from botorch.models.transforms import Normalize, Standardize
    from gpytorch.mlls import ExactMarginalLogLikelihood

    inputs = torch.tensor(np.frombuffer(places).reshape(n_places, -1).copy())
    questions = torch.tensor(np.frombuffer(asked).reshape(-1, inputs.shape[1]).copy())
    outputs = torch.tensor(losses, dtype=torch.float64)[:, None]
    model = SingleTaskGP(
        inputs,
        outputs,
        input_transform=Normalize(inputs.shape[1]),
        outcome_transform=Standardize(1),
    )
    fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
    with torch.no_grad():
        return model.posterior(questions).mean[:, 0].numpy()


def _by_nearest(world: World, latency: LatencyAnswer, proxy: _Proxy) -> np.ndarray:
    """Return losses that put the nearest fast target of the best run first.

    Best observed: without a model a run's loss is all that is known of its shape.
    """
    losses = np.array(proxy.losses)
    if world.decision == "loss":
        keeps = proxy.tpot_share[proxy.tried] <= 0.95
        worth = np.where(keeps, losses, np.inf) if keeps.any() else losses
        chosen = proxy.places[proxy.tried[int(np.argmin(worth))]]
        away = (((proxy.targets - chosen) / proxy.spread) ** 2).sum(axis=1)
        return np.append(away, np.inf)
    nearest = proxy.nearest(proxy.places[proxy.tried], proxy.targets)
    limit = losses[proxy.nearest(proxy.places[proxy.tried], proxy.at_baseline[None])[0]]
    return np.append(losses[nearest], limit)
