import pytest

from bayeslaw.report.markup import Html, table, tag
from bayeslaw.report.numbers import NBSP, count, duration, interval, percent, significant


def test_markup_escapes_children_and_attributes_but_not_html():
    element = tag("p", "<b>", Html("<i>kept</i>"), title='"quoted"')
    assert element == '<p title="&quot;quoted&quot;">&lt;b&gt;<i>kept</i></p>'


def test_a_table_escapes_cells_and_marks_columns_of_numbers():
    shown = table(("Name", "#Loss"), [["<x>", 2]], caption="All & more")
    assert "&lt;x&gt;" in shown and "All &amp; more" in shown
    assert '<th class="n" scope="col">Loss</th>' in shown and '<td class="n">2</td>' in shown


@pytest.mark.parametrize(
    ("value", "shown"), [(9.996, "10.0"), (0.0, "0"), (-0.05, "-0.0500"), (123456.0, "123456")]
)
def test_significant_digits_are_counted_after_rounding(value, shown):
    assert significant(value) == shown


def test_an_interval_shows_its_width_with_two_digits():
    assert interval({"p05": 1.60001, "p50": 1.6, "p95": 1.60034}) == "1.60001–1.60034"
    assert interval({"p05": 10.2, "p50": 50.0, "p95": 97.9}) == "10–98"


def test_a_share_of_all_draws_is_not_called_certainty():
    assert percent(1.0) == f">{NBSP}99{NBSP}%"


def test_times_carry_into_the_next_unit():
    assert duration(59.7) == f"1{NBSP}min{NBSP}00{NBSP}s"
    assert count(999_999_999) == f"1.00{NBSP}B"
