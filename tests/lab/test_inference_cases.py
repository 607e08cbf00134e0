import json
from dataclasses import replace

import pytest

from bayeslaw.errors import InvalidInputError
from bayeslaw.lab.inference import Case, time_cases, timing
from bayeslaw.runs import Measurement
from bayeslaw.space import Workload

BRIEF = Workload(prompt_tokens=4, output_tokens=2)
ABSURD = Workload(batch_size=10**6, prompt_tokens=10**5)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setitem(timing.ENOUGH_SECONDS, "cpu", 0.0)
    monkeypatch.setitem(timing.WARM_UP_SECONDS, "cpu", 0.0)
    monkeypatch.setattr(timing, "BLOCK_SECONDS", 0.0)


@pytest.fixture
def cases(tiny):
    return [Case(replace(tiny, n_layers=n), BRIEF) for n in (1, 2, 3, 4)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "timings.jsonl"


def timed(cases, path, **options):
    return time_cases(cases, path, min_repeats=2, **options)


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def depths(measurements):
    return [m.architecture.n_layers for m in measurements]


def test_each_case_becomes_one_line_in_a_shuffled_order(cases, path, tmp_path):
    found = timed(cases, path)
    assert [Measurement.from_dict(line) for line in lines_of(path)] == found
    assert sorted(depths(found)) == [1, 2, 3, 4]
    again = timed(cases, tmp_path / "again.jsonl")
    assert depths(again) == depths(found)
    orders = {tuple(depths(timed(cases, tmp_path / f"{s}.jsonl", seed=s))) for s in range(1, 5)}
    assert len(orders) > 1
    assert len({m.session for m in found}) == 1 and found[0].session


def test_started_again_it_times_what_is_missing_only(cases, path):
    first = timed(cases[:2], path)
    heard = []
    both = timed(cases, path, notify=lambda kind, details: heard.append((kind, details)))
    assert both[:2] == first and sorted(depths(both)) == [1, 2, 3, 4]
    assert [(d["done"], d["of"]) for kind, d in heard if kind == "overall"] == [(1, 2), (2, 2)]
    text = path.read_text()
    assert timed(cases, path) == both and path.read_text() == text


def test_what_was_timed_in_another_way_is_timed_again(cases, path):
    timed(cases[:1], path)
    assert [m.record["attention"] for m in timed(cases[:1], path, attention="math")] == ["math"]
    assert len(lines_of(path)) == 2
    workload = replace(BRIEF, output_tokens=3)
    assert len(timed([Case(cases[0].architecture, workload)], path)) == 1
    assert len(lines_of(path)) == 3


@pytest.mark.parametrize("kept_bytes", [1, 200, -1])
def test_a_torn_last_line_is_mended_aloud(cases, path, kept_bytes):
    timed(cases[:2], path)
    *others, last = path.read_text().splitlines(keepends=True)
    path.write_text("".join(others) + last[:kept_bytes])
    heard = []

    def notify(kind, details):
        heard.extend([details["text"]] if kind == "notice" else [])

    found = timed(cases[:2], path, notify=notify)
    assert sorted(depths(found)) == [1, 2]
    assert [Measurement.from_dict(line) for line in lines_of(path)] == found
    (text,) = heard
    assert ("completed" if kept_bytes == -1 else "dropped") in text
    if kept_bytes == -1:  # only the line end was missing: nothing is timed twice
        assert path.read_text() == "".join(others) + last


def test_a_line_that_is_no_measurement_is_refused(cases, path):
    timed(cases[:2], path)
    first, second = path.read_text().splitlines(keepends=True)
    path.write_text(first[:50] + "\n" + second)
    with pytest.raises(InvalidInputError, match=r"line 1 of .* is no measurement: not JSON"):
        timed(cases, path)
    path.write_text(first + '{"figure": 1}\n')
    with pytest.raises(InvalidInputError, match=r"line 2 of .* unknown measurement field"):
        timed(cases, path)


@pytest.mark.parametrize("other", [{"device": "h100-sxm"}, {"engine_version": "torch 1.0"}])
def test_a_file_of_another_device_or_version_is_refused(cases, path, other):
    timed(cases[:1], path)
    path.write_text(json.dumps({**lines_of(path)[0], **other}) + "\n")
    before = path.read_text()
    with pytest.raises(InvalidInputError, match="one file is of one device and engine version"):
        timed(cases, path)
    assert path.read_text() == before


def test_the_anchor_is_timed_again_and_again(cases, path):
    anchor = Case(cases[0].architecture, replace(BRIEF, batch_size=2))
    found = timed(cases, path, anchor=anchor, anchor_every=2)
    marks = [m.record.get("anchor") for m in found]
    assert marks == [1, None, None, 2, None, None, 3]
    assert all((m.workload.batch_size == 2) == ("anchor" in m.record) for m in found)
    more = timed([*cases, Case(cases[0].architecture, ABSURD)], path, anchor=anchor)
    assert [m.record.get("anchor") for m in more[7:]] == [4, None, 5]


def test_an_anchor_that_is_a_case_is_timed_for_both(cases, path):
    found = timed(cases, path, anchor=cases[2], anchor_every=3)
    assert sorted(depths(found)) == [1, 2, 3, 3, 3, 4]
    assert len(timed(cases, path, anchor=cases[2])) == 6


def test_what_runs_out_of_memory_is_a_line_and_not_tried_again(cases, path):
    cases = [*cases[:2], Case(cases[0].architecture, ABSURD)]
    found = timed(cases, path)
    assert sum(m.out_of_memory for m in found) == 1
    assert sum(line["ttft_ms"] is None for line in lines_of(path)) == 1
    assert timed(cases, path) == found


def test_it_stops_when_the_time_is_spent_and_says_what_is_left(cases, path):
    heard = {}
    assert timed(cases, path, seconds=0.0, notify=heard.__setitem__) == []
    assert sorted(case.architecture.n_layers for case in heard["unreached"]["cases"]) == [
        1,
        2,
        3,
        4,
    ]
    assert "4 of 4 cases were not reached" in heard["notice"]["text"]
    assert not path.exists()
    assert len(timed(cases, path, seconds=600.0)) == 4


@pytest.mark.parametrize(
    ("workload", "options", "complaint"),
    [
        (Workload(engine="vllm"), {}, "engine 'bayeslaw' only"),
        (Workload(precision="float8"), {}, "got precision 'float8'"),
        (BRIEF, {"graphs": True}, "graphs are CUDA's"),
        (BRIEF, {"threads": 0}, "must be at least 1"),
        (BRIEF, {"anchor_every": 0}, "anchor_every must be at least 1"),
    ],
)
def test_all_cases_are_checked_before_the_first_is_timed(cases, path, workload, options, complaint):
    with pytest.raises(InvalidInputError, match=complaint):
        timed([*cases, Case(cases[0].architecture, workload)], path, **options)
    assert not path.exists()


def test_a_folder_that_is_not_there_is_refused(cases, tmp_path):
    with pytest.raises(InvalidInputError, match="there is no folder"):
        timed(cases, tmp_path / "nowhere" / "timings.jsonl")
