"""The examples do what they say."""

import sys
import time
from pathlib import Path

from bayeslaw.executors import LocalExecutor
from bayeslaw.lab import build_corpus
from bayeslaw.runs import Hyperparameters, Job
from bayeslaw.space import Architecture

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_anyones_trainer_can_stand_in_for_ours(tmp_path):
    text = tmp_path / "text"
    text.mkdir()
    for number in range(600):
        line = f"document {number} is about the square of {number}, which is {number**2}.\n"
        (text / f"{number}.txt").write_text(line * 4)
    build_corpus(text, tmp_path / "corpus")
    shape = Architecture(
        n_layers=1, d_model=32, n_heads=4, n_kv_heads=2, head_dim=8, d_ff=64, vocab_size=256,
        tied_embeddings=True,
    )  # fmt: skip
    job = Job(
        run_id="theirs", kind="train", architecture=shape, n_tokens=60_000,
        hyperparameters=Hyperparameters(1e-2, 1024, seq_len=64), corpus=str(tmp_path / "corpus"),
    )  # fmt: skip
    command = [sys.executable, str(EXAMPLES / "huggingface_trainer.py")]
    with LocalExecutor(1, command=command) as executor:
        handle = executor.submit(job, tmp_path / "job")
        while not (state := executor.poll(handle)).is_over:
            time.sleep(0.1)
        result = executor.collect(handle)
    assert result.status == "done", result.reason
    assert result.loss_nats is not None and 0 < result.loss_nats < 2.5
    assert state.progress["n_steps"] == 58
