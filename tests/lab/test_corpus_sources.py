import gzip
import json
import sys
import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bayeslaw.errors import InvalidInputError, UnavailableError
from bayeslaw.lab.corpus import SEPARATOR, SPLITS, Corpus, Manifest, build_corpus

N_DOCUMENTS = 700


def texts():
    """Documents that say different things, and some that say them again with other white space."""
    documents = [
        f"Chapter {i}.\n\nOn {i * 7919 % 1000} größere things,\u00a0and {i}.\n" * (1 + i % 3)
        for i in range(N_DOCUMENTS)
    ]
    again = [text.replace("\n\n", " \r\n\t\u3000").strip() for text in documents[::2]]
    return documents + documents[::5] + again


def rows():
    return [
        {"text": text, "license": "CC0-1.0" if i % 2 else None} for i, text in enumerate(texts())
    ]


def write_text(path):
    path.mkdir()
    for i, text in enumerate(texts()):
        (path / f"{i}.txt").write_bytes(text.encode())
    return path


def write_jsonl(path):
    path = path.with_suffix(".jsonl")
    path.write_text("".join(json.dumps(row) + "\n" for row in rows()))
    return path


def write_jsonl_gz(path):
    path.mkdir()
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows()]
    for part in range(3):
        with gzip.open(path / f"{part}.jsonl.gz", "wt", encoding="utf-8") as file:
            file.writelines(lines[part::3])
    return path


def write_parquet(path):
    path = path.with_suffix(".parquet")
    table = pa.Table.from_pylist(rows()).append_column("other", pa.array(range(len(rows()))))
    pq.write_table(table, path, row_group_size=100)
    return path


def write_saved_dataset(path):
    datasets = pytest.importorskip("datasets")
    datasets.Dataset.from_dict({"text": texts()}).save_to_disk(path)
    return f"hf:{path}"


def write_dataset_folder(path):
    datasets = pytest.importorskip("datasets")
    path.mkdir()
    datasets.Dataset.from_dict({"text": texts()}).to_parquet(path / "train-00000.parquet")
    datasets.Dataset.from_dict({"text": ["evaluation text"]}).to_parquet(path / "test.parquet")
    return f"hf:{path}"


WRITERS = [
    write_text, write_jsonl, write_jsonl_gz, write_parquet, write_saved_dataset,
    write_dataset_folder,
]  # fmt: skip


