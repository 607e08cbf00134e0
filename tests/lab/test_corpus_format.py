"""Bytes that runs hang on: these literals may only change with a new format and a reason."""

import gzip
import hashlib
import json
import sysconfig
from pathlib import Path

import numpy as np
import pytest

from bayeslaw.errors import InvalidInputError
from bayeslaw.lab.corpus import SPLITS, Corpus, Manifest, build_corpus
from bayeslaw.lab.corpus.document import Document, Source, Workspace
from bayeslaw.lab.corpus.shards import ShardWriter, TokenArray
from bayeslaw.lab.corpus.sources.python_sources import python_source
from bayeslaw.lab.corpus.splitting import split_documents


def small_texts():
    return {f"{i:03d}.txt": f"document {i} of é\n".encode() * (1 + i % 7) for i in range(400)}


def in_hash_order(texts):
    return [
        texts[name] for name in sorted(texts, key=lambda n: hashlib.sha256(n.encode()).digest())
    ]


def split_by_exact_text(texts, folder, max_bytes=None):
    (folder / "scratch").mkdir()
    source = Source(
        name="some", read=lambda _: (Document(text=t, name="") for t in texts), is_exact=True
    )
    workspace = Workspace(folder / "scratch", folder, notify=lambda *_: None)
    return split_documents(source, workspace, folder, max_bytes, licence="")


def test_a_corpus_of_bytes_keeps_its_fingerprint(tmp_path):
    texts = tmp_path / "texts"
    texts.mkdir()
    for name, text in small_texts().items():
        (texts / name).write_bytes(text)
    manifest = build_corpus(texts, tmp_path / "out")
    assert manifest.fingerprint == "225b314f2d1e642e"
    assert Corpus.open(tmp_path / "out").train.dtype == np.uint8


def test_exact_splitting_gives_the_bytes_of_format_1(tmp_path):
    splits = split_by_exact_text(in_hash_order(small_texts()), tmp_path)
    assert {split: writer.sha256 for split, writer in splits.writers.items()} == {
        "train": "b24dc819525c7c67400040100dd8a808b8d72064fd856fdba0cba68f3dd0bbb8",
        "validation": "ca16a4310fd7a5ba8fd3016ce87dc38fcbbf785c58a47e74a35bf72d764b7fff",
        "test": "1ba2b0932974cdcd6854468a56061b729ab52b1119f31dd7ea624d9f5c46e351",
    }


def test_a_folder_of_format_1_is_read_with_the_fingerprint_it_had(tmp_path):
    splits = split_by_exact_text(in_hash_order(small_texts()), tmp_path)
    for split in SPLITS:
        (tmp_path / f"{split}-00000.bin").rename(tmp_path / f"{split}.bin")
    manifest = {
        "source": "/somewhere", "max_bytes": 40_000_000,
        "tokenizer_sha256": "abd462263d47e8f70bb501c05cd84a3a9b0c7f464b06cc821d8c51d69507e8b0",
        "n_documents": dict(splits.n_documents), "n_bytes": dict(splits.n_bytes),
        "n_tokens": {split: writer.n_tokens for split, writer in splits.writers.items()},
        "sha256": {split: writer.sha256 for split, writer in splits.writers.items()},
        "n_skipped": {"duplicate": 0, "not_utf8": 0, "too_long": 0, "empty": 0}, "format": 1,
    }  # fmt: skip
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    corpus = Corpus.open(tmp_path)
    assert corpus.manifest.fingerprint == "321ef3b97e525d01"
    assert corpus.training_batch(0, 0, 2, 64).dtype == np.uint8


