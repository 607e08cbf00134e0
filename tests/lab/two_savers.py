"""Two processes that train one network keep one checkpoint: two_savers.py FOLDER."""

import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist

from bayeslaw.lab.train.checkpoint import Checkpoints, State

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    child = os.fork()
    rank = 1 if child == 0 else 0
    dist.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=2)
    torch.manual_seed(0)
    network = torch.nn.Linear(4, 4)
    state = State(network, torch.optim.AdamW(network.parameters(), fused=True))
    for number in range(3):
        network(torch.ones(2, 4)).square().sum().backward()
        state.optimizer.step()
        checkpoints = Checkpoints(folder, "job")
        checkpoints.save(state, {"step": number})
        # Meanwhile the processes talk to each other, as training does.
        dist.all_reduce(network.weight.detach().clone())
        checkpoints.wait()
    dist.barrier()
    expected = network.weight.detach().clone()
    torch.nn.init.zeros_(network.weight)
    assert Checkpoints(folder, "job").load(state) == {"step": 2}
    assert torch.equal(network.weight, expected)
    if rank == 1:
        checkpoints.remove()  # not its to remove
    dist.barrier()
    dist.destroy_process_group()
    if rank == 1:
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
