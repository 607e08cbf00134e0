"""An architecture in requests and answers."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from bayeslaw.service.schemas.names import Body
from bayeslaw.space import Architecture

# Twelve of these multiplied still fit a float.
_Size = Annotated[int, Field(ge=1, le=10**9)]


class ArchitectureBody(Body):
    """One decoder-only transformer; see `bayeslaw.space.Architecture`."""

    n_layers: Annotated[_Size, Field(description="Blocks.", examples=[12])]
    d_model: Annotated[_Size, Field(description="Width of the residual stream.", examples=[768])]
    n_heads: Annotated[_Size, Field(description="Query heads a layer.", examples=[12])]
    n_kv_heads: Annotated[
        _Size, Field(description="Key and value heads a layer; divides n_heads.", examples=[4])
    ]
    head_dim: Annotated[_Size, Field(description="Width of a head.", examples=[64])]
    d_ff: Annotated[_Size, Field(description="Width of the MLP.", examples=[2048])]
    vocab_size: Annotated[_Size, Field(description="Rows of the embedding.", examples=[32000])]
    tied_embeddings: bool = False
    gated_mlp: bool = True
    qk_norm: bool = False
    post_norm: bool = False

    def to_architecture(self) -> Architecture:
        """Return it as the house knows it.

        Raises:
            InvalidInputError: Heads are not a multiple of KV heads.
        """
        return Architecture(**self.model_dump())


def architecture_answer(architecture: Architecture | None) -> dict[str, Any] | None:
    """Return an architecture as JSON."""
    if architecture is None:
        return None
    return {
        "n_layers": architecture.n_layers,
        "d_model": architecture.d_model,
        "n_heads": architecture.n_heads,
        "n_kv_heads": architecture.n_kv_heads,
        "head_dim": architecture.head_dim,
        "d_ff": architecture.d_ff,
        "vocab_size": architecture.vocab_size,
        "tied_embeddings": architecture.tied_embeddings,
        "gated_mlp": architecture.gated_mlp,
        "qk_norm": architecture.qk_norm,
        "post_norm": architecture.post_norm,
    }
