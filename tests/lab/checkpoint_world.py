"""A small state, and what is to be the same about it, for tests of checkpoints."""

import copy
import os

import torch

from bayeslaw.lab.train.checkpoint import Checkpoints, State

ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


def a_state(seed=0, optimizer=torch.optim.AdamW):
    torch.manual_seed(seed)
    network = torch.nn.Sequential(torch.nn.Linear(16, 64), torch.nn.Linear(64, 8))
    return State(network, optimizer(network.parameters(), lr=1e-2))


def step(state, n=1):
    for number in range(n):
        torch.manual_seed(number)
        state.optimizer.zero_grad()
        state.network(torch.randn(4, 16)).square().mean().backward()
        state.optimizer.step()


def everything(state):
    return copy.deepcopy([state.network.state_dict(), state.optimizer.state_dict(), state.trunk])


def assert_same(left, right):
    assert type(left) is type(right)
    if isinstance(left, torch.Tensor):
        assert (left.dtype, left.shape) == (right.dtype, right.shape)
        assert torch.equal(left, right)
    elif isinstance(left, dict):
        assert list(left) == list(right)
        for key in left:
            assert_same(left[key], right[key])
    elif isinstance(left, (list, tuple)):
        assert len(left) == len(right)
        for one, other in zip(left, right, strict=True):
            assert_same(one, other)
    else:
        assert left == right


def saved(folder, n_steps=2, fingerprint="job"):
    """Save a state after some steps; return it."""
    state = a_state()
    step(state, n_steps)
    checkpoints = Checkpoints(folder, fingerprint)
    checkpoints.save(state, {"step": n_steps})
    checkpoints.wait()
    return state


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