@pytest.fixture(scope="module", params=WRITERS, ids=lambda writer: writer.__name__)
def built(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("source")
    build_corpus(request.param(folder / "source"), folder / "out")
    return folder / "out"


def documents_of(tokens):
    return tokens[:].tobytes().split(bytes([SEPARATOR]))[:-1]


def without_space(text):
    return "".join(text.decode().split())


def test_no_evaluation_text_is_in_training_text_even_with_other_white_space(built):
    corpus = Corpus.open(built)
    train = {without_space(text) for text in documents_of(corpus.train)}
    validation = {without_space(text) for text in documents_of(corpus.validation)}
    test = {without_space(text) for text in documents_of(corpus.test)}
    assert len(train) > 600 and len(validation) >= 2 and len(test) >= 2
    assert not train & validation and not train & test and not validation & test
    everything = "".join(map(without_space, documents_of(corpus.train)))
    for document in validation | test:
        assert document not in everything


def test_every_document_is_there_once(built):
    manifest = Manifest.read(built)
    assert sum(manifest.n_documents.values()) == N_DOCUMENTS
    assert manifest.n_skipped == {
        "duplicate": len(texts()) - N_DOCUMENTS, "empty": 0, "not_utf8": 0, "too_long": 0,
    }  # fmt: skip
    assert manifest.duplicates == "same text but for white space"
    assert manifest.is_whole
    corpus = Corpus.open(built)
    found = [text for split in SPLITS for text in documents_of(getattr(corpus, split))]
    assert {without_space(text) for text in found} == {without_space(t.encode()) for t in texts()}


def test_no_training_window_reaches_into_evaluation_text(built):
    corpus = Corpus.open(built)
    train = corpus.train[:].tobytes()
    n = corpus.sequences_per_epoch(32)
    for sequence in corpus.training_batch(0, 0, n, 32):
        assert sequence.tobytes() in train


def test_rows_give_their_licence_or_the_one_that_was_stated(tmp_path):
    manifest = build_corpus(write_jsonl(tmp_path / "a"), tmp_path / "out", licence="MIT")
    assert set(manifest.licences) == {"CC0-1.0", "MIT"}
    assert build_corpus(write_parquet(tmp_path / "b"), tmp_path / "out-b").licences.keys() == {
        "CC0-1.0",
        "unknown",
    }


def test_a_cap_ends_the_text_and_the_manifest_says_so(tmp_path):
    manifest = build_corpus(write_jsonl(tmp_path / "a"), tmp_path / "out", max_bytes=20_000)
    assert 19_000 < sum(manifest.n_bytes.values()) <= 20_000
    assert (manifest.max_bytes, manifest.is_whole) == (20_000, False)


def test_unfit_rows_are_counted(tmp_path):
    path = write_jsonl(tmp_path / "a")
    unfit = [" \n", "\ud800", "x" * (4 * 2**20 + 1)]
    with path.open("a") as file:
        file.writelines(json.dumps({"text": text}) + "\n" for text in unfit)
    skipped = build_corpus(path, tmp_path / "out").n_skipped
    assert (skipped["empty"], skipped["not_utf8"], skipped["too_long"]) == (1, 1, 1)


def test_a_large_file_is_not_held_in_memory(tmp_path):
    path = tmp_path / "large.jsonl"
    line = "a sentence that is not the same one, " * 60
    with path.open("w") as file:
        for i in range(8_000):
            file.write(json.dumps({"text": f"{i} {line}"}) + "\n")
    tracemalloc.start()
    try:
        manifest = build_corpus(path, tmp_path / "out")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    n_bytes = sum(manifest.n_bytes.values())
    assert n_bytes > 16e6
    assert peak < n_bytes / 4


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"text": "x"}\n{"text": 1}\n', r"a\.jsonl:2 must be .* string 'text'"),
        ("a.jsonl", b'{"text": "x"}\n["x"]\n', r"a\.jsonl:2 .* got list"),
        ("a.jsonl", b"not json\n", r"a\.jsonl:1 is no JSON"),
        ("a.jsonl.gz", gzip.compress(b'{"text": "x"}\n' * 999, mtime=0)[:-20], "damaged"),
        ("a.jsonl.gz", b"not gzip", "damaged after line 0"),
        ("a.parquet", b"not parquet", "cannot be read as Parquet"),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInputError, match=message):
        build_corpus(tmp_path / name, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_table_without_text_says_what_it_has(tmp_path):
    pq.write_table(pa.table({"content": ["x"]}), tmp_path / "a.parquet")
    with pytest.raises(InvalidInputError, match=r"no column 'text'.*\['content'\]"):
        build_corpus(tmp_path / "a.parquet", tmp_path / "out")
    (tmp_path / "set").mkdir()
    pq.write_table(pa.table({"content": ["x"]}), tmp_path / "set" / "train.parquet")
    with pytest.raises(InvalidInputError, match=r"no column 'text'.*\['content'\]"):
        build_corpus(f"hf:{tmp_path / 'set'}", tmp_path / "out")


def test_a_data_set_that_is_not_there_is_bad_input(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    with pytest.raises(InvalidInputError, match="hf:no/such-set cannot be opened"):
        build_corpus("hf:no/such-set", tmp_path / "out")
    with pytest.raises(InvalidInputError, match="needs the name"):
        build_corpus("hf:", tmp_path / "out")


@pytest.mark.parametrize(
    ("missing", "source"), [("pyarrow", "a.parquet"), ("datasets", "hf:x"), ("tokenizers", "a.txt")]
)
def test_a_package_that_is_missing_is_named(tmp_path, monkeypatch, missing, source):
    path = tmp_path / "a"
    path.mkdir()
    (path / "a.parquet").write_text("x")
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.setitem(sys.modules, f"{missing}.parquet", None)
    asked = source if source.startswith("hf:") else path
    tokenizer = "bpe" if missing == "tokenizers" else "bytes"
    with pytest.raises(UnavailableError, match=f"{missing}.*pip install"):
        build_corpus(asked, tmp_path / "out", tokenizer=tokenizer)
