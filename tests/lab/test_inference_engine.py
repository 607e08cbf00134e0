from dataclasses import replace
from functools import partial

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from bayeslaw.errors import InvalidInputError, UnavailableError
from bayeslaw.lab import BACKENDS, Network, attention_backend
from bayeslaw.lab.inference import Engine
from bayeslaw.space import Workload

SERVED = Workload(batch_size=3, prompt_tokens=12, output_tokens=9)


def a_network(architecture, attention="sdpa_flash", dtype=torch.float32, device="cpu"):
    network = Network(architecture, BACKENDS[attention], SERVED.context, seed=1)
    return network.to(device, dtype)


def random_tokens(architecture, time):
    generator = torch.Generator().manual_seed(7)
    return torch.randint(architecture.vocab_size, (SERVED.batch_size, time), generator=generator)


@pytest.mark.parametrize("attention", ["math", "sdpa_flash"])
def test_a_step_does_what_the_network_does_at_that_length(tiny, attention):
    network = a_network(tiny, attention)
    engine = Engine(network, SERVED)
    engine.prefill()
    for context in (12, 15, 19):  # in no order a generation would have: stale entries are read
        engine.tokens.copy_(random_tokens(tiny, 1)[:, 0])
        cache = network.new_cache(SERVED.batch_size)
        cache.keys.copy_(engine.cache.keys)
        cache.values.copy_(engine.cache.values)
        cache.length = context
        logits = network.decode(engine.tokens, cache)
        engine.step_at(context)()
        assert torch.equal(engine.tokens, logits.argmax(dim=-1))
        torch.testing.assert_close(engine.cache.keys, cache.keys, rtol=0, atol=0)
        torch.testing.assert_close(engine.cache.values, cache.values, rtol=0, atol=0)


def test_a_generation_is_prefill_and_decode_in_a_loop(tiny):
    network = a_network(tiny)
    engine = Engine(network, SERVED)
    engine.prompt.copy_(random_tokens(tiny, 12))
    cache = network.new_cache(SERVED.batch_size)
    expected = [network.prefill(engine.prompt, cache).argmax(dim=-1)]
    while len(expected) < SERVED.output_tokens:
        expected.append(network.decode(expected[-1], cache).argmax(dim=-1))
    generated = engine.generate().clone()
    assert torch.equal(generated, torch.stack(expected, dim=1))
    assert len(set(generated.flatten().tolist())) > 3  # else any loop would pass
    engine.step_at(15)()
    assert torch.equal(engine.generate(), generated)  # nothing is left over from another step


def test_buffers_keep_their_addresses(tiny):
    engine = Engine(a_network(tiny), SERVED)
    held = (engine.prompt, engine.tokens, engine.cache.keys, engine.cache.values)
    before = [tensor.data_ptr() for tensor in held]
    assert engine.prefill().data_ptr() == engine.tokens.data_ptr()
    engine.generate()
    after = (engine.prompt, engine.tokens, engine.cache.keys, engine.cache.values)
    assert [tensor.data_ptr() for tensor in after] == before
    assert engine.step_at(14) is engine.step_at(14)


class Allocations(TorchDispatchMode):
    """Note the size of whatever is allocated anew; views of what was there are not."""

    def __init__(self, known):
        super().__init__()
        self.known = {tensor.untyped_storage().data_ptr() for tensor in known}
        self.sizes = {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        found = function(*args, **(kwargs or {}))
        for tensor in found if isinstance(found, tuple | list) else (found,):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                if storage.data_ptr() not in self.known:
                    self.sizes[str(function)] = max(
                        self.sizes.get(str(function), 0), storage.nbytes()
                    )
        return found


def test_a_step_copies_no_cache(tiny):
    served = Workload(batch_size=3, prompt_tokens=1000, output_tokens=9)
    network = Network(tiny, BACKENDS["sdpa_flash"], served.context)
    engine = Engine(network, served)
    engine.prefill()
    engine.cache.length = 1000
    a_layer = engine.cache.keys[0].nbytes
    known = [*network.parameters(), *network.buffers(), engine.cache.keys, engine.cache.values]
    with torch.no_grad(), Allocations(known) as seen:
        network.decode(engine.tokens, engine.cache)
    assert any("flash" in name for name in seen.sizes)
    assert max(seen.sizes.values()) < a_layer / 4, seen.sizes


def test_a_compiled_engine_generates_the_same(tiny, monkeypatch):
    # Compiling takes seconds, so here it is traced only: what is tested is our wiring.
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    compiled = Engine(a_network(tiny), SERVED, compiled=True)
    assert torch.equal(compiled.generate(), Engine(a_network(tiny), SERVED).generate())


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda n: Engine(n, SERVED, graphs=True), "graphs are CUDA's"),
        (lambda n: Engine(n, Workload(1, 20, 2)), "needs a context of 22 tokens"),
        (lambda n: Engine(n.to(torch.bfloat16), SERVED), "the network has torch.bfloat16"),
        (lambda n: Engine(n, SERVED).step_at(21), "1 to 20 tokens in the cache, got 21"),
        (lambda n: Engine(n, SERVED).step_at(0), "got 0"),
    ],
)
def test_what_cannot_be_served_is_refused(tiny, change, complaint):
    with pytest.raises(InvalidInputError, match=complaint):
        change(a_network(tiny))


@pytest.mark.gpu
@pytest.mark.parametrize("attention", ["sdpa_flash", "fa3_fwd"])
def test_graphs_generate_what_eager_steps_do(tiny, attention):
    served = Workload(3, 12, 9, precision="bfloat16")
    wide = replace(tiny, head_dim=64)
    try:
        attention_backend(attention, "cuda", torch.bfloat16, 64)
    except UnavailableError as error:
        pytest.skip(str(error))
    network = a_network(wide, attention, torch.bfloat16, "cuda")
    graphed, eager = Engine(network, served), Engine(network, served, graphs=False)
    assert graphed.graphs and not eager.graphs
    assert torch.equal(graphed.generate(), eager.generate())
    assert torch.equal(graphed.generate(), eager.generate())


@pytest.mark.gpu
def test_a_graphed_step_copies_no_cache(tiny):
    wide = replace(tiny, head_dim=64, n_heads=8, n_kv_heads=2)
    served = Workload(4, 60_000, 2, precision="bfloat16")
    with torch.device("cuda"):
        network = Network(wide, BACKENDS["sdpa_flash"], served.context).to(torch.bfloat16)
    engine = Engine(network, served, graphs=False)
    step = engine.step_at(60_000)
    step()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    step()
    assert torch.cuda.max_memory_allocated() - before < engine.cache.keys[0].nbytes / 4
