import sysconfig
from pathlib import Path

import pytest
import torch

from bayeslaw.lab.corpus import build_corpus
from bayeslaw.runs import Hyperparameters, Job
from bayeslaw.space import Architecture

CHARACTERS = 1500


def write_text_folder(folder, n_files=60):
    """Cut the standard library's own sources into small documents: real text, no download."""
    folder.mkdir(parents=True)
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))[:n_files]:
        text = path.read_text(encoding="utf-8")
        for part in range(0, len(text), CHARACTERS):
            (folder / f"{path.stem}-{part}.txt").write_text(text[part : part + CHARACTERS])
    return folder


@pytest.fixture(scope="session")
def text_folder(tmp_path_factory):
    return write_text_folder(tmp_path_factory.mktemp("text") / "documents")


@pytest.fixture(scope="session")
def corpus_folder(text_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus") / "stdlib"
    build_corpus(text_folder, folder)
    return folder


@pytest.fixture
def one_thread():
    """Losses are the same to the last bit for the same threads only."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def tiny():
    return Architecture(
        n_layers=2, d_model=32, n_heads=4, n_kv_heads=2, head_dim=8, d_ff=64,
        vocab_size=256, tied_embeddings=True,
    )  # fmt: skip


@pytest.fixture
def train_job(tiny, corpus_folder):
    return Job(
        run_id="r1",
        kind="train",
        architecture=tiny,
        n_tokens=40_000,
        hyperparameters=Hyperparameters(learning_rate=1e-2, batch_tokens=1024, seq_len=64),
        corpus=str(corpus_folder),
    )
