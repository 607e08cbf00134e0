import hashlib
import json
import sys

import numpy as np
import pytest

from bayeslaw.errors import InvalidInputError
from bayeslaw.lab.corpus import (
    SEPARATOR,
    SPLITS,
    Corpus,
    Manifest,
    build_corpus,
    decode,
    encode,
    split_of,
)


def documents_of(tokens):
    return [part for part in np.asarray(tokens).tobytes().split(bytes([SEPARATOR])) if part]


def test_every_document_is_listed_and_its_own_hash_chooses_its_split(corpus_folder, text_folder):
    corpus = Corpus.open(corpus_folder)
    lines = (corpus_folder / "documents.jsonl").read_text().splitlines()
    listed = [json.loads(line) for line in lines]
    for split in SPLITS:
        texts = documents_of(getattr(corpus, split))
        mine = [entry for entry in listed if entry["split"] == split]
        assert [hashlib.sha256(text).hexdigest() for text in texts] == [e["sha256"] for e in mine]
        assert len(texts) == corpus.manifest.n_documents[split] > 0
        assert [len(text) for text in texts] == [entry["n_bytes"] for entry in mine]
        spaceless = ("".join(text.decode().split()) for text in texts)
        assert {split_of(hashlib.sha256(t.encode()).hexdigest()) for t in spaceless} == {split}
    first = listed[0]
    assert hashlib.sha256((text_folder / first["name"]).read_bytes()).hexdigest() == first["sha256"]
    assert corpus.manifest.licences == {"unknown": len(listed)}


def test_training_text_is_never_in_the_evaluation_set(corpus_folder):
    corpus = Corpus.open(corpus_folder)
    validation = np.asarray(corpus.validation).tobytes()
    for sequence in corpus.evaluation_set(64):
        assert sequence.tobytes() in validation


def test_splits_are_about_98_1_1(corpus_folder):
    n = Manifest.read(corpus_folder).n_documents
    share = n["train"] / sum(n.values())
    assert abs(share - 0.98) < 5 * (0.98 * 0.02 / sum(n.values())) ** 0.5


def test_the_same_text_elsewhere_gives_the_same_corpus(text_folder, corpus_folder, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in reversed(sorted(text_folder.iterdir())):
        (copy / path.name).write_bytes(path.read_bytes())
    manifest = build_corpus(copy, tmp_path / "out")
    assert manifest.fingerprint == Manifest.read(corpus_folder).fingerprint


def test_a_document_given_twice_counts_once_and_broken_text_is_counted(
    text_folder, corpus_folder, tmp_path
):
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in text_folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
        (copy / f"again-{path.name}").write_bytes(path.read_bytes())
    (copy / "broken.txt").write_bytes(b"\xff\xfe\x00")
    (copy / "long.txt").write_bytes(b"a" * (4 * 2**20 + 1))
    manifest = build_corpus(copy, tmp_path / "out")
    base = Manifest.read(corpus_folder)
    assert manifest.n_bytes == base.n_bytes
    assert (
        manifest.n_skipped["duplicate"]
        == sum(base.n_documents.values()) + 2 * base.n_skipped["duplicate"]
    )
    assert (manifest.n_skipped["not_utf8"], manifest.n_skipped["too_long"]) == (1, 1)


def test_a_finished_corpus_is_reused_and_another_request_refused(text_folder, corpus_folder):
    before = (corpus_folder / "manifest.json").stat().st_mtime_ns
    assert build_corpus(text_folder, corpus_folder) == Manifest.read(corpus_folder)
    assert (corpus_folder / "manifest.json").stat().st_mtime_ns == before
    with pytest.raises(InvalidInputError, match="already holds a corpus"):
        build_corpus(text_folder, corpus_folder, max_bytes=1000)


def test_a_failed_build_leaves_nothing_behind(tmp_path):
    few = tmp_path / "few"
    few.mkdir()
    (few / "one.txt").write_text("too little text")
    with pytest.raises(InvalidInputError, match="too little text"):
        build_corpus(few, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["few"]


def test_bad_sources_and_folders_say_what_is_expected(tmp_path, text_folder):
    with pytest.raises(InvalidInputError, match="'python-sources', 'debian-docs', 'hf:NAME'"):
        build_corpus(tmp_path / "nowhere", tmp_path / "out")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_text("mine")
    with pytest.raises(InvalidInputError, match="not empty"):
        build_corpus(text_folder, tmp_path / "taken")
    with pytest.raises(InvalidInputError, match="not a finished corpus"):
        Corpus.open(tmp_path / "taken")


def test_training_sequences_follow_from_seed_and_number_alone(corpus_folder):
    corpus, again = Corpus.open(corpus_folder), Corpus.open(corpus_folder)
    n = corpus.sequences_per_epoch(64)
    whole = corpus.training_batch(5, n - 6, 12, 64)  # across the end of an epoch
    parts = [again.training_batch(5, first, 4, 64) for first in (n + 2, n - 2, n - 6)]
    np.testing.assert_array_equal(whole, np.concatenate(parts[::-1]))
    assert not np.array_equal(whole, corpus.training_batch(6, n - 6, 12, 64))


def test_an_epoch_visits_every_window_once(corpus_folder):
    corpus = Corpus.open(corpus_folder)
    n, seq_len = corpus.sequences_per_epoch(512), 512
    batch = corpus.training_batch(0, 0, n, seq_len)
    seen = np.sort(np.concatenate(batch[:, :-1]))
    offset = np.random.default_rng([0, 0])
    offset.permutation(n)
    start = int(offset.integers(seq_len))
    np.testing.assert_array_equal(seen, np.sort(corpus.train[start : start + n * seq_len]))


def test_the_evaluation_set_is_fixed(corpus_folder):
    corpus = Corpus.open(corpus_folder)
    first = corpus.evaluation_set(64)
    np.testing.assert_array_equal(first, Corpus.open(corpus_folder).evaluation_set(64))
    assert len(np.unique(first, axis=0)) == len(first)
    assert corpus.evaluation_set(64, n_tokens=640).shape == (10, 65)


def test_a_damaged_corpus_is_refused(text_folder, tmp_path):
    build_corpus(text_folder, tmp_path / "out")
    shard = tmp_path / "out" / "train-00000.bin"
    with shard.open("ab") as file:
        file.write(b"more")
    with pytest.raises(InvalidInputError, match="delete the folder"):
        Corpus.open(tmp_path / "out")
    shard.unlink()
    with pytest.raises(InvalidInputError, match=r"train-00000\.bin"):
        Corpus.open(tmp_path / "out")


def test_text_survives_tokens_and_back():
    text = "def größe(): return '日本'\n" + sys.version
    assert decode(encode(text)) == text
    assert SEPARATOR not in encode(text)
