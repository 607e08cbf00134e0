from copy import deepcopy

import pytest

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss import corpus
from bayeslaw.models.loss.corpus import baseline_tau, corpus_prior


def table(source_id, best_tau, honest_reach):
    """A table that one middle of tau predicts best, and that one reach covers at 90 %."""
    covered = {1.0: [0.9, 0.96, 1.0], 1.5: [0.8, 0.9, 0.98], 2.0: [0.5, 0.7, 0.9]}[honest_reach]
    scores = [[3.0, 2.0, 1.0], [0.0, 0.0, 0.0]]
    return {
        "source_id": source_id,
        "log_scores": scores if best_tau == 0.01 else scores[::-1],
        "coverage90": [covered, covered],
    }


@pytest.fixture
def tiny(monkeypatch):
    """Three sources, one of them with three tables."""
    content = {
        "tau_medians": [0.01, 0.02],
        "reaches": [1.0, 1.5, 2.0],
        "tables": {
            **{f"a/{i}": table("a", 0.01, 1.0) for i in range(3)},
            "b": table("b", 0.02, 2.0),
            "c": table("c", 0.02, 2.0),
        },
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
    # Of five tables three want .01; of three sources two want .02. Held at reaches: .63 .79 .93.
    assert choice(corpus_prior()) == (0.02, 2.0)


def test_a_source_left_out_is_not_heard_and_the_file_stays_as_it_is(tiny):
    before = deepcopy(tiny)
    assert choice(corpus_prior(leaving_out="a")) == (0.02, 2.0)
    assert corpus_prior(leaving_out="b").source.endswith(": a, c")
    assert tiny == before
    assert corpus_prior() == corpus_prior(leaving_out="no such source")
    kept = corpus_prior(leaving_out="b")
    tiny["tables"]["b"] = table("b", 0.01, 1.0)
    assert corpus_prior(leaving_out="b") == kept and choice(corpus_prior()) != choice(kept)


def test_the_reach_is_what_held_ninety_percent_not_what_scored_best(tiny):
    tiny["tables"] = {"b": table("b", 0.01, 2.0)}
    assert choice(corpus_prior()) == (0.01, 2.0)


def test_the_baseline_s_tau_leaves_the_source_out_too(tiny):
    assert baseline_tau() == 0.04
    assert baseline_tau(leaving_out="a") == 0.03


def test_nothing_left_is_an_error(tiny):
    tiny["tables"] = {"b": table("b", 0.01, 2.0)}
    with pytest.raises(InvalidInputError, match="no table is left"):
        corpus_prior(leaving_out="b")


def test_the_shipped_file_has_every_source_apart():
    everything = corpus_prior().source
    for source in ("gadre", "porian", "xlstm_scaling"):
        assert source in everything
        assert source not in corpus_prior(leaving_out=source).source
