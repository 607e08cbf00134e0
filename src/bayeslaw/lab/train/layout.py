"""Nested state taken apart into tensors and a JSON-ready rest, and put together again."""

from __future__ import annotations

from typing import Any

import torch

Layout = dict[str, Any]


def take_apart(value: Any, tensors: dict[str, torch.Tensor], name: str) -> Layout:
    """Return the layout of a nested value, its tensors put into ``tensors`` under their paths.

    Args:
        value: Dicts with text or whole-number keys, lists, tuples, tensors, and what JSON holds.
        tensors: Filled here; the tensors themselves, not copies.
        name: Where the value stands, the beginning of its tensors' paths.

    Raises:
        TypeError: The value holds something else.

    >>> tensors = {}
    >>> layout = take_apart({"state": {0: {"step": torch.ones(1)}}, "betas": (0.9, 1)}, tensors, "a")
    >>> list(tensors)
    ['a/state/0/step']
    >>> put_together(layout, tensors)
    {'state': {0: {'step': tensor([1.])}}, 'betas': (0.9, 1)}
    """
    if isinstance(value, torch.Tensor):
        tensors[name] = value.detach()
        return {"tensor": name}
    if isinstance(value, dict):
        if strange := [key for key in value if type(key) not in (str, int)]:
            raise TypeError(f"{name} has keys {strange}; a checkpoint keeps text and whole numbers")
        return {
            "dict": [
                [key, take_apart(item, tensors, f"{name}/{key}")] for key, item in value.items()
            ]
        }
    if isinstance(value, (list, tuple)):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [take_apart(item, tensors, f"{name}/{i}") for i, item in enumerate(value)]}
    if value is None or isinstance(value, (bool, int, float, str)):
        return {"value": value}
    raise TypeError(f"{name} is a {type(value).__name__}, which a checkpoint cannot keep")


def put_together(layout: Layout, tensors: dict[str, torch.Tensor]) -> Any:
    """Return the nested value that `take_apart` took apart."""
    ((kind, content),) = layout.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: put_together(item, tensors) for key, item in content}
    if kind in ("list", "tuple"):
        items = [put_together(item, tensors) for item in content]
        return items if kind == "list" else tuple(items)
    return content
