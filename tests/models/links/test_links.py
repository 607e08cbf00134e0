import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayeslaw.errors import InvalidInputError, NotEnoughRunsError
from bayeslaw.models.links import fit_error_link, fit_loss_link, predict_through

LOSSES = np.linspace(4.2, 2.8, 24)


def gadre(loss, eps=0.75, k=3.0, gamma=0.9):
    return eps - k * np.exp(-gamma * loss)


def noisy_errors(seed, n_questions=2000):
    rng = np.random.default_rng(seed)
    return rng.binomial(n_questions, gadre(LOSSES)) / n_questions


@pytest.fixture(scope="module")
def error_link():
    return fit_error_link(LOSSES, noisy_errors(0), chance_error=0.75)


def test_intervals_on_better_networks_hold_what_the_form_gives():
    better = np.array([2.7, 2.5, 2.3])
    held = []
    for seed in range(20):
        link = fit_error_link(LOSSES, noisy_errors(seed), chance_error=0.75, n_draws=400, seed=seed)
        bands = predict_through(link, np.tile(better, (400, 1)))
        rng = np.random.default_rng(100 + seed)
        measured = rng.binomial(2000, gadre(better)) / 2000
        held.append((bands.lower <= measured) & (measured <= bands.upper))
    assert np.mean(held) > 0.85
    assert np.mean(held, axis=0).min() >= 0.7  # .9 with 20 repeats: .7 fails once in 400


def test_uncertain_losses_widen_the_error(error_link):
    sure = np.full((1000, 1), 2.6)
    unsure = sure * np.exp(0.03 * np.random.default_rng(0).standard_normal((1000, 1)))
    narrow, wide = (predict_through(error_link, draws) for draws in (sure, unsure))
    assert wide.upper - wide.lower > 1.05 * (narrow.upper - narrow.lower)


def test_a_draw_is_one_coherent_curve_whatever_else_is_asked(error_link):
    losses = np.tile([3.5, 2.7, 2.2], (len(error_link), 1))
    together = error_link.draws(losses)
    apart = np.concatenate([error_link.draws(losses[:, i : i + 1]) for i in range(3)], axis=1)
    assert np.array_equal(together, apart)
    fewer = error_link.draws(losses[:10])
    assert np.array_equal(fewer, together[:10])


def test_doubt_about_the_form_grows_below_the_lowest_loss(error_link):
    spread = error_link.draws(np.tile([2.8, 2.5, 2.0], (len(error_link), 1))).std(axis=0)
    assert spread[0] < spread[1] < spread[2]


@pytest.fixture(scope="module")
def floored():
    return [
        fit_error_link(LOSSES, gadre(LOSSES), floor=floor, n_draws=50) for floor in (0.0, 0.1, 0.3)
    ]


@given(loss=st.floats(0.05, 12.0))
@settings(deadline=None)  # the first call draws the paths
def test_no_error_leaves_its_bounds(floored, loss):
    for link in floored:
        errors = link.draws(np.full((50, 1), loss))
        assert ((errors >= link.floor) & (errors < 1)).all()
        measured = link.draws(np.full((50, 1), loss), new_run=True)
        assert ((measured >= 0) & (measured <= 1)).all()


def test_a_known_number_of_questions_bounds_the_noise_from_below():
    exact = gadre(LOSSES)
    free, few = (
        fit_error_link(LOSSES, exact, n_questions=n_questions) for n_questions in (None, 100)
    )
    assert few.n_effective.max() <= 100 < np.median(free.n_effective)


def test_runs_at_chance_say_so_and_a_task_that_moves_does_not(error_link):
    rng = np.random.default_rng(0)
    at_chance = fit_error_link(LOSSES, 0.75 + 0.01 * rng.standard_normal(24), chance_error=0.75)
    assert [note.code for note in at_chance.notes] == ["no_signal_yet"]
    assert not error_link.notes


def test_a_loss_far_below_all_seen_is_noted(error_link):
    assert not predict_through(error_link, np.full((50, 1), 2.5)).notes
    notes = predict_through(error_link, np.full((50, 1), 1.5)).notes
    assert [note.code for note in notes] == ["outside_validated_loss"]


def test_a_loss_link_finds_the_other_corpus_and_carries_draws():
    rng = np.random.default_rng(0)

    def other(loss):
        return 0.6 + 1.2 * (loss - 1.6) ** 1.2

    held = []
    for seed in range(10):
        measured = other(LOSSES) * np.exp(0.004 * rng.standard_normal(24))
        link = fit_loss_link(LOSSES, measured, n_draws=400, seed=seed)
        better = np.array([2.6, 2.3])
        new = other(better) * np.exp(0.004 * rng.standard_normal(2))
        bands = predict_through(link, np.tile(better, (400, 1)))
        held.append((bands.lower <= new) & (new <= bands.upper))
    assert np.mean(held) >= 0.8


def test_a_loss_link_of_a_corpus_to_itself_is_the_identity():
    link = fit_loss_link(LOSSES, LOSSES)
    drawn = link.draws(np.tile([3.0, 2.6], (1000, 1)))
    assert np.median(drawn, axis=0) == pytest.approx([3.0, 2.6], rel=0.003)


def test_a_loss_under_a_draw_s_floor_stays_a_loss():
    drawn = fit_loss_link(LOSSES, LOSSES).draws(np.full((1000, 1), 0.1))
    assert np.isfinite(drawn).all() and (drawn > 0).all()


@pytest.mark.parametrize(
    ("loss", "error", "options", "kind", "match"),
    [
        (LOSSES, 100 * gadre(LOSSES), {}, InvalidInputError, "not a percentage"),
        (LOSSES[:4], gadre(LOSSES[:4]), {}, NotEnoughRunsError, "at least 5 runs"),
        (LOSSES, gadre(LOSSES[1:]), {}, InvalidInputError, "must be pairs"),
        (-LOSSES, gadre(LOSSES), {}, InvalidInputError, "finite positive loss"),
        (np.full(6, 3.0), np.full(6, 0.5), {}, InvalidInputError, "all 6 runs have the loss 3.0"),
        (LOSSES, gadre(LOSSES), {"chance_error": 75}, InvalidInputError, "four choices"),
        (LOSSES, gadre(LOSSES), {"floor": 1.0}, InvalidInputError, "floor must be a share"),
        (LOSSES, gadre(LOSSES), {"n_questions": 0}, InvalidInputError, "n_questions"),
    ],
)
def test_bad_pairs_are_refused_with_what_to_do(loss, error, options, kind, match):
    with pytest.raises(kind, match=match):
        fit_error_link(loss, error, **options)


def test_draws_of_another_shape_are_refused(error_link):
    with pytest.raises(InvalidInputError, match=r"shape \(draw, candidate\), got \(3,\)"):
        error_link.draws(np.array([3.0, 2.9, 2.8]))
    with pytest.raises(InvalidInputError, match="between 0 and 1"):
        predict_through(error_link, np.full((2, 1), 3.0), level=90)
