from copy import deepcopy

import numpy as np
import pytest

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss import corpus
from bayeslaw.models.loss.corpus import baseline_tau, corpus_prior


def table(source_id, likes, by=1.0):
    """A table of 2 x 3 scores that likes one cell by so many nats a run."""
    scores = np.zeros((2, 3))
    scores[likes] = by
    return {"source_id": source_id, "log_scores": scores.tolist()}


@pytest.fixture
def tiny(monkeypatch):
    """Three sources: two tables of one together outweigh no other source."""
    likes = {"a/1": ("a", (0, 0), 3.0), "a/2": ("a", (0, 0), 3.0), "a/3": ("a", (1, 1), 0.0)}
    likes |= {"b": ("b", (1, 2), 1.5), "c": ("c", (1, 2), 1.0)}
    content = {
        "tau_medians": [0.01, 0.02],
        "reaches": [1.0, 1.5, 2.0],
        "tables": {name: table(*about) for name, about in likes.items()},
        "chinchilla_huber": {
            "taus": [0.03, 0.04],
            "tables": {
                "a": {"source_id": "a", "log_scores": [0.0, 1.0]},
                "b": {"source_id": "b", "log_scores": [0.5, 0.0]},
            },
        },
    }
    monkeypatch.setattr(corpus, "_read", lambda: content)
    return content


def choice(prior):
    return prior.tau_median, prior.reach


def test_every_source_weighs_the_same_however_many_tables_it_has(tiny):
    # (0, 0) gets 2 of source a alone; (1, 2) gets 1.5 and 1 of two sources. By tables it had lost.
    assert choice(corpus_prior()) == (0.02, 2.0)
    tables = tiny["tables"].values()
    by_table = np.mean([table["log_scores"] for table in tables], axis=0)
    assert np.argmax(by_table) == 0


def test_a_source_left_out_is_not_heard_and_the_file_stays_as_it_is(tiny):
    before = deepcopy(tiny)
    assert choice(corpus_prior(leaving_out="b")) == (0.01, 1.0)
    assert corpus_prior(leaving_out="b").source.endswith(": a, c")
    assert choice(corpus_prior(leaving_out="a")) == (0.02, 2.0)
    assert tiny == before
    assert corpus_prior() == corpus_prior(leaving_out="no such source")
    # What is left out may say anything.
    for name in ("a/1", "a/2"):
        tiny["tables"][name]["log_scores"][0][1] = 1e6
    assert choice(corpus_prior(leaving_out="a")) == (0.02, 2.0)
    assert choice(corpus_prior()) == (0.01, 1.5)


def test_the_bootstrap_s_tau_is_chosen_likewise(tiny):
    assert baseline_tau() == baseline_tau(leaving_out="b") == 0.04
    assert baseline_tau(leaving_out="a") == 0.03


def test_nothing_left_is_an_error(tiny):
    tiny["tables"] = {"a/1": tiny["tables"]["a/1"]}
    with pytest.raises(InvalidInputError, match="no table is left in .* without source 'a'"):
        corpus_prior(leaving_out="a")


def test_the_shipped_corpus_has_scores_for_its_whole_grid_and_leaves_out_each_source():
    content = corpus._read()
    shape = len(content["tau_medians"]), len(content["reaches"])
    sources = {table["source_id"] for table in content["tables"].values()}
    assert len(sources) >= 5
    for name, table in content["tables"].items():
        assert np.shape(table["log_scores"]) == shape, name
        assert np.isfinite(table["log_scores"]).all(), name
    everyone = corpus_prior()
    assert everyone.source.split(": ")[1].split(", ") == sorted(sources)
    for source in sources:
        prior = corpus_prior(leaving_out=source)
        assert prior.source.split(": ")[1].split(", ") == sorted(sources - {source})
        assert prior.tau_median in content["tau_medians"] and prior.reach in content["reaches"]
        assert baseline_tau(leaving_out=source) in content["chinchilla_huber"]["taus"]
