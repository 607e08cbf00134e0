from bayeslaw.runs.latency.readers.hw_gpt_bench import read_hw_gpt_bench
from bayeslaw.runs.latency.readers.latency_csv import read_latency_csv
from bayeslaw.runs.latency.readers.llm_inference_bench import read_llm_inference_bench
from bayeslaw.runs.latency.readers.neusight import read_neusight
from bayeslaw.runs.latency.readers.vllm import read_vllm_latency, read_vllm_serve
from bayeslaw.runs.latency.readers.xlstm_inference import read_xlstm_inference

__all__ = [
    "read_hw_gpt_bench",
    "read_latency_csv",
    "read_llm_inference_bench",
    "read_neusight",
    "read_vllm_latency",
    "read_vllm_serve",
    "read_xlstm_inference",
]