def test_python_sources_are_the_installed_files_by_the_rules_of_format_1(tmp_path):
    """The oracle is the first version of the builder, written out again."""
    max_bytes = 3_000_000
    manifest = build_corpus("python-sources", tmp_path / "out", max_bytes)
    origins = {origin.name for origin in manifest.origins}
    assert {"python", "torch", "numpy", "pyarrow"} <= origins
    assert not origins & {"bayeslaw", "ruff", "pytest", "hypothesis", "tokenizers", "transformers"}

    paths = sysconfig.get_paths()
    roots = {"packages": Path(paths["purelib"]), "stdlib": Path(paths["stdlib"])}
    lines = (tmp_path / "out" / "documents.jsonl").read_text().splitlines()
    listed = [json.loads(line) for line in lines]
    assert all(entry["licence"] for entry in listed if entry["origin"] in ("python", "torch"))
    expected = dict.fromkeys(SPLITS, b"")
    names = [entry["name"] for entry in listed]
    assert names == sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())
    for name in names:
        kind, _, rest = name.partition("/")
        text = (roots[kind] / rest).read_bytes()
        bucket = int(hashlib.sha256(text).hexdigest()[:16], 16) % 100
        expected[{0: "validation", 1: "test"}.get(bucket, "train")] += text + b"\xff"
        assert 0 < len(text) <= 65_536
    corpus = Corpus.open(tmp_path / "out")
    for split in SPLITS:
        assert getattr(corpus, split)[:].tobytes() == expected[split]
    assert max_bytes - 65_536 < sum(manifest.n_bytes.values()) <= max_bytes
    assert not manifest.is_whole


def test_python_sources_have_a_40_megabyte_cap_unless_told_otherwise():
    source = python_source("python-sources")
    assert (source.max_bytes, source.max_document_bytes) == (40_000_000, 65_536)


@pytest.mark.parametrize("dtype", ["u1", "<u2", "<u4"])
def test_tokens_read_across_shards_as_if_there_were_one(tmp_path, dtype):
    tokens = np.random.default_rng(0).integers(0, 250, 10_000).astype(dtype)
    writer = ShardWriter(tmp_path, "train", np.dtype(dtype), shard_bytes=1024)
    for start in range(0, len(tokens), 333):
        writer.write(tokens[start : start + 333].tobytes())
    writer.close()
    assert len(writer.names) == -(-tokens.nbytes // 1024)
    assert all((tmp_path / name).stat().st_size <= 1024 for name in writer.names)
    assert writer.sha256 == hashlib.sha256(tokens.tobytes()).hexdigest()
    read = TokenArray([tmp_path / name for name in writer.names], np.dtype(dtype), len(tokens))
    np.testing.assert_array_equal(np.asarray(read), tokens)
    for start, stop in ((0, 1), (1020, 1030), (100, 5000), (9_999, 10_000), (10_000, 10_000)):
        np.testing.assert_array_equal(read[start:stop], tokens[start:stop])
        assert read[start:stop].dtype == tokens.dtype


def test_shards_do_not_change_what_a_corpus_says(corpus_folder, text_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("bayeslaw.lab.corpus.shards.SHARD_BYTES", 100_000)
    manifest = build_corpus(text_folder, tmp_path / "out")
    assert len(manifest.shards["train"]) > 5
    assert manifest.fingerprint == Manifest.read(corpus_folder).fingerprint
    one, many = Corpus.open(corpus_folder), Corpus.open(tmp_path / "out")
    for first in (0, 5000):
        np.testing.assert_array_equal(
            one.training_batch(1, first, 200, 64), many.training_batch(1, first, 200, 64)
        )
    np.testing.assert_array_equal(one.evaluation_set(64), many.evaluation_set(64))


def test_a_manifest_of_another_format_is_refused(corpus_folder, tmp_path):
    values = json.loads((corpus_folder / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps(values | {"format": 3}))
    with pytest.raises(InvalidInputError, match="format 3"):
        Corpus.open(tmp_path)
    (tmp_path / "manifest.json").write_bytes(gzip.compress(b"{}"))
    with pytest.raises(InvalidInputError, match="not a finished corpus"):
        Corpus.open(tmp_path)
