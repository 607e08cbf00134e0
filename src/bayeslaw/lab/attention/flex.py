"""``flex``: torch's FlexAttention, compiled for each kind of shapes when first called.

Compiling takes seconds and needs a compiler on the machine. ``torch._dynamo.config`` allows 8
kinds of shapes a process; one more is an error (``fullgraph``), never a silent fall-back.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

from bayeslaw.errors import InvalidInputError, UnavailableError
from bayeslaw.lab.attention.backend import AttentionBackend
from bayeslaw.lab.attention.checks import check_causal, check_no_gradients, torch_version

_DTYPES = (torch.float32, torch.bfloat16, torch.float16)
_MIN_CUDA_HEAD_DIM = 16  # Triton's dot takes no less


def _attend(query: Tensor, key: Tensor, value: Tensor, causal: bool) -> Tensor:
    """Call FlexAttention (Dong et al. 2024, arXiv:2412.05496)."""
    is_inlined = torch.compiler.is_compiling()
    if query.device.type == "cpu":
        check_no_gradients("flex", (query, key, value))
        if is_inlined:
            # torch 2.13 then reads queries, keys or values from wrong places, without a word.
            raise InvalidInputError(
                "attention 'flex' on CPU cannot be part of a larger compiled function; compile "
                "without fullgraph, or use attention 'sdpa_flash'"
            )
    if causal:
        check_causal(query, key)
    attend = flex_attention if is_inlined else _compiled()
    causal_mask = _causal_mask if is_inlined else _cached_causal_mask
    mixed = attend(
        query.transpose(1, 2),
        key.transpose(1, 2),
        value.transpose(1, 2),
        block_mask=causal_mask(query.shape[1], query.device) if causal else None,
        enable_gqa=query.shape[2] != key.shape[2],
    )
    return mixed.transpose(1, 2)  # type: ignore[union-attr]  # a tensor, as no log-sum-exp is asked for


@functools.cache
def _compiled():
    return torch.compile(flex_attention, fullgraph=True)


def _causal_mask(time: int, device: torch.device) -> BlockMask:
    return create_block_mask(_not_later, None, None, time, time, device=device)


@functools.lru_cache(maxsize=8)
def _cached_causal_mask(time: int, device: torch.device) -> BlockMask:
    return _causal_mask(time, device)


def _not_later(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
    return query >= key


def _check(device: torch.device, dtype: torch.dtype, head_dim: int) -> None:
    if dtype not in _DTYPES:
        raise InvalidInputError(
            f"attention 'flex' takes float32, bfloat16 or float16, got {dtype}; use 'math'"
        )
    if device.type == "cuda":
        if head_dim < _MIN_CUDA_HEAD_DIM:
            raise InvalidInputError(
                f"attention 'flex' on CUDA takes a head_dim of at least {_MIN_CUDA_HEAD_DIM}, got "
                f"{head_dim}"
            )
        if importlib.util.find_spec("triton") is None:
            raise UnavailableError(
                "attention 'flex' on CUDA is compiled by Triton, which is not installed; "
                "pip install triton, or use attention 'sdpa_flash'"
            )
        _check_compiler("a C compiler", os.environ.get("CC"), ("gcc", "clang"))
    else:
        _check_compiler("a C++ compiler", os.environ.get("CXX"), ("g++",))


def _check_compiler(what: str, chosen: str | None, usual: tuple[str, ...]) -> None:
    """Look where torch will look: the environment's choice, else the usual names."""
    names = (chosen,) if chosen else usual
    if not any(shutil.which(name) for name in names):
        raise UnavailableError(
            f"attention 'flex' is compiled on this machine and needs {what}, none of {names} is "
            f"found; install one (apt-get install g++), or use attention 'sdpa_flash'"
        )


FLEX = AttentionBackend("flex", _attend, torch_version, _check)
