from bayeslaw.lab.attention import BACKENDS, AttentionBackend, attention_backend
from bayeslaw.lab.corpus import Corpus, build_corpus
from bayeslaw.lab.huggingface import network_from_huggingface
from bayeslaw.lab.inference import local_device, measure
from bayeslaw.lab.network import KVCache, Network
from bayeslaw.lab.run_job import run_job
from bayeslaw.lab.settings import NetworkSettings, RopeScaling
from bayeslaw.lab.train import train

__all__ = [
    "BACKENDS",
    "AttentionBackend",
    "Corpus",
    "KVCache",
    "Network",
    "NetworkSettings",
    "RopeScaling",
    "attention_backend",
    "build_corpus",
    "local_device",
    "measure",
    "network_from_huggingface",
    "run_job",
    "train",
]
