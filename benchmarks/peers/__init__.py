"""Trainers that ours is measured against, as their users would write them."""

from benchmarks.peers.hf_llama import HuggingFaceLlama, hf_llama
from benchmarks.peers.plain import PlainNetwork, plain_batch, plain_optimizer, plain_step

__all__ = [
    "HuggingFaceLlama",
    "PlainNetwork",
    "hf_llama",
    "plain_batch",
    "plain_optimizer",
    "plain_step",
]
