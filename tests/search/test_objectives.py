import pytest

from bayeslaw.errors import ExpressionError, InvalidInputError
from bayeslaw.search import parse_objectives


def test_objectives_and_limits_are_read_from_text_or_lists():
    from_text = parse_objectives("-loss, -tpot_ms", "memory_gb <= 40")
    from_lists = parse_objectives(["-loss", "-tpot_ms"], ["memory_gb <= 40"])
    assert from_text == from_lists
    assert from_text.names == {"loss", "tpot_ms", "memory_gb"}


@pytest.mark.parametrize(
    ("objectives", "limits", "error", "message"),
    [
        ("", (), InvalidInputError, "say what is wanted"),
        ("loss <= 3", (), InvalidInputError, "a comparison is a limit"),
        ("-3", (), InvalidInputError, "a quantity to maximise"),
        ("-loss", "tpot_ms", InvalidInputError, "a limit compares"),
        ("-loss", "1 < tpot_ms < 2", ExpressionError, "one comparison"),
        ("-perplexity", (), ExpressionError, "unknown name"),
        ("-loss", "tpot <= 3", ExpressionError, "unknown name"),
        ("__import__('os')", (), ExpressionError, "cannot read"),
    ],
)
def test_what_cannot_be_meant_is_refused(objectives, limits, error, message):
    with pytest.raises(error, match=message):
        parse_objectives(objectives, limits)


def test_the_baseline_is_spelt_out_as_a_target_does():
    parsed = parse_objectives("-loss", ["tpot_ms <= 0.95 * baseline", "loss <= baseline.loss"])
    assert [limit.text for limit in parsed.limits] == [
        "tpot_ms <= 0.95 * baseline.tpot_ms",
        "loss <= baseline.loss",
    ]
    with pytest.raises(InvalidInputError, match="say whose baseline is meant"):
        parse_objectives("-loss", "0.95 * baseline >= tpot_ms")


@pytest.mark.parametrize(
    ("first", "second", "contradict"),
    [
        ("tpot_ms <= 5", "tpot_ms >= 6", True),
        ("2 * tpot_ms <= 10", "6 <= tpot_ms", True),
        ("tpot_ms <= 5", "tpot_ms >= 5", False),
        ("tpot_ms <= 5", "tpot_ms >= 4.99", False),
        ("tpot_ms <= 0.9 * baseline", "tpot_ms >= baseline", True),
        ("tpot_ms <= 0.9 * baseline", "tpot_ms >= 5", False),
        ("tpot_ms <= 5", "ttft_ms >= 6", False),
        ("loss ** 2 <= 4", "loss >= 3", False),  # only what is linear is judged at the door
        ("tpot_ms <= 5", "tpot_ms <= 4", False),
    ],
)
def test_two_limits_that_nothing_keeps_are_both_named(first, second, contradict):
    if not contradict:
        assert len(parse_objectives("-loss", [first, second]).limits) == 2
        return
    with pytest.raises(InvalidInputError) as raised:
        parse_objectives("-loss", ["memory_gb <= 40", first, second])
    named = [
        text
        for text in (first, second, "memory_gb <= 40")
        if text.split(" *")[0] in str(raised.value)
    ]
    assert named == [first, second] and "contradict" in str(raised.value)
