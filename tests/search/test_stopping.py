from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm
from search_world import ChinchillaBelief, pool, shape

from bayeslaw.errors import InvalidInputError, NotEnoughRunsError
from bayeslaw.runs import Run, candidate_columns
from bayeslaw.search.early_loss import EarlyLoss, early_loss
from bayeslaw.search.stopping import should_stop
from bayeslaw.search.watching import watch_run
from bayeslaw.space import Candidate

NOISE = 0.003


def two_alternatives(n_draws=20_000, ahead=0.02, seed=0):
    """A's utility follows the run's log loss (sd 0.01, slope -2), B's is certain and behind."""
    z = np.random.default_rng(seed).standard_normal(n_draws)
    z = (z - z.mean()) / z.std()
    utilities = np.stack([ahead - 2 * 0.01 * z, np.zeros(n_draws)], axis=1)
    return 0.7 + 0.01 * z, utilities


def advise(early, losses, utilities, **more):
    return should_stop(losses, utilities, early, noise_sd=NOISE, **{"hours_left": 4.0, **more})


def test_what_is_left_is_that_of_two_normal_alternatives():
    losses, utilities = two_alternatives()
    for sd in (10.0, 0.005):
        advice = advise(EarlyLoss(0.7, sd, 0.3), losses, utilities)
        total = 0.01**2 + NOISE**2
        spread = 2 * 0.01**2 / np.sqrt(total) * sd / np.sqrt(total + sd**2)
        z = 0.02 / spread
        assert advice.p_changes_decision == pytest.approx(norm.cdf(-z), abs=0.003)
        assert advice.gain_left == pytest.approx(
            spread * norm.pdf(z) - 0.02 * norm.cdf(-z), rel=0.03
        )
        assert advice.gain_per_hour_left == advice.gain_left / 4


def test_a_run_that_decides_goes_on_and_one_that_cannot_is_stopped():
    losses, utilities = two_alternatives(2_000)
    knows_nothing = EarlyLoss(0.7, 10.0, 0.05)
    decides = advise(knows_nothing, losses, utilities)
    assert not decides.stop
    assert decides.reason.startswith(
        "go on: its final loss changes the decision with probability 0.1"
    )
    # The curve already says that A is as good as hoped ...
    assert advise(EarlyLoss(0.7, 0.001, 0.9), losses, utilities).stop
    # ... or that it is worse than B, which then is chosen and stays so.
    assert advise(EarlyLoss(0.73, 0.001, 0.9), losses, utilities).stop
    # Halfway between the two the same precision leaves the decision open.
    assert not advise(EarlyLoss(0.7112, 0.001, 0.9), losses, utilities).stop
    # A run that shares nothing with the alternatives teaches nothing.
    stranger = np.random.default_rng(5).normal(0.7, 0.01, 2_000)
    told = advise(knows_nothing, stranger, utilities)
    assert told.stop
    assert told.gain_left < 1e-5


def test_the_decision_changes_as_often_as_was_said():
    """Truths from the prior: the run goes on, ends, and the decision is made again with its loss."""
    rng = np.random.default_rng(1)
    losses, utilities = two_alternatives(1_000, ahead=0.01)
    slope = -2 * 0.01**2 / (0.01**2 + NOISE**2)
    said, changed = [], []
    for _ in range(150):
        final = 0.7 + 0.01 * rng.standard_normal() + NOISE * rng.standard_normal()
        early = EarlyLoss(final + 0.006 * rng.standard_normal(), 0.006, 0.4)
        said.append(advise(early, losses, utilities).p_changes_decision)
        total = 0.01**2 + NOISE**2
        told = 0.7 + total / (total + 0.006**2) * (early.log_loss - 0.7)
        chooses_a = [0.01 + slope * (loss - 0.7) > 0 for loss in (told, final)]
        changed.append(chooses_a[0] != chooses_a[1])
    said, changed = np.array(said), np.array(changed)
    assert 0.05 < changed.mean() < 0.4
    gap = (changed - said).mean()
    assert abs(gap) < 4 * np.sqrt((said * (1 - said)).sum()) / 150
    # Sharp as well: where little was said, little happened.
    assert changed[said < 0.05].mean() < 0.06 < 0.25 < changed[said > 0.3].mean()


