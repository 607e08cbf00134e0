"""How wrong a law's form may be: Brownian paths, in log cost and in log tokens per weight.

Every law form is overconfident beyond the data. On 14 public tables, predicting runs 2-20 times
costlier than any fitted, a Chinchilla fit's 90 % interval held 59-64 % of them. So log loss gets two
errors, ``tau W(d)`` with ``d = log(C / C_max)`` and ``rho V(u)`` with u the log of tokens per weight
against the middle of the runs (docs/extrapolation.md says what each buys).

*Below* the costliest run both are part of the likelihood: the cheaper a run, the more of its loss the
form may owe to itself, so it says less about what lies beyond; and what the form gets wrong for few
or many tokens a weight repeats from budget to budget, so it is learnt and carried along. *Beyond* it
nothing is known of W, so it is drawn, `ScalePrior.reach` times as large as the runs show. Most of it
is shared by all architectures of one cost (two candidates are wrong together, so their order is
kept); a share is an architecture's own, and alike for architectures that are alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from scipy.sparse import csr_array

from bayeslaw.errors import InvalidInputError

N_NODES = 6
"""Steps of the path below the frontier.

Between nodes the path is a straight line; what is lost (a sixth of a step's variance on average)
the noise takes up.
"""

N_SIDE_NODES = 6
"""Steps of the path along tokens per weight."""

VALIDATED_COST_RATIO = 20.0
"""The costliest prediction, over the costliest fitted run, that the public tables checked."""

OWN_SHARES: Mapping[str, float] = {
    "tokens_per_param": 0.15,
    "aspect_ratio": 0.30,
    "mlp_attention_ratio": 0.30,
}
"""Share of the variance that is an architecture's own, by what tells architectures apart.

Of pairs at one cost, 90 % intervals of their difference held .850 at .05 for tokens per weight and
.930 at 1 (benchmarks.extrapolation, 20 tables); .15 was then taken, so it is not blind. The shape
shares are rounded down from our tiny suite's .63 [.22, .90], for laws know a part of shape.
"""

_LENGTH = 1.0  # of every feature: a factor e in it makes two architectures' own errors differ

# A path is drawn on nodes that are 4 % apart, so linear interpolation loses at most 1 % of the
# variance anywhere; 30 is 1e13 times the costliest run.
_NODES = np.concatenate([[0.0], np.geomspace(0.01, 30.0, 204)])


def downward_basis(
    behind: np.ndarray, span: float | None = None, n_nodes: int = N_NODES
) -> np.ndarray:
    """Return what each standard-normal step adds to a unit path at each distance.

    Args:
        behind: ``log(C_max / C)``, ``(run,)``; not positive is the frontier itself.
        span: Distance of the last node; the furthest run's when left out. Beyond it the path stays.
        n_nodes: Steps.

    Returns:
        ``(run, node)``; a path at run i is ``basis[i] @ steps``.

    >>> downward_basis(np.array([0.0, 1.0, 4.0])) @ np.ones(N_NODES)
    array([0.        , 1.22474487, 4.89897949])
    """
    span = float(behind.max()) if span is None else span
    step = max(span, 1e-9) / n_nodes
    return np.sqrt(step) * np.clip(behind[:, None] / step - np.arange(n_nodes), 0.0, 1.0)


def sideways_basis(offset: np.ndarray, ends: tuple[float, float] | None = None) -> np.ndarray:
    """Return what each standard-normal step adds to a smooth unit path, 0 at offset 0.

    Steps rise over two intervals each, with no corner anywhere: an optimum along tokens per weight
    must not sit on one.

    Args:
        offset: Log tokens per weight from the middle of the runs, ``(run,)``.
        ends: Between which the path moves, the least and the greatest offset when left out;
            outside it stays.

    Returns:
        ``(run, node)``.

    >>> sideways_basis(np.array([-1.0, 0.0, 2.0]))[1].tolist() == [0.0] * N_SIDE_NODES
    True
    """
    low, high = ends if ends is not None else (float(offset.min()), float(offset.max()))
    step = max(high - low, 1e-9) / N_SIDE_NODES

    def risen(at: np.ndarray) -> np.ndarray:
        share = np.clip(((at[:, None] - low) / step - np.arange(N_SIDE_NODES) + 0.5) / 2, 0.0, 1.0)
        return share**2 * (3 - 2 * share)

    return np.sqrt(step) * (risen(np.clip(offset, low, high)) - risen(np.zeros(1)))


def forward_error(
    log_cost_distance: np.ndarray,
    features: Mapping[str, np.ndarray],
    path_ids: np.ndarray,
    *,
    seed: int,
    own_shares: Mapping[str, float] = OWN_SHARES,
) -> np.ndarray:
    """Return unit paths beyond the frontier, ``(draw, candidate)``, to be scaled by tau.

    A path is a fixed function of distance and features: the same seed and path id give the same
    error, whatever else is asked, so separate calls agree and one draw is one coherent curve.

    Args:
        log_cost_distance: ``log(C / C_max)``, ``(candidate,)``; 0 error where not positive.
        features: What tells architectures of one cost apart, logarithms ``(candidate,)`` by the
            names of ``own_shares``; unknown ones are shared.
        path_ids: Which path each draw has, ``(draw,)`` integers.
        seed: Of the paths.
        own_shares: As `OWN_SHARES`; none at all gives one path for every architecture.

    Raises:
        InvalidInputError: A candidate is more than 1e13 times costlier than any run.

    >>> distance = np.array([-1.0, 0.0, 2.0])
    >>> error = forward_error(distance, {}, np.arange(4000), seed=0)
    >>> error.std(axis=0).round(1).tolist()
    [0.0, 0.0, 1.4]
    """
    distance = np.maximum(np.asarray(log_cost_distance, dtype=float), 0.0)
    if (distance > _NODES[-1]).any():
        raise InvalidInputError(
            f"a candidate costs exp({distance.max():.1f}) times the costliest run; predictions "
            f"stop at exp({_NODES[-1]:.0f}): check the units of N and D"
        )
    is_beyond = distance > 0
    if not is_beyond.all():
        error = np.zeros((len(path_ids), len(distance)))
        if is_beyond.any():
            further = {name: np.asarray(features[name])[is_beyond] for name in features}
            error[:, is_beyond] = forward_error(
                distance[is_beyond], further, path_ids, seed=seed, own_shares=own_shares
            )
        return error
    known = {name: features[name] for name in own_shares if name in features}
    own = sum(own_shares[name] for name in known)
    shared = _walk(distance, path_ids, seed, 2)
    if own == 0:
        return shared
    # A cosine and a sine of one random frequency a draw: variance exactly one, and correlation
    # over draws the squared exponential of the features' distance.
    angle = _phase(known, own_shares, path_ids, seed)
    cosine = np.cos(angle) * _walk(distance, path_ids, seed, 3)
    sine = np.sin(angle) * _walk(distance, path_ids, seed, 4)
    return np.sqrt(1 - own) * shared + np.sqrt(own) * (cosine + sine)


def _phase(
    features: Mapping[str, np.ndarray],
    own_shares: Mapping[str, float],
    path_ids: np.ndarray,
    seed: int,
) -> np.ndarray:
    """Return the angle of each draw at each candidate; a draw's frequency is along one feature."""
    names: Sequence[str] = list(features)
    # Two streams, so that path i is the same for any number of paths beyond it.
    n_paths = int(path_ids.max()) + 1
    shares = np.array([own_shares[name] for name in names])
    features_of = np.random.default_rng([seed, 5])
    chosen = features_of.choice(len(names), n_paths, p=shares / shares.sum())[path_ids]
    frequency = np.random.default_rng([seed, 8]).standard_normal(n_paths)[path_ids] / _LENGTH
    values = np.stack([np.asarray(features[name], float) for name in names])
    return frequency[:, None] * values[chosen]


def _walk(distance: np.ndarray, path_ids: np.ndarray, seed: int, stream: int) -> np.ndarray:
    paths = _paths(int(path_ids.max()) + 1, seed, stream)[path_ids]
    right = np.clip(np.searchsorted(_NODES, distance), 1, len(_NODES) - 1)
    share = (distance - _NODES[right - 1]) / (_NODES[right] - _NODES[right - 1])
    # Two nodes a candidate: as a sparse product this takes a third of the time of picking columns.
    between = csr_array(
        (
            np.stack([1 - share, share], axis=1).ravel(),
            np.stack([right - 1, right], axis=1).ravel(),
            np.arange(0, 2 * len(distance) + 1, 2),
        ),
        shape=(len(distance), len(_NODES)),
    )
    return np.ascontiguousarray((between @ paths.T).T)


@lru_cache(maxsize=12)
def _paths(n_paths: int, seed: int, stream: int) -> np.ndarray:
    """Return standard Brownian paths ``(path, node)``; path i is the same for any n_paths > i."""
    normals = np.random.default_rng([seed, stream]).standard_normal((n_paths, len(_NODES) - 1))
    steps = normals * np.sqrt(np.diff(_NODES))
    paths = np.concatenate([np.zeros((n_paths, 1)), np.cumsum(steps, axis=1)], axis=1)
    paths.setflags(write=False)
    return paths
