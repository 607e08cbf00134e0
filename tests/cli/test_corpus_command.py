import json
import re

import pytest


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "texts.jsonl"
    rows = [{"text": f"document {i} about {i * i}\n" * (i % 9 + 1)} for i in range(600)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_corpus_is_built_and_shown_for_people_and_programs(bayeslaw, table, tmp_path):
    out = tmp_path / "out"
    code, printed, err = bayeslaw("corpus", "build", table, out, "--licence", "MIT", "--json")
    assert (code, err) == (0, "")
    built = json.loads(printed)
    assert built["n_documents"]["train"] > 560 and built["licences"] == {"MIT": 600}
    assert json.loads(bayeslaw("corpus", "show", out, "--json")[1]) == built
    code, shown, _ = bayeslaw("corpus", "show", out)
    assert code == 0 and built["fingerprint"] in shown
    assert f"{built['n_tokens']['train']:,}" in shown and "600 MIT" in shown
    assert max(map(len, shown.splitlines())) <= 100


def test_symbols_are_asked_for_with_an_option(bayeslaw, table, tmp_path):
    pytest.importorskip("tokenizers")
    words = ("--tokenizer", "bpe", "--vocab-size", 320, "--max-bytes", 50_000, "--json")
    code, printed, _ = bayeslaw("corpus", "build", table, tmp_path / "out", *words)
    content = json.loads(printed)
    assert code == 0
    assert (content["tokenizer"], content["vocab_size"]) == ("bpe", 320)
    assert sum(content["n_bytes"].values()) <= 50_000


def test_wrong_input_has_exit_code_2_and_its_reason(bayeslaw, table, tmp_path):
    code, _, err = bayeslaw("corpus", "build", tmp_path / "nowhere", tmp_path / "out")
    assert code == 2 and "debian-docs" in err
    code, _, err = bayeslaw("corpus", "show", tmp_path)
    assert code == 2 and "is not a finished corpus" in " ".join(err.split())
    bayeslaw("corpus", "build", table, tmp_path / "out")
    code, printed, _ = bayeslaw(
        "corpus", "build", table, tmp_path / "out", "--max-bytes", 9, "--json"
    )
    assert code == 2 and "asked was 9" in json.loads(printed)["error"]["message"]


def test_help_names_sources_and_options(bayeslaw):
    code, out, _ = bayeslaw("corpus", "build", "--help")
    text = re.sub(r"\s+", " ", out)
    assert code == 0
    for word in ("--tokenizer", "--vocab-size", "--max-bytes", "--json", "hf:NAME", "debian-docs"):
        assert word in text
