import importlib.util

import pytest
import torch

from bayeslaw.errors import InvalidInputError, UnavailableError
from bayeslaw.lab import BACKENDS, attention_backend

RUNS_ON_CPU = ("math", "sdpa_flash")


def draw(n_heads, n_kv_heads, query_time, key_time, dtype, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = [(query_time, n_heads), (key_time, n_kv_heads), (key_time, n_kv_heads)]
    return [
        torch.randn(2, time, heads, 16, generator=generator, dtype=torch.float64)
        .to(dtype)
        .requires_grad_()
        for time, heads in shapes
    ]


def reference(query, key, value, causal):
    """Attend head by head in float64, written apart from the library's own code."""
    group = query.shape[2] // key.shape[2]
    out = []
    for head in range(query.shape[2]):
        q, k, v = query[:, :, head], key[:, :, head // group], value[:, :, head // group]
        scores = q @ k.transpose(1, 2) / q.shape[-1] ** 0.5
        if causal:
            scores = scores + torch.full(scores.shape[1:], -torch.inf).double().triu(1)
        out.append(scores.exp() / scores.exp().sum(-1, keepdim=True) @ v)
    return torch.stack(out, dim=2)


def relative_error(ours, exact):
    return ((ours.double() - exact).norm() / exact.norm()).item()


@pytest.mark.parametrize("name", RUNS_ON_CPU)
@pytest.mark.parametrize(("n_heads", "n_kv_heads"), [(4, 4), (6, 2), (4, 1)])
@pytest.mark.parametrize(("query_time", "key_time", "causal"), [(33, 33, True), (1, 50, False)])
def test_every_backend_agrees_with_float64_math_forward_and_backward(
    name, n_heads, n_kv_heads, query_time, key_time, causal
):
    ours = draw(n_heads, n_kv_heads, query_time, key_time, torch.float32)
    exact = [tensor.detach().double().requires_grad_() for tensor in ours]
    out, out_exact = BACKENDS[name](*ours, causal), reference(*exact, causal)
    assert relative_error(out, out_exact) < 1e-5
    upstream = torch.randn(out.shape, generator=torch.Generator().manual_seed(1))
    out.backward(upstream)
    out_exact.backward(upstream.double())
    for tensor, tensor_exact in zip(ours, exact, strict=True):
        assert relative_error(tensor.grad, tensor_exact.grad) < 1e-5


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["sdpa_flash", "flash_attn"])
def test_cuda_backends_agree_with_float64_math(name):
    if name == "flash_attn" and importlib.util.find_spec("flash_attn") is None:
        pytest.skip("flash-attn is not installed")
    ours = [t.detach().cuda() for t in draw(6, 2, 64, 64, torch.bfloat16)]
    out = attention_backend(name, "cuda", torch.bfloat16, 16)(*ours, True)
    assert relative_error(out, reference(*[t.cpu().double() for t in ours], True).cuda()) < 1e-2


def test_sdpa_flash_really_runs_the_flash_kernel():
    out = BACKENDS["sdpa_flash"](*draw(4, 2, 16, 16, torch.float32), True)
    names, node = [], out.grad_fn
    while node is not None:
        names.append(node.name())
        node = node.next_functions[0][0] if node.next_functions else None
    assert any("FlashAttention" in name for name in names)


@pytest.mark.parametrize("name", sorted(BACKENDS))
def test_causal_attention_refuses_more_keys_than_queries(name):
    if name == "flash_attn" and importlib.util.find_spec("flash_attn") is None:
        pytest.skip("its check is the same line, behind the import")
    with pytest.raises(InvalidInputError, match="as many queries as keys"):
        BACKENDS[name](*draw(2, 2, 1, 5, torch.float32), True)


@pytest.mark.skipif(importlib.util.find_spec("flash_attn") is not None, reason="it is installed")
def test_missing_flash_attn_says_how_to_install_it():
    with pytest.raises(UnavailableError, match=r"pip install 'bayeslaw\[flash\]'"):
        attention_backend("flash_attn", "cuda", torch.bfloat16, 64)


def test_an_unknown_backend_is_refused_with_the_known_ones():
    with pytest.raises(InvalidInputError, match="'flash_attn', 'math', 'sdpa_flash'"):
        attention_backend("flash")


def test_flash_on_cuda_asks_for_half_precision_and_a_fitting_head():
    with pytest.raises(InvalidInputError, match="bfloat16 or float16"):
        attention_backend("sdpa_flash", "cuda", torch.float32, 64)
    with pytest.raises(InvalidInputError, match="multiple of 8"):
        attention_backend("sdpa_flash", "cuda", torch.bfloat16, 12)


def test_every_installed_backend_has_a_version():
    assert (
        BACKENDS["math"].version == BACKENDS["sdpa_flash"].version == f"torch {torch.__version__}"
    )
