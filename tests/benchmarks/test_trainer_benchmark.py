import sysconfig
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks.trainer import ALIKE_NATS, Shape, headline, losses_after, measure_shape, trainers

from bayeslaw.lab.corpus import Corpus, build_corpus

TINY = Shape("tiny", 2, 32, 4, 1, 8, 48, seq_len=32, batch_tokens=128)

CHARACTERS = 1500  # of a document: splits need some hundred documents


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    text = tmp_path_factory.mktemp("text")
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))[:40]:
        content = path.read_text(encoding="utf-8")
        for part in range(0, len(content), CHARACTERS):
            (text / f"{path.stem}-{part}.txt").write_text(content[part : part + CHARACTERS])
    folder = tmp_path_factory.mktemp("corpus") / "stdlib"
    build_corpus(text, folder)
    return Corpus.open(folder)


def test_the_three_trainers_compute_the_same_losses_step_by_step(corpus):
    losses = losses_after(trainers(TINY, corpus), TINY, corpus)
    assert set(losses) == {"ours", "plain", "transformers"}
    assert max(losses.values()) - min(losses.values()) < 1e-4
    assert max(losses.values()) < 5.0  # they learnt: untrained it is log(256) = 5.5


def test_a_trainer_that_learns_otherwise_is_not_raced(corpus, monkeypatch):
    def lazy(shape, corpus):
        found = trainers(shape, corpus)
        with torch.no_grad():
            for weight in found["plain"].network.parameters():
                weight.mul_(0.5)
        return found

    monkeypatch.setattr("benchmarks.trainer.trainers", lazy)
    with pytest.raises(ValueError, match="losses differ"):
        measure_shape(TINY, corpus, rounds=1, seconds=0.01)


def test_every_batch_is_of_the_shape_it_says(corpus):
    found = trainers(TINY, corpus)
    assert found["ours"].fetch().shape == (4, 33)
    for peer in ("plain", "transformers"):
        tokens, targets = found[peer].fetch()
        assert tokens.shape == targets.shape == (4, 32)
        assert torch.equal(tokens[:, 1:], targets[:, :-1])


def test_a_race_gives_ratios_of_seconds(corpus):
    row = measure_shape(TINY, corpus, rounds=2, seconds=0.01)
    rates, ratio = row["tokens_per_second"], row["ratio"]["plain"]
    assert all(np.isfinite(rates[name]["median"]) for name in ("ours", "plain", "transformers"))
    assert ratio["q10"] <= ratio["median"] <= ratio["q90"]
    assert ALIKE_NATS < 0.1


def test_the_headline_holds_ours_against_the_better_peer_of_each_shape():
    def row(name, plain, transformers):
        return {
            "name": name,
            "ratio": {"plain": {"median": plain}, "transformers": {"median": transformers}},
        }

    found = headline([row("a", 2.0, 4.0), row("b", 1.0, 0.5)])
    assert found["ratio_to_best_peer"] == pytest.approx(1.0)  # sqrt(2 * 0.5)
    assert found["min_ratio_to_best_peer"] == 0.5
    assert found["min_at"] == "b"
