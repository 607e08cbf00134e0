from bayeslaw.lab.attention.backend import AttentionBackend
from bayeslaw.lab.attention.registry import BACKENDS, attention_backend

__all__ = ["BACKENDS", "AttentionBackend", "attention_backend"]
