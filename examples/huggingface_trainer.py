"""Another trainer in our lab's place: reads job.json, trains transformers' Llama, writes result.json.

In a study's YAML: ``train: {command: [python, /where/this/is/huggingface_trainer.py]}``.
"""

import json
import time
from pathlib import Path

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from bayeslaw.lab import Corpus

job = json.loads(Path("job.json").read_text())
shape, how, started = job["architecture"], job["hyperparameters"], time.time()
torch.manual_seed(job["seed"])
torch.set_num_threads(job["threads"])
config = LlamaConfig(
    hidden_size=shape["d_model"], num_hidden_layers=shape["n_layers"], head_dim=shape["head_dim"],
    num_attention_heads=shape["n_heads"], num_key_value_heads=shape["n_kv_heads"],
    intermediate_size=shape["d_ff"], vocab_size=shape["vocab_size"],
    tie_word_embeddings=shape["tied_embeddings"], use_cache=False,
)  # fmt: skip
network = LlamaForCausalLM(config)
optimizer = torch.optim.AdamW(network.parameters(), weight_decay=how["weight_decay"])
corpus, rows, length = (
    Corpus.open(job["corpus"]),
    how["batch_tokens"] // how["seq_len"],
    how["seq_len"],
)
n_steps = job["n_tokens"] // how["batch_tokens"]
for step in range(n_steps):
    batch = corpus.training_batch(job["seed"], step * rows, rows, length)
    tokens = torch.from_numpy(batch.astype(np.int64))
    decay_left = (n_steps - step) / (how["decay_fraction"] * n_steps)
    optimizer.param_groups[0]["lr"] = how["learning_rate"] * min(1.0, decay_left)
    network(tokens, labels=tokens).loss.backward()
    optimizer.step(), optimizer.zero_grad()
    print(json.dumps({"step": step, "n_steps": n_steps}), flush=True)  # progress is read from here
with torch.inference_mode():
    held_out = torch.from_numpy(corpus.evaluation_set(length).astype(np.int64))
    loss = network(held_out, labels=held_out).loss.item()
answer = {"schema": job["schema"], "run_id": job["run_id"], "kind": "train", "status": "done",
          "finished": True, "loss_nats": loss, "seconds": time.time() - started}  # fmt: skip
Path("result.partial").write_text(json.dumps(answer))
Path("result.partial").rename("result.json")