def test_two_laws_that_disagree_make_a_run_worth_finishing():
    rng = np.random.default_rng(2)
    law = np.repeat([0, 0, 0, 1], 500)
    # Within a law everything is sure; the laws differ in the loss they expect and whom they prefer.
    losses = np.where(law == 0, 0.70, 0.74) + 1e-4 * rng.standard_normal(2_000)
    utilities = np.stack([np.where(law == 0, 0.01, -0.02), np.zeros(2_000)], axis=1)
    unseen = EarlyLoss(0.70, 10.0, 0.01)
    open_case = advise(unseen, losses, utilities, law=law)
    assert open_case.p_changes_decision == pytest.approx(0.25, abs=0.01)
    assert not open_case.stop
    assert advise(unseen, losses, utilities, law=law, evidence_power=0.0).stop
    # As one law the same draws are read along a line, which also says so.
    assert advise(EarlyLoss(0.70, 0.002, 0.8), losses, utilities, law=law).stop


def test_a_change_that_gains_next_to_nothing_need_not_count():
    losses, utilities = two_alternatives(2_000, ahead=1e-5)
    early = EarlyLoss(0.7, 2e-4, 0.95)
    assert not advise(early, losses, utilities).stop
    assert advise(early, losses, utilities, tolerance=0.002).stop


def test_the_same_question_has_the_same_answer():
    losses, utilities = two_alternatives(500)
    early = EarlyLoss(0.702, 0.004, 0.5)
    assert advise(early, losses, utilities) == advise(early, losses, utilities)


def test_bad_questions_are_refused():
    losses, utilities = two_alternatives(200)
    early = EarlyLoss(0.7, 0.01, 0.5)
    with pytest.raises(InvalidInputError, match=r"got \(199,\), \(200, 2\)"):
        advise(early, losses[1:], utilities)
    with pytest.raises(InvalidInputError, match="hours_left is out of its range: 0"):
        advise(early, losses, utilities, hours_left=0.0)
    with pytest.raises(InvalidInputError, match="a law has 10 draws"):
        advise(early, losses, utilities, law=np.repeat([0, 1], [190, 10]))
    with pytest.raises(InvalidInputError, match="must be finite"):
        advise(early, losses, np.full((200, 2), np.nan))
    with pytest.raises(InvalidInputError, match="positive sd"):
        EarlyLoss(0.7, 0.0, 0.5)
    with pytest.raises(InvalidInputError, match="seen nothing yet"):
        EarlyLoss(0.7, 0.1, 0.0)


WSD = {"schedule": "wsd", "decay_fraction": 0.5}
SHARES = np.array([0.05, 0.1, 0.2, 0.3, 0.4, 0.5])


def trained(name, rng, *, schedule=WSD, scatter=0.004, above=0.15):
    """Train one made-up run: while its rate is constant its loss lies above its end."""
    n_params, n_tokens = (float(v) for v in np.exp(rng.uniform((11, 14), (15, 18))))
    final = 1.5 + 40 * n_params**-0.3 + 60 * n_tokens**-0.3
    offsets = above * np.log(1 / SHARES) * (1 + 0.1 * np.log(n_params / 5e5))
    losses = final * np.exp(offsets + scatter * rng.standard_normal())
    curve = [
        {"tokens": int(share * n_tokens), "loss_nats": loss}
        for share, loss in zip(SHARES, losses.tolist(), strict=True)
    ]
    record = {"hyperparameters": dict(schedule), "curve": curve}
    run = Run(name, int(n_tokens), columns={"n_params": n_params}, record=record).advance("running")
    return run, float(final)


def done(name, rng, **more):
    run, final = trained(name, rng, **more)
    return run.complete(loss_nats=final, cost_gpu_hours=1.0)


def test_the_end_of_a_curve_is_foretold_with_an_honest_spread():
    rng = np.random.default_rng(3)
    errors, spreads = [], []
    for _ in range(60):
        past = [done(f"r{i}", rng) for i in range(12)]
        run, final = trained("now", rng)
        point = run.record["curve"][3]
        told = early_loss(run, point["tokens"], point["loss_nats"], past)
        assert told.n_curves == 12
        assert told.share == pytest.approx(0.3, abs=1e-3)
        errors.append(told.log_loss - np.log(final))
        spreads.append(told.sd)
    z = np.array(errors) / np.array(spreads)
    assert abs(np.mean(errors)) < 4 * np.std(errors) / np.sqrt(60)
    assert 0.6 < z.std() < 1.2
    assert np.median(spreads) < 0.012  # the offset itself is 0.18


