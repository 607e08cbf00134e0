"""A small suite and a lab that answers at once, for tests of suites."""

import sys

from bayeslaw.study.suite import SuiteConfig

# Does as the trunk's file beside its job says; otherwise it is done at once.
STUB_LAB = """
import json, os, signal, sys, time
from pathlib import Path
job = json.loads(Path("job.json").read_text())
with Path("starts.txt").open("a") as file:
    file.write("started\\n")
order = Path("order.txt").read_text() if Path("order.txt").exists() else ""
def point(n_tokens):
    return {"n_tokens": n_tokens, "loss_nats": 9 / (1 + n_tokens) ** 0.1 + job["seed"] * 1e-6,
            "loss_stderr": 0.01, "bits_per_byte": 3.0}
branches = [{**point(n), "seconds": n / 1000} for n in job["branches"]]
result = {"schema": job["schema"], "run_id": job["run_id"], "kind": "train", "status": "done",
          "finished": True, "branches": branches, "seconds": 72.0,
          "record": {"torch": "2.x", "device": "a stub", "corpus": "text", "epochs": 0.5,
                     "tokens_seen": job["n_tokens"], "attention": "math",
                     "attention_version": "0", "tokenizer_sha256": "ff", "code": "v1"}}
if order == "crash":
    sys.exit("the disk is on fire")
if order == "wait":
    print(json.dumps({"step": 1, "n_steps": 4}), flush=True)
    signal.signal(signal.SIGTERM, lambda *_: (Path("order.txt").unlink(), sys.exit(85)))
    time.sleep(60)
if order == "diverge":
    result |= {"status": "failed", "finished": False, "reason": "the loss was nan"}
else:
    final = point(job["n_tokens"])
    result |= {name: final[name] for name in ("loss_nats", "loss_stderr", "bits_per_byte")}
Path("result.partial").write_text(json.dumps(result))
Path("result.partial").replace("result.json")
"""

SUITE = {
    "name": "small",
    "space": {
        "axes": {
            "n_layers": [1, 2, 3, 4], "d_model": {"min": 16, "max": 64, "step": 8},
            "n_heads": [1, 2, 4], "n_kv_heads": [1, 2, 4], "head_dim": [8, 16],
            "d_ff": {"min": 8, "max": 256, "step": 8}, "vocab_size": 256, "tied_embeddings": True,
        },
    },
    "sizes": [
        {"n_params_body": 15_000, "trunks": 3, "repeats": 1},
        {"n_params_body": 30_000, "trunks": 2, "tokens_per_param": [5, 10, 20]},
    ],
    "tolerance": 0.1,
    "tokens_per_param": [5, 10],
    "repeat_seeds": 2,
    "train": {"seq_len": 64, "command": [sys.executable, "-c", STUB_LAB]},
    "executor": {"slots": 2, "threads": 1},
    "cost": {"flops_per_second": 20e9, "seconds_per_job": 1.0},
}  # fmt: skip


def write_documents(folder):
    """Write enough text for all three splits of a corpus."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(400):
        text = f"document {number} says {number * number}\n"
        (folder / f"{number}.txt").write_text(text * 4)
    return folder


def small_suite(**changes):
    """Return the small suite's config with some of its parts replaced."""
    return SuiteConfig.from_dict({**SUITE, **changes})
