"""A whole study, from nothing to a checked recommendation.

Every step looks at what the folder already holds before it acts, so that a loop that was killed
goes on where it was when it is started again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from bayeslaw.errors import LabError, NotFoundError
from bayeslaw.runs import Measurement, Run
from bayeslaw.space import Architecture, Candidate
from bayeslaw.study.pages import write_study_report
from bayeslaw.study.study import Study
from bayeslaw.study.summary import summarise

# A machine this much slower or faster than when latency was learnt is another machine.
_ANCHOR_DRIFT = 1.1
_ANCHOR_TRIES = 4
_ANCHOR_WAIT_SECONDS = 5.0


def run_study(study: Study) -> dict[str, Any]:
    """Run a study to its end and return its summary, which is also written to the folder.

    Latencies are timed and a first set of runs trained; then, each round, laws are fitted by
    Laplace, runs are chosen and trained; the last fit is NUTS. The recommended architecture and
    the baseline are then trained at the target, and what was predicted is held against it.

    Raises:
        LabError: A check run failed, so the recommendation could not be checked; the report is
            written all the same.
        StateError: Another process is driving this study.
    """
    finished = study.folder / "summary.json"
    with study.driving():
        if not finished.exists():
            # Put there last of all, and whole: where it is, everything else is.
            partial = finished.with_suffix(".partial")
            partial.write_text(json.dumps(_run_to_the_end(study), indent=2) + "\n")
            partial.replace(finished)
    return json.loads(finished.read_text())


def _run_to_the_end(study: Study) -> dict[str, Any]:
    plan = study.config.plan
    _say(study, f"study {study.config.name}: timing networks")
    with _timed(study, "time"):
        study.measure_planned()
    if not _of(study, "initial"):
        _say(study, f"choosing {plan.initial_runs} first runs, spread over size, tokens and shape")
        with _timed(study, "plan"):
            study.plan_first_runs()
    with _timed(study, "train"):
        study.train()
    for round_number in range(1, plan.rounds + 1):
        _run_round(study, round_number)
    chosen = _recommended(study)
    if not _of(study, "check"):
        study.plan_check(chosen)
    _say(study, "checking: training the recommended architecture and the baseline at the target")
    with _timed(study, "check"):
        study.train()
        failed = [run for run in _of(study, "check") if run.status != "done"]
        if failed:
            write_study_report(study)
            raise LabError(
                "; ".join(f"check run {run.run_id} {run.status}: {run.reason}" for run in failed)
            )
        _await_anchor(study)
        _timed_whole(study, [chosen, study.config.decision.baseline_candidate], "check")
    with _timed(study, "report"):
        _plan_ahead(study)
        summary = summarise(study)
        study.state.write_document("summary", summary)
        write_study_report(study)
    # Once more, so that it also counts the seconds the report took.
    return summarise(study)


def _run_round(study: Study, round_number: int) -> None:
    chosen = [run for run in _of(study, "suggested") if run.record.get("round") == round_number]
    if not chosen:
        _say(
            study, f"round {round_number} of {study.config.plan.rounds}: fitting and choosing runs"
        )
        # The same network timed again each round tells how much the machine itself varies.
        with _timed(study, "time"):
            _timed_whole(
                study, [study.config.decision.baseline_candidate], f"anchor{round_number}-"
            )
        with _timed(study, "fit"):
            beliefs = study.beliefs(study.fit("laplace"))
        with _timed(study, "plan"):
            for suggestion in study.suggest(beliefs):
                _say(study, suggestion.why)
    with _timed(study, "train"):
        study.train()


def _recommended(study: Study) -> Candidate:
    """Return what was recommended before, or recommend now, by NUTS."""
    try:
        chosen = study.state.document("recommendation").payload["chosen"]
    except NotFoundError:
        _say(study, "sampling the posterior (NUTS) and deciding")
        with _timed(study, "fit"):
            beliefs = study.beliefs(study.fit("nuts"), n_members=1000)
        with _timed(study, "recommend"):
            chosen = study.recommend(beliefs).to_dict()["chosen"]
    return Candidate(Architecture.from_dict(chosen["architecture"]), chosen["n_tokens"])


def _await_anchor(study: Study) -> None:
    """Time the baseline again until the machine is the one that latency was learnt on.

    The baseline was the first to be timed, so it tells a busy machine from a wrong prediction
    without looking at what is checked. After the last try the check goes ahead all the same, and
    the summary carries the drift.
    """
    anchor = study.config.decision.baseline_candidate
    before = next(m for m in study.measurements if m.architecture == anchor.architecture)
    for attempt in range(1, _ANCHOR_TRIES + 1):
        (now,) = _timed_whole(study, [anchor], f"check-anchor{attempt}-")
        drift = now.tpot_ms / before.tpot_ms
        study.state.write_document("anchor_drift", drift)
        if max(drift, 1 / drift) <= _ANCHOR_DRIFT:
            return
        _say(study, f"the baseline's decode step takes {drift:.2f}x its first timing; waiting")
        time.sleep(_ANCHOR_WAIT_SECONDS)


def _timed_whole(study: Study, candidates: Sequence[Candidate], prefix: str) -> list[Measurement]:
    """Time anchors and what is checked; with one that does not fit, nothing can be compared."""
    measurements = study.measure(candidates, prefix)
    if too_large := [str(m.architecture) for m in measurements if not m.is_feasible]:
        raise LabError(
            f"{', '.join(too_large)} ran out of memory when timed, so there is no latency to compare; "
            f"serve a smaller batch or context, or a smaller target"
        )
    return measurements


def _plan_ahead(study: Study) -> None:
    """Keep what the study would run next, without planning it."""
    try:
        study.state.document("next")
    except NotFoundError:
        beliefs = study.beliefs(study.posteriors())
        suggestions = study.suggest(beliefs, keep=False)
        study.state.write_document("next", [suggestion.to_dict() for suggestion in suggestions])


def _of(study: Study, purpose: str) -> list[Run]:
    return [run for run in study.runs if run.purpose == purpose]


def _say(study: Study, text: str) -> None:
    study.notify("step", {"text": text})


@contextmanager
def _timed(study: Study, step: str) -> Iterator[None]:
    """Add a step's wall time to the study's; a step that is killed is not counted."""
    began = time.monotonic()
    yield
    try:
        seconds = study.state.document("seconds").payload
    except NotFoundError:
        seconds = {}
    seconds[step] = seconds.get(step, 0.0) + time.monotonic() - began
    study.state.write_document("seconds", seconds)
