"""transformers' ``LlamaForCausalLM`` with SDPA attention, in a loop of our own; an optional package."""

from __future__ import annotations

import importlib

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bayeslaw.errors import UnavailableError
from bayeslaw.lab.network import Network
from bayeslaw.space import Architecture
from benchmarks.peers.plain import EPSILON


class HuggingFaceLlama(nn.Module):
    """Return the loss of a batch from transformers' logits."""

    def __init__(self, llama: nn.Module) -> None:
        super().__init__()
        self.llama = llama

    def forward(self, tokens: Tensor, targets: Tensor) -> Tensor:
        logits = self.llama(input_ids=tokens, use_cache=False).logits
        return F.cross_entropy(logits.float().view(-1, logits.size(-1)), targets.reshape(-1))

    @torch.no_grad()
    def copy_from(self, network: Network) -> None:
        """Start from our weights."""
        a = network.architecture
        heads = [a.n_heads * a.head_dim, a.n_kv_heads * a.head_dim, a.n_kv_heads * a.head_dim]
        theirs: dict[str, Tensor] = {
            "model.embed_tokens.weight": network.embedding,
            "model.norm.weight": network.last_norm,
            "lm_head.weight": network.embedding if a.tied_embeddings else network.head,
        }
        for layer, block in enumerate(network.blocks):
            weights = dict(block.named_parameters())
            query, key, value = weights["query_key_value"].split(heads)
            gate, up = weights["mlp_in"].chunk(2)
            theirs |= {
                f"model.layers.{layer}.{name}.weight": weight
                for name, weight in {
                    "input_layernorm": weights["attention_norm"],
                    "self_attn.q_proj": query,
                    "self_attn.k_proj": key,
                    "self_attn.v_proj": value,
                    "self_attn.o_proj": weights["attention_out"],
                    "post_attention_layernorm": weights["mlp_norm"],
                    "mlp.gate_proj": gate,
                    "mlp.up_proj": up,
                    "mlp.down_proj": weights["mlp_out"],
                }.items()
            }
        self.llama.load_state_dict(theirs)


def hf_llama(a: Architecture, seq_len: int) -> HuggingFaceLlama:
    """Build transformers' Llama of one shape.

    Raises:
        UnavailableError: transformers is not installed.
    """
    try:
        transformers = importlib.import_module("transformers")
    except ImportError as error:
        raise UnavailableError(
            f"the peer needs transformers ({error}); pip install transformers"
        ) from error
    config = transformers.LlamaConfig(
        vocab_size=a.vocab_size,
        hidden_size=a.d_model,
        intermediate_size=a.d_ff,
        num_hidden_layers=a.n_layers,
        num_attention_heads=a.n_heads,
        num_key_value_heads=a.n_kv_heads,
        head_dim=a.head_dim,
        max_position_embeddings=seq_len,
        rms_norm_eps=EPSILON,
        tie_word_embeddings=a.tied_embeddings,
        attention_bias=False,
        attn_implementation="sdpa",
        use_cache=False,
    )
    return HuggingFaceLlama(transformers.LlamaForCausalLM(config).train())