def test_curves_of_another_schedule_or_too_few_of_them_say_nothing():
    rng = np.random.default_rng(4)
    cosine = [done(f"c{i}", rng, schedule={"schedule": "cosine"}) for i in range(9)]
    past = [done(f"r{i}", rng) for i in range(6)]
    run, _ = trained("now", rng)
    seen = run.record["curve"][2]
    told = early_loss(run, seen["tokens"], seen["loss_nats"], [*cosine, *past])
    assert told == early_loss(run, seen["tokens"], seen["loss_nats"], past)
    retracted = [r.superseded_for("leak") for r in past[:2]]
    with pytest.raises(
        NotEnoughRunsError, match="4 done runs of this schedule have a curve around"
    ):
        early_loss(run, seen["tokens"], seen["loss_nats"], [*cosine, *retracted, *past[2:]])
    with pytest.raises(NotEnoughRunsError, match="0 done runs"):  # no curve reaches so far
        early_loss(run, 0.8 * run.n_tokens, seen["loss_nats"], past)
    with pytest.raises(InvalidInputError, match="between the two"):
        early_loss(run, run.n_tokens, seen["loss_nats"], past)
    with pytest.raises(InvalidInputError, match="positive nats"):
        early_loss(run, seen["tokens"], -1.0, past)
    with pytest.raises(InvalidInputError, match="neither an architecture"):
        early_loss(Run("x", 1000), 500, 2.0, past)


def test_of_several_decisions_any_that_changes_counts():
    losses, utilities = two_alternatives(2_000)
    certain = np.tile([1.0, 0.0], (2_000, 1))
    early = EarlyLoss(0.7, 10.0, 0.05)
    alone = advise(early, losses, utilities)
    both = advise(early, losses, np.hstack([utilities, certain]), decisions=np.array([0, 0, 1, 1]))
    assert both.p_changes_decision == alone.p_changes_decision
    assert both.gain_left == pytest.approx(alone.gain_left / 2)
    with pytest.raises(InvalidInputError, match="must be ascending"):
        advise(early, losses, utilities, decisions=np.array([1, 0]))


def test_a_run_is_watched_with_all_that_is_believed(known_world):
    beliefs, runs = known_world
    rng = np.random.default_rng(6)
    past = []
    for run in runs:
        offsets = 0.1 * np.log(1 / SHARES) + 0.002 * rng.standard_normal(len(SHARES))
        curve = [
            {"tokens": share * run.n_tokens, "loss_nats": run.loss_nats * np.exp(offset)}
            for share, offset in zip(SHARES, offsets, strict=True)
        ]
        past.append(replace(run, record={"curve": curve}))
    candidate = pool(1, seed=4)[0]
    now = Run("now", candidate.n_tokens, candidate.architecture).advance("running")
    expected = float(np.median(ChinchillaBelief().losses(candidate_columns([candidate]))))
    seen = 0.3 * now.n_tokens, expected * np.exp(0.1 * np.log(1 / 0.3))
    target = [Candidate(c.architecture, 20_000_000) for c in pool(40, seed=2, scale=1.5)]
    asked = {"done": past, "target_candidates": target, "objectives": "-loss_nats, -tpot_ms"}
    advice = watch_run(beliefs, now, *seen, **asked)
    assert 0 <= advice.p_changes_decision <= 1
    hours = 0.7 * beliefs.cost.predict([candidate])["p50"][0]
    assert advice.gain_per_hour_left == pytest.approx(advice.gain_left / hours)
    assert advice == watch_run(beliefs, now, *seen, **asked)
    # Two shapes of which one is better in both objectives: no loss of another run can change that.
    clear = [Candidate(shape(2, 64), 20_000_000), Candidate(shape(8, 384), 200_000)]
    told = watch_run(beliefs, now, *seen, **{**asked, "target_candidates": clear})
    assert told.stop
    with pytest.raises(InvalidInputError, match="no decision"):
        watch_run(beliefs, now, *seen, **asked, goal="error")
    with pytest.raises(NotEnoughRunsError, match="let run 'now' go on"):
        watch_run(beliefs, now, *seen, **{**asked, "done": past[:3]})
