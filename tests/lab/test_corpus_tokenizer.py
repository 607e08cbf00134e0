import hashlib
import json

import numpy as np
import pytest

from bayeslaw.errors import InvalidInputError
from bayeslaw.lab.corpus import SPLITS, Corpus, Manifest, build_corpus
from bayeslaw.lab.corpus.tokenizer import BPE_SEPARATOR

tokenizers = pytest.importorskip("tokenizers")
VOCAB_SIZE = 512


@pytest.fixture(scope="module")
def bpe_folder(text_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bpe") / "out"
    build_corpus(text_folder, folder, tokenizer="bpe", vocab_size=VOCAB_SIZE)
    return folder


def test_symbols_say_the_same_text_in_the_same_splits_as_bytes(bpe_folder, corpus_folder):
    symbols, plain = Corpus.open(bpe_folder), Corpus.open(corpus_folder)
    for split in SPLITS:
        text = plain.tokenizer.decode(getattr(plain, split)[:])
        assert symbols.tokenizer.decode(getattr(symbols, split)[:]) == text
    assert symbols.manifest.n_bytes == plain.manifest.n_bytes
    assert symbols.manifest.n_documents == plain.manifest.n_documents
    assert symbols.manifest.n_tokens["train"] < 0.7 * plain.manifest.n_tokens["train"]
    assert (bpe_folder / "documents.jsonl").read_bytes() == (
        corpus_folder / "documents.jsonl"
    ).read_bytes()
    assert symbols.manifest.fingerprint != plain.manifest.fingerprint


@pytest.mark.parametrize("folder", ["bpe_folder", "corpus_folder"])
def test_tokens_know_how_many_bytes_of_text_they_stand_for(folder, request):
    corpus = Corpus.open(request.getfixturevalue(folder))
    for split in SPLITS:
        assert corpus.n_bytes_of(getattr(corpus, split)[:]) == corpus.manifest.n_bytes[split]
    separator = corpus.tokenizer.separator
    assert corpus.n_bytes_of(np.full(7, separator, dtype=corpus.tokenizer.dtype)) == 0
    sequences = corpus.evaluation_set(64)
    by_hand = sum(
        len(corpus.tokenizer.symbols[token]) for token in sequences[:, 1:].ravel().tolist()
    )
    assert corpus.n_bytes_of(sequences[:, 1:]) == by_hand


def test_a_corpus_of_symbols_is_read_as_one_of_bytes_is(bpe_folder):
    corpus = Corpus.open(bpe_folder)
    assert corpus.vocab_size == VOCAB_SIZE and corpus.tokenizer.name == "bpe"
    assert corpus.train.dtype == np.uint16
    batch, evaluation = corpus.training_batch(0, 0, 3, 64), corpus.evaluation_set(64)
    assert batch.dtype == evaluation.dtype == np.uint16
    assert batch.shape == (3, 65) and evaluation.shape[1] == 65
    assert max(batch.max(), evaluation.max()) < VOCAB_SIZE
    assert (
        int((corpus.train[:] == corpus.tokenizer.separator).sum())
        == (corpus.manifest.n_documents["train"])
    )


def test_our_reading_of_the_tokenizer_is_the_package_s_own(bpe_folder):
    corpus = Corpus.open(bpe_folder)
    path = bpe_folder / "tokenizer.json"
    package = tokenizers.Tokenizer.from_file(str(path))
    text = "def größe(): return '日本'  # <document separator>\n\n\tx"
    ids = package.encode(text).ids
    assert package.decode(ids) == corpus.tokenizer.decode(np.array(ids)) == text
    assert corpus.n_bytes_of(np.array(ids)) == len(text.encode())
    assert corpus.tokenizer.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert corpus.manifest.tokenizer_sha256 == corpus.tokenizer.sha256


def test_no_text_is_taken_for_a_separator(tmp_path):
    texts = tmp_path / "texts"
    texts.mkdir()
    for i in range(700):
        (texts / f"{i}.txt").write_text(f"{i} says {BPE_SEPARATOR} and <|endoftext|>, {i}\n" * 9)
    build_corpus(texts, tmp_path / "out", tokenizer="bpe", vocab_size=320)
    corpus = Corpus.open(tmp_path / "out")
    n_separators = int((corpus.train[:] == corpus.tokenizer.separator).sum())
    assert n_separators == corpus.manifest.n_documents["train"]
    assert BPE_SEPARATOR in corpus.tokenizer.decode(corpus.train[:500])


def test_symbols_are_learnt_from_training_text_alone(text_folder, bpe_folder, tmp_path):
    """Change what validation and test say: the tokenizer stays what it was, to the last byte."""
    listed = [
        json.loads(line) for line in (bpe_folder / "documents.jsonl").read_text().splitlines()
    ]
    held_out = {entry["name"] for entry in listed if entry["split"] != "train"}
    copy = tmp_path / "texts"
    copy.mkdir()
    for path in text_folder.iterdir():
        if path.name not in held_out:
            (copy / path.name).write_bytes(path.read_bytes())
    n_other = 0
    for i in range(10_000):
        text = f"zqzqzqzq {i} " * 40
        bucket = int(hashlib.sha256("".join(text.split()).encode()).hexdigest()[:16], 16) % 100
        if bucket in (0, 1):
            (copy / f"other-{i}.txt").write_text(text)
            n_other += 1
    build_corpus(copy, tmp_path / "out", tokenizer="bpe", vocab_size=VOCAB_SIZE)
    manifest = Manifest.read(tmp_path / "out")
    assert manifest.n_documents["validation"] + manifest.n_documents["test"] == n_other
    assert manifest.tokenizer_sha256 == Manifest.read(bpe_folder).tokenizer_sha256
    assert manifest.sha256["train"] == Manifest.read(bpe_folder).sha256["train"]


def test_a_large_text_is_sampled_in_all_its_parts(text_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("bayeslaw.lab.corpus.bpe.SAMPLE_BYTES", 300_000)
    manifest = build_corpus(text_folder, tmp_path / "out", tokenizer="bpe", vocab_size=384)
    assert 200_000 < manifest.tokenizer_sample_bytes <= 330_000


def test_too_little_text_for_a_vocabulary_is_said(tmp_path):
    texts = tmp_path / "texts"
    texts.mkdir()
    for i in range(400):
        (texts / f"{i}.txt").write_text(f"{i}")
    with pytest.raises(InvalidInputError, match=r"the training text gives \d+ symbols, asked were"):
        build_corpus(texts, tmp_path / "out", tokenizer="bpe", vocab_size=4096)
    assert not (tmp_path / "out").exists()


def test_another_tokenizer_than_the_tokens_were_made_with_is_refused(bpe_folder, tmp_path):
    for path in bpe_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    tokenizer = tmp_path / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text() + " ")
    with pytest.raises(InvalidInputError, match="another tokenizer"):
        Corpus.open(tmp_path)
    tokenizer.write_text("{}")
    with pytest.raises(InvalidInputError, match="is not the byte-level BPE tokenizer"):
        Corpus.open(tmp_path)
    tokenizer.unlink()
    with pytest.raises(InvalidInputError, match="is not the byte-level BPE tokenizer"):
        Corpus.open(tmp_path)
