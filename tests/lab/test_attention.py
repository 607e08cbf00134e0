import importlib.util
import os
import subprocess
import sys
from importlib import metadata

import pytest
import torch

from bayeslaw.errors import InvalidInputError, UnavailableError
from bayeslaw.lab import BACKENDS, Network, attention_backend

HEADS = [(4, 4), (6, 2), (4, 1)]  # MHA, GQA, MQA
SHAPES = [(33, 33, True), (33, 33, False), (1, 50, False)]  # prompt, both ways; decode
BOUNDS = {torch.float32: 1e-5, torch.bfloat16: 1e-2}
FORWARD_ONLY = ("fa3_fwd",)


def draw(n_heads, n_kv_heads, query_time, key_time, dtype, head_dim=16, device="cpu"):
    generator = torch.Generator().manual_seed(0)
    shapes = [(query_time, n_heads), (key_time, n_kv_heads), (key_time, n_kv_heads)]
    return [
        torch.randn(2, time, heads, head_dim, generator=generator, dtype=torch.float64)
        .to(device, dtype)
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
    """Return the norm of the difference over the norm of what is exact."""
    return ((ours.detach().cpu().double() - exact).norm() / exact.norm()).item()


def check_against_float64(attend, ours, causal, bound, has_backward=True):
    """Compare output and all gradients with float64 math on the same (rounded) inputs."""
    exact = [tensor.detach().cpu().double().requires_grad_() for tensor in ours]
    out_exact = reference(*exact, causal)
    if not has_backward:
        with torch.no_grad():
            out = attend(*(tensor.detach() for tensor in ours), causal)
        assert relative_error(out, out_exact) < bound
        return
    out = attend(*ours, causal)
    assert out.dtype == ours[0].dtype
    assert relative_error(out, out_exact) < bound
    upstream = torch.randn(out.shape, generator=torch.Generator().manual_seed(1)).to(out.dtype)
    out.backward(upstream.to(out.device))
    out_exact.backward(upstream.double())
    for tensor, tensor_exact in zip(ours, exact, strict=True):
        assert relative_error(tensor.grad, tensor_exact.grad) < bound


@pytest.mark.parametrize("name", ["math", "sdpa_flash"])
@pytest.mark.parametrize("dtype", BOUNDS)
@pytest.mark.parametrize(("n_heads", "n_kv_heads"), HEADS)
@pytest.mark.parametrize(("query_time", "key_time", "causal"), SHAPES)
def test_every_cpu_backend_agrees_with_float64_math_forward_and_backward(
    name, dtype, n_heads, n_kv_heads, query_time, key_time, causal
):
    ours = draw(n_heads, n_kv_heads, query_time, key_time, dtype)
    attend = attention_backend(name, "cpu", dtype, 16)
    check_against_float64(attend, ours, causal, BOUNDS[dtype])


@pytest.mark.gpu
@pytest.mark.parametrize("name", sorted(BACKENDS))
@pytest.mark.parametrize("dtype", BOUNDS)
@pytest.mark.parametrize("head_dim", [64, 128])
@pytest.mark.parametrize(("n_heads", "n_kv_heads"), HEADS)
@pytest.mark.parametrize(("query_time", "key_time", "causal"), [*SHAPES, (256, 256, True)])
def test_every_cuda_backend_agrees_with_float64_math_forward_and_backward(
    name, dtype, head_dim, n_heads, n_kv_heads, query_time, key_time, causal
):
    try:
        attend = attention_backend(name, "cuda", dtype, head_dim)
    except UnavailableError as error:
        pytest.skip(str(error))
    except InvalidInputError as error:
        assert dtype == torch.float32 and name not in ("math", "flex"), error
        pytest.skip("flash kernels take half precision")
    ours = draw(n_heads, n_kv_heads, query_time, key_time, dtype, head_dim, "cuda")
    check_against_float64(attend, ours, causal, BOUNDS[dtype], name not in FORWARD_ONLY)
    torch.compiler.reset()  # FlexAttention compiles for 8 kinds of shapes a process


@pytest.fixture
def flex():
    torch.compiler.reset()
    yield attention_backend("flex", "cpu", torch.float32, 16)
    torch.compiler.reset()


@pytest.mark.parametrize(
    ("dtype", "n_heads", "n_kv_heads", "query_time", "key_time", "causal"),
    [  # each is compiled: seconds on a quiet core, a minute on a busy one
        (torch.float32, 6, 2, 33, 33, True),
        pytest.param(torch.float32, 4, 4, 33, 33, False, marks=pytest.mark.slow),
        pytest.param(torch.bfloat16, 4, 1, 1, 50, False, marks=pytest.mark.slow),
    ],
)
def test_flex_agrees_with_float64_math_forward_on_cpu(
    flex, dtype, n_heads, n_kv_heads, query_time, key_time, causal
):
    ours = draw(n_heads, n_kv_heads, query_time, key_time, dtype)
    check_against_float64(flex, ours, causal, BOUNDS[dtype], has_backward=False)


def test_flex_is_no_part_of_a_larger_compiled_function_on_cpu_where_torch_miscomputes_it(flex):
    def attend(query, key, value):
        return flex(2 * query, 2 * key, value, False)

    with torch.no_grad(), pytest.raises(Exception, match="larger compiled function"):
        compiled = torch.compile(attend, fullgraph=True, backend="eager")
        compiled(*draw(4, 4, 8, 8, torch.float32))


@pytest.mark.parametrize("name", ["flex", "fa3_fwd"])
def test_a_kernel_without_a_backward_pass_refuses_to_be_trained(name):
    with pytest.raises(InvalidInputError, match=f"'{name}' has no backward pass"):
        BACKENDS[name](*draw(2, 2, 5, 5, torch.float32), True)


def test_a_block_compiles_whole_forward_and_backward(tiny):
    network = Network(tiny, BACKENDS["sdpa_flash"], max_context=16)
    block, rotations = network.blocks[0], network.get_buffer("rotations")
    stream = torch.randn(2, 16, tiny.d_model, generator=torch.Generator().manual_seed(0))
    compiled = torch.compile(block, fullgraph=True, backend="aot_eager")  # a graph break raises
    compiled(stream, rotations).square().sum().backward()
    gradient = block.query_key_value.grad.clone()
    block.zero_grad()
    expected = block(stream, rotations)
    torch.testing.assert_close(compiled(stream, rotations), expected)
    expected.square().sum().backward()
    torch.testing.assert_close(gradient, block.query_key_value.grad)
    torch.compiler.reset()


def test_sdpa_flash_really_runs_the_flash_kernel():
    out = BACKENDS["sdpa_flash"](*draw(4, 2, 16, 16, torch.float32), True)
    names, node = [], out.grad_fn
    while node is not None:
        names.append(node.name())
        node = node.next_functions[0][0] if node.next_functions else None
    assert any("FlashAttention" in name for name in names)


@pytest.mark.parametrize("name", sorted(BACKENDS))
def test_causal_attention_refuses_more_keys_than_queries(name):
    query, key, value = draw(2, 2, 1, 5, torch.float32)
    with torch.no_grad(), pytest.raises((InvalidInputError, UnavailableError)) as error:
        BACKENDS[name](query, key, value, True)
    if name in ("fa3", "fa4"):
        assert "CUDA only" in str(error.value)
    else:
        assert "as many queries as keys" in str(error.value)


@pytest.mark.parametrize(
    ("name", "module", "advice"),
    [
        ("flash_attn", "flash_attn", r"pip install 'bayeslaw\[flash\]'"),
        ("fa3", "flash_attn_interface", "hopper/"),
        ("fa4", "flash_attn", "pip install --pre flash-attn-4"),
        ("fa3_fwd", "fa3_fwd_interface", "pip install fa3-fwd"),
    ],
)
def test_a_missing_package_says_how_to_install_it(name, module, advice):
    if importlib.util.find_spec(module) is not None:
        pytest.skip(f"{module} is installed")
    with pytest.raises(UnavailableError, match=advice):
        attention_backend(name, "cuda", torch.bfloat16, 64)


def test_a_missing_compiler_says_what_flex_needs(monkeypatch):
    monkeypatch.setenv("CXX", "/nowhere/g++")
    with pytest.raises(UnavailableError, match=r"C\+\+ compiler, none of .*nowhere"):
        attention_backend("flex")


@pytest.mark.skipif(importlib.util.find_spec("flash_attn") is not None, reason="it is installed")
def test_the_folder_that_flash_attn_4_makes_is_not_taken_for_flash_attn(tmp_path, monkeypatch):
    (tmp_path / "flash_attn" / "cute").mkdir(parents=True)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UnavailableError, match="flash_attn_func"):
        _ = BACKENDS["flash_attn"].version
    monkeypatch.delitem(sys.modules, "flash_attn")


