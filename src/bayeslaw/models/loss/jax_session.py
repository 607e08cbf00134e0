"""How this package uses jax: in float64, with compiled code kept between processes."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import jax


@contextmanager
def float64() -> Iterator[None]:
    """Compute in float64 inside this block, in this thread, and leave jax as it was outside.

    The compilation cache is set on entry, for the process, unless somebody has set one:
    ``~/.cache/bayeslaw/jax``, or the folder that ``JAX_COMPILATION_CACHE_DIR`` names.
    """
    _keep_compiled_code()
    with _enable_x64()(True):
        yield


def _enable_x64() -> Any:
    if hasattr(jax, "enable_x64"):
        return jax.enable_x64
    # Older jax has it here, where newer has it no more.
    return importlib.import_module("jax.experimental").enable_x64


def _keep_compiled_code() -> None:
    if getattr(jax.config, "jax_compilation_cache_dir", None) is None:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = root / "bayeslaw" / "jax"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:  # a read-only home costs some seconds of compilation, nothing else
            return
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


def compiled(function: Callable[..., Any]) -> Any:
    """Return the function jitted, its argument ``law`` static, with options that compile faster.

    Without XLA's fusion emitters our programs of a few hundred tiny operations compile in .55-.8 of
    the time and run as fast (2026-11, jax 0.10). A backend that does not know the option any more
    compiles without it.
    """
    return jax.jit(function, static_argnames="law", compiler_options=_options())


@cache
def _options() -> dict[str, Any]:
    options = {"xla_cpu_use_fusion_emitters": False}
    try:
        jax.jit(lambda x: x + 1.0, compiler_options=options).lower(0.0).compile()
    except (RuntimeError, ValueError):
        return {}
    return options
