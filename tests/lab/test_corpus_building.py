"""A corpus is there whole or not at all, whatever happens while it is built."""

import resource
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from bayeslaw.errors import InvalidInputError, LabError
from bayeslaw.lab.corpus import Manifest, build_corpus, publishing

# It is loaded by itself, because the lab takes seconds to load.
HANG = """
import importlib.util, sys, time
from pathlib import Path
spec = importlib.util.spec_from_file_location("publishing", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
with module.publishing(Path(sys.argv[2])) as folder:
    (folder / "train-00000.bin").write_bytes(b"half")
    print("begun", flush=True)
    time.sleep(600)
"""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_killed_half_way_it_is_no_corpus_and_the_next_build_clears_up(text_folder, tmp_path):
    out = tmp_path / "out"
    with subprocess.Popen(
        [sys.executable, "-c", HANG, publishing.__file__, out], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == b"begun\n"
        (partial,) = tmp_path.iterdir()
        # While it lives, nobody takes its folder away.
        build_corpus(text_folder, out)
        assert partial.is_dir()
        process.kill()
    with pytest.raises(InvalidInputError, match="not a finished corpus"):
        Manifest.read(partial)
    shutil.rmtree(out)
    build_corpus(text_folder, out)
    assert names(tmp_path) == ["out"]


def test_a_full_disk_says_so_and_leaves_nothing(text_folder, tmp_path):
    """A limit on the size of a file stands for a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        with pytest.raises(LabError, match="no room for a corpus"):
            build_corpus(text_folder, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert names(tmp_path) == []
    build_corpus(text_folder, tmp_path / "out")


def test_an_error_of_another_kind_is_not_taken_for_a_full_disk(text_folder, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidInputError, match="not empty"):
        build_corpus(text_folder, tmp_path / "file")
    with pytest.raises(OSError) as caught:
        build_corpus(text_folder, tmp_path / "file" / "out")
    assert not isinstance(caught.value, LabError)


def test_of_two_builds_at_once_both_end_with_the_same_corpus(text_folder, tmp_path):
    both_read = threading.Barrier(2, timeout=60)
    waited = threading.local()

    def build(_):
        def notify(*_):
            if not getattr(waited, "is_done", False):
                waited.is_done = True
                both_read.wait()

        return build_corpus(text_folder, tmp_path / "out", notify=notify)

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(build, range(2))
    assert one == other
    assert names(tmp_path) == ["out"]


def test_another_request_for_the_same_folder_says_what_differs(text_folder, corpus_folder):
    for words, message in (
        ({"max_bytes": 1000}, "max_bytes None, asked was 1000"),
        ({"licence": "MIT"}, "licence '', asked was 'MIT'"),
        ({"tokenizer": "bpe", "vocab_size": 512}, "tokenizer 'bytes', asked was 'bpe'"),
    ):
        with pytest.raises(InvalidInputError, match=message):
            build_corpus(text_folder, corpus_folder, **words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"max_bytes": 0}, "max_bytes must be at least 1"),
        ({"tokenizer": "words"}, "'bytes' or 'bpe', got 'words'"),
        ({"vocab_size": 512}, "take tokenizer 'bpe'"),
        ({"tokenizer": "bpe", "vocab_size": 1000}, "multiple of 64 from 320"),
        ({"tokenizer": "bpe", "vocab_size": 256}, "multiple of 64 from 320"),
    ],
)
def test_what_cannot_be_built_is_said_before_anything_is_read(
    text_folder, tmp_path, words, message
):
    with pytest.raises(InvalidInputError, match=message):
        build_corpus(text_folder, tmp_path / "out", **words)
    assert names(tmp_path) == []


def test_progress_is_told_in_bytes_of_text(text_folder, tmp_path):
    heard = []
    manifest = build_corpus(
        text_folder, tmp_path / "out", notify=lambda *words: heard.append(words)
    )
    stages, done, totals = zip(*heard, strict=True)
    assert set(stages) == {"reading"}
    assert list(done) == sorted(done) and done[-1] <= sum(manifest.n_bytes.values())
    assert set(totals) == {sum(path.stat().st_size for path in text_folder.iterdir())}