@pytest.mark.skipif(importlib.util.find_spec("fa3_fwd") is not None, reason="it is installed")
def test_fa3_fwd_is_called_by_its_own_names_and_its_version_is_read(tmp_path, monkeypatch):
    (tmp_path / "fa3_fwd_interface.py").write_text(
        "def flash_attn_func(q, k, v, *, causal, num_splits):\n    return causal, num_splits\n"
    )
    (tmp_path / "fa3_fwd-0.0.3.dist-info").mkdir()
    (tmp_path / "fa3_fwd-0.0.3.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: fa3_fwd\nVersion: 0.0.3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    backend = BACKENDS["fa3_fwd"]
    assert backend.version == "fa3-fwd 0.0.3"
    with torch.no_grad():
        assert backend(*draw(2, 2, 5, 5, torch.bfloat16), True) == (True, 1)
        assert backend(*draw(2, 2, 1, 5, torch.bfloat16), False) == (False, 0)
    with pytest.raises(UnavailableError, match="CUDA only"):
        attention_backend("fa3_fwd", "cpu", torch.bfloat16, 64)
    monkeypatch.delitem(sys.modules, "fa3_fwd_interface")
    monkeypatch.undo()
    with pytest.raises(metadata.PackageNotFoundError):
        metadata.version("fa3-fwd")


SWAP = """
import torch.nn.attention as attention
from bayeslaw.lab.attention.registry import BACKENDS
from bayeslaw.lab.attention.sdpa import use_flash_implementation
found = [BACKENDS["fa4"].version]
for wanted in ("FA4", "FA4", None, None, "FA4", None):
    use_flash_implementation(wanted)
    found.append(attention.current_flash_attention_impl())
print(found)
"""


@pytest.mark.skipif(
    not hasattr(torch.nn.attention, "list_flash_attention_impls"), reason="torch before 2.11"
)
@pytest.mark.skipif(importlib.util.find_spec("flash_attn") is not None, reason="it is installed")
def test_flash_implementations_take_turns(tmp_path):
    folder = tmp_path / "flash_attn" / "cute"
    folder.mkdir(parents=True)
    (folder / "interface.py").write_text("_flash_attn_fwd = _flash_attn_bwd = None\n")
    paths = [str(tmp_path), *sys.path]
    done = subprocess.run(  # in its own process: torch keeps what it has once imported
        [sys.executable, "-c", SWAP],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=True,
    )
    version = f"flash-attn-4 of unknown version, torch {torch.__version__}"
    assert done.stdout.strip() == str([version, "FA4", "FA4", None, None, "FA4", None])


def test_an_unknown_backend_is_refused_with_the_known_ones():
    with pytest.raises(InvalidInputError, match="'flash_attn', 'flex', 'math', 'sdpa_flash'"):
        attention_backend("flash")


def test_flash_on_cuda_asks_for_half_precision_and_a_fitting_head():
    with pytest.raises(InvalidInputError, match="bfloat16 or float16"):
        attention_backend("sdpa_flash", "cuda", torch.float32, 64)
    with pytest.raises(InvalidInputError, match="multiple of 8"):
        attention_backend("sdpa_flash", "cuda", torch.bfloat16, 12)


def test_flex_asks_for_a_dtype_it_has():
    with pytest.raises(InvalidInputError, match="float64; use 'math'"):
        attention_backend("flex", "cpu", torch.float64, 64)


def test_kernels_of_torch_have_its_version():
    for name in ("math", "sdpa_flash", "flex"):
        assert BACKENDS[name].version == f"torch {torch.__version__}"
