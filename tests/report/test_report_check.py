from dataclasses import replace

import pytest

from bayeslaw.errors import InvalidInputError
from bayeslaw.report import ReportContent
from bayeslaw.report.page import render


def _with_check(content, **changes):
    chosen = content.recommendation["chosen"]["loss_nats"]
    check = {"recommended_loss": chosen["p50"], **changes}
    return replace(content, check=check)


def test_a_loss_inside_its_interval_is_called_inside(content):
    page = render(_with_check(content))
    assert ">inside<" in page and ">outside<" not in page


@pytest.mark.parametrize(("factor", "where"), [(1.5, "above its upper"), (0.5, "below its lower")])
def test_a_loss_outside_its_interval_is_called_outside_and_by_how_much(content, factor, where):
    measured = factor * content.recommendation["chosen"]["loss_nats"]["p50"]
    page = render(_with_check(content, recommended_loss=measured))
    assert (
        ">outside<" in page
        and f"{where} end" in page
        and "The measured figure lies outside" in page
    )


def test_losing_to_the_baseline_is_said_as_plainly_as_beating_it(content):
    measured = content.recommendation["chosen"]["loss_nats"]["p50"]
    lost = render(_with_check(content, baseline_loss=measured - 0.01))
    won = render(_with_check(content, baseline_loss=measured + 0.01))
    assert "It loses to the baseline" in lost and "It beats the baseline" not in lost
    assert "It beats the baseline" in won and "by 0.010\u00a0nats/token" in won


def test_a_flag_that_contradicts_its_interval_is_an_error(content):
    with pytest.raises(InvalidInputError, match="made before the check"):
        _with_check(content, loss_inside_90=False)


def test_a_check_may_bring_its_own_interval(content):
    own = {"loss_p05": 9.0, "loss_p50": 9.5, "loss_p95": 10.0, "loss_inside_90": False}
    assert _with_check(content, **own).checked[0].miss < 0


def test_half_an_interval_is_an_error(content):
    with pytest.raises(InvalidInputError, match="missing"):
        _with_check(content, loss_p05=1.0)


def test_a_recommendation_without_its_keys_is_an_error(target):
    with pytest.raises(InvalidInputError, match="to_dict"):
        ReportContent(study_name="s", target=target, recommendation={"chosen": {}})


def test_negative_time_is_an_error(target):
    with pytest.raises(InvalidInputError, match="train"):
        ReportContent(study_name="s", target=target, spent={"train": -1.0})


def test_before_the_check_the_page_says_that_there_was_none(unchecked):
    assert "Not checked yet" in render(unchecked)
