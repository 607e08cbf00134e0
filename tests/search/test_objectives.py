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
