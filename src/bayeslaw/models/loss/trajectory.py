"""One transition of NUTS in white coordinates, in jax."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

MAX_DEPTH = 10
"""A trajectory doubles at most this often: 1,023 leapfrog steps."""

MAX_ENERGY_ERROR = 1000.0
"""A step that gains more energy than this has diverged."""

Array = Any


class Point(NamedTuple):
    """Hold a place in phase space: position, momentum, slope of the log density."""

    u: Array
    momentum: Array
    slope: Array


class Proposal(NamedTuple):
    """Hold a position with its slope and log density."""

    u: Array
    slope: Array
    log_density: Array


class Noise(NamedTuple):
    """Hold the random numbers of a transition: drawn outside, so that the program is small.

    Attributes:
        momentum: Standard normals ``(coordinate,)``.
        direction: Uniforms, one a doubling: forward where below a half.
        doubling: Uniforms, one a doubling: whether its proposal replaces the older one.
        leaf: Uniforms, one a leapfrog step: whether its place becomes the doubling's proposal.
    """

    momentum: Array
    direction: Array
    doubling: Array
    leaf: Array


class Trajectory(NamedTuple):
    """Hold both ends of a trajectory, what it proposes, and how it went."""

    left: Point
    right: Point
    proposal: Proposal
    log_weight: Array
    momentum_sum: Array
    depth: Array
    turning: Array
    diverging: Array
    acceptance_sum: Array
    n_steps: Array


class _Doubling(NamedTuple):
    end: Point
    proposal: Proposal
    log_weight: Array
    momentum_sum: Array
    # Of the first leaf of every subtree that is still open, by level.
    first_momenta: Array
    first_sums: Array
    n_leaves: Array
    turning: Array
    diverging: Array
    acceptance_sum: Array


def transition(
    value_and_slope: Callable[[Array], tuple[Array, Array]],
    start: Proposal,
    step_size: Array,
    max_depth: Array,
    noise: Noise,
) -> Trajectory:
    """Return a trajectory whose proposal is the chain's next state.

    The program holds the density's gradient once: compiling it is most of a cold fit. A doubling is
    checked as a whole only, as in NumPyro, so where every coordinate has one period and the step
    divides it by a power of two, a trajectory may rarely go round more than once: time, not bias.

    Args:
        value_and_slope: The log density and its gradient at a position.
        start: Where the chain is.
        step_size: Of the leapfrog.
        max_depth: Doublings at most, up to `MAX_DEPTH`.
        noise: Random numbers.

    Source:
        Hoffman and Gelman (2014), JMLR 15, with Betancourt (2017), arXiv:1701.02434: multinomial
        weights, biased towards the newer half. Subtrees are checked without recursion as in Phan,
        Pradhan, Jankowiak (2019), arXiv:1912.11554.
    """
    energy = 0.5 * noise.momentum @ noise.momentum - start.log_density
    here = Point(start.u, noise.momentum, start.slope)
    zero, none = jnp.zeros(()), jnp.int32(0)
    single = Trajectory(
        here,
        here,
        start,
        zero,
        noise.momentum,
        none,
        jnp.array(False),
        jnp.array(False),
        zero,
        none,
    )

    def double(tree: Trajectory) -> Trajectory:
        forward = noise.direction[tree.depth] < 0.5
        half = _double(value_and_slope, tree, forward, step_size, energy, noise)
        odds = half.log_weight - tree.log_weight
        whole = ~half.turning & ~half.diverging
        taken = whole & (jnp.log(noise.doubling[tree.depth]) < odds)
        left = _where(forward, tree.left, half.end)
        right = _where(forward, half.end, tree.right)
        momentum_sum = tree.momentum_sum + half.momentum_sum
        return Trajectory(
            left=left,
            right=right,
            proposal=_where(taken, half.proposal, tree.proposal),
            log_weight=jnp.logaddexp(tree.log_weight, half.log_weight),
            momentum_sum=momentum_sum,
            depth=tree.depth + 1,
            turning=half.turning | _turning(left.momentum, right.momentum, momentum_sum),
            diverging=half.diverging,
            acceptance_sum=tree.acceptance_sum + half.acceptance_sum,
            n_steps=tree.n_steps + half.n_leaves,
        )

    def goes_on(tree: Trajectory) -> Array:
        return (tree.depth < max_depth) & ~tree.turning & ~tree.diverging

    return jax.lax.while_loop(goes_on, double, single)


def _double(
    value_and_slope: Callable[[Array], tuple[Array, Array]],
    tree: Trajectory,
    forward: Array,
    step_size: Array,
    energy: Array,
    noise: Noise,
) -> _Doubling:
    """Add as many leapfrog steps again as the trajectory has, at one of its ends."""
    step = jnp.where(forward, step_size, -step_size)
    n_leaves = jnp.int32(1) << tree.depth
    levels = jnp.arange(MAX_DEPTH)

    def add_leaf(half: _Doubling) -> _Doubling:
        middle = half.end.momentum + 0.5 * step * half.end.slope
        u = half.end.u + step * middle
        log_density, slope = value_and_slope(u)
        momentum = middle + 0.5 * step * slope
        gain = log_density - 0.5 * momentum @ momentum + energy
        gain = jnp.where(jnp.isnan(gain), -jnp.inf, gain)
        log_weight = jnp.logaddexp(half.log_weight, gain)
        taken = jnp.log(noise.leaf[tree.n_steps + half.n_leaves]) < gain - log_weight
        momentum_sum = half.momentum_sum + momentum
        # Leaf i opens a subtree where i is even, at the level of its one bits above the last; where
        # odd it closes as many subtrees as it ends in ones.
        i = half.n_leaves
        opens = i % 2 == 0
        level = jax.lax.population_count(i >> 1)
        n_closed = jax.lax.population_count(i & ~(i + 1))
        kept = (opens & (levels == level))[:, None]
        momenta = jnp.where(kept, momentum, half.first_momenta)
        sums = jnp.where(kept, momentum_sum, half.first_sums)
        closes = ~opens & (levels <= level) & (levels > level - n_closed)
        inside = momentum_sum - sums + momenta
        return _Doubling(
            end=Point(u, momentum, slope),
            proposal=_where(taken, Proposal(u, slope, log_density), half.proposal),
            log_weight=log_weight,
            momentum_sum=momentum_sum,
            first_momenta=momenta,
            first_sums=sums,
            n_leaves=i + 1,
            turning=jnp.any(closes & _turning(momenta, momentum, inside)),
            diverging=gain < -MAX_ENERGY_ERROR,
            acceptance_sum=half.acceptance_sum + jnp.exp(jnp.minimum(gain, 0.0)),
        )

    def goes_on(half: _Doubling) -> Array:
        return (half.n_leaves < n_leaves) & ~half.turning & ~half.diverging

    empty = jnp.zeros((MAX_DEPTH, *tree.momentum_sum.shape))
    start = _Doubling(
        end=_where(forward, tree.right, tree.left),
        proposal=tree.proposal,
        log_weight=jnp.array(-jnp.inf),
        momentum_sum=jnp.zeros_like(tree.momentum_sum),
        first_momenta=empty,
        first_sums=empty,
        n_leaves=jnp.int32(0),
        turning=jnp.array(False),
        diverging=jnp.array(False),
        acceptance_sum=jnp.zeros(()),
    )
    return jax.lax.while_loop(goes_on, add_leaf, start)


def _turning(first: Array, last: Array, total: Array) -> Array:
    """Return whether either end of a stretch moves towards the other, ``(...,)``."""
    middle = total - 0.5 * (first + last)
    return ((first * middle).sum(-1) <= 0) | ((last * middle).sum(-1) <= 0)


def _where(condition: Array, here: Any, there: Any) -> Any:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), here, there)
