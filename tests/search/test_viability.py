import numpy as np
import pytest

from bayeslaw.errors import InvalidInputError
from bayeslaw.runs import Run
from bayeslaw.search.failures import failure
from bayeslaw.search.logistic import fit_logistic, fit_threshold
from bayeslaw.search.viability import fit_viability
from bayeslaw.space import Architecture, Candidate


def shape(n_layers, d_model):
    return Architecture(n_layers, d_model, 4, 4, 16, 3 * d_model, 257)


def ended(name, architecture, reason="", *, rate=0.01, tokens=10**6, **more):
    run = Run(
        name, tokens, architecture, record={"hyperparameters": {"learning_rate": rate}}, **more
    )
    if reason:
        return run.advance("failed", reason=reason)
    return run.advance("running").complete(loss_nats=2.0, cost_gpu_hours=0.1)


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("the training loss was nan nats at step 40 of 100; a learning rate below 0.1 or a longer "
         "warm-up may help", "diverged"),
        ("the evaluation loss was 7.120 nats at step 90 of 100, above 5.549 before training",
         "diverged"),
        ("the lab was ended by SIGKILL; often the system had no memory left and wrote no result.json",
         "out_of_memory"),
        ("torch.OutOfMemoryError: CUDA out of memory", "out_of_memory"),
        ("its lease ran out 3 times, last with worker 'w1'", "other"),
        ("the lab exited with code 1 and wrote no result.json", "other"),
        ("financial reasons", "other"),
    ],
)  # fmt: skip
def test_a_reason_tells_why_a_run_failed(reason, cause):
    assert failure(ended("r", shape(2, 64), reason)) == cause
    assert failure(ended("r", shape(2, 64))) is None


def test_probabilities_of_divergence_are_frequencies_over_the_prior():
    """Worlds drawn from the prior, 30 runs each: of new runs said to fail with p, a share p does."""
    rng = np.random.default_rng(0)
    prior_mean, prior_sd = np.array([-1.5, 0.0, 0.0]), np.array([1.5, 0.5, 0.5])
    said, happened = [], []
    for _ in range(400):
        theta = prior_mean + prior_sd * rng.standard_normal(3)
        x = rng.uniform(-2, 2, (60, 2))
        centre = x[:30].mean(axis=0)
        p = 1 / (1 + np.exp(-(theta[0] + (x - centre) @ theta[1:])))
        failed = rng.random(60) < p
        said.append(fit_logistic(x[:30], failed[:30], prior_mean, prior_sd).probability(x[30:]))
        happened.append(failed[30:])
    said, happened = np.array(said), np.array(happened)
    _check_reliability(said, happened)
    # And it does learn: better than the one rate that ignores everything.
    assert _log_score(said, happened) < 0.85 * _log_score(happened.mean(), happened)


def test_probabilities_of_running_out_of_memory_are_frequencies_over_the_prior():
    rng = np.random.default_rng(1)
    prior = {"level_mean": 3.0, "level_sd": 0.7, "log_slope_mean": 1.8, "log_slope_sd": 0.5}
    said, happened = [], []
    for _ in range(300):
        level = 3.0 + 0.7 * rng.standard_normal()
        slope = np.exp(1.8 + 0.5 * rng.standard_normal())
        x = rng.uniform(1, 5, 50)
        ran_out = rng.random(50) < 1 / (1 + np.exp(-slope * (x - level)))
        said.append(fit_threshold(x[:10], ran_out[:10], **prior).probability(x[10:]))
        happened.append(ran_out[10:])
    _check_reliability(np.array(said), np.array(happened))


def _check_reliability(said, happened):
    """In each band of probability the two shares agree within four standard errors over worlds."""
    for low, high in ((0, 0.1), (0.1, 0.3), (0.3, 0.6), (0.6, 1.0)):
        inside = (said >= low) & (said < high)
        gap = np.where(inside, happened - said, 0.0).sum(
            axis=1
        )  # a world's runs are not independent
        share = inside.sum(axis=1).mean()
        error = gap.std() / share / np.sqrt(len(gap))
        assert inside.sum() > 200
        assert abs(gap.mean() / share) < 4 * error
        assert error < 0.03


def _log_score(p, happened):
    return -np.where(happened, np.log(p), np.log1p(-p)).mean()


def test_high_rates_that_diverged_make_high_rates_suspect():
    rng = np.random.default_rng(2)
    runs = []
    for i in range(60):
        rate = float(10 ** rng.uniform(-3, 0))
        reason = "the training loss was nan nats" if rate > 0.1 else ""
        runs.append(ended(f"r{i}", shape(int(rng.integers(2, 9)), 64), reason, rate=rate))
    model = fit_viability(runs, features=("n_params", "n_tokens", "learning_rate"))
    asked = {
        "n_params": np.full(3, 2e5), "n_tokens": np.full(3, 1e6),
        "learning_rate": np.array([0.003, 0.1, 0.8]),
    }  # fmt: skip
    calm, doubtful, wild = model.p_diverges(asked)
    assert calm < 0.02 < 0.2 < doubtful < 0.8 < 0.9 < wild
    assert model.p_success(asked)[0] == pytest.approx((1 - calm) * (1 - model.other), abs=1e-12)
    with pytest.raises(InvalidInputError, match=r"candidates lack \['learning_rate'\]"):
        model.p_success([Candidate(shape(2, 64), 10**6)])


def test_what_ran_out_of_memory_bounds_what_is_larger_and_clears_what_is_smaller():
    widths = (64, 128, 192, 256, 512, 768, 1024)
    runs = [
        ended(f"r{w}", shape(4, w), "out of memory" if w >= 512 else "") for w in widths
    ]  # fmt: skip
    asked = [Candidate(shape(4, w), 10**6) for w in (32, 128, 256, 384, 512, 1024, 2048)]
    p = fit_viability(runs).p_out_of_memory(asked)
    assert (np.diff(p) >= 0).all()
    assert p[1] < 0.02
    assert p[2] < 0.25 < p[4]
    assert p[-1] > 0.97
    # A run out of memory never trained, so it says nothing about divergence.
    trained = [run for run in runs if run.status == "done"]
    diverges = [fit_viability(some).p_diverges(asked) for some in (runs, trained)]
    assert diverges[0] == pytest.approx(diverges[1], abs=1e-12)


def test_memory_that_is_known_speaks_before_the_first_run():
    asked = [Candidate(shape(4, w), 10**6) for w in (64, 512, 4096)]
    bytes_held = np.array([16.0 * c.architecture.n_params for c in asked])
    p = fit_viability([], memory_bytes=float(bytes_held[1])).p_out_of_memory(asked)
    assert p[0] < 0.01
    assert 0.5 < p[1] < 0.99
    assert p[2] > 0.99
    unknown = fit_viability([])
    assert not unknown.p_out_of_memory(asked).any()
    assert [note.code for note in unknown.notes] == ["memory_unknown"]


def test_only_runs_that_were_tried_here_and_ended_count():
    runs = [
        ended("i", shape(2, 64), purpose="imported"),
        Run("s", 10**6, shape(2, 64)).advance("stopped", reason="its loss could change nothing"),
        Run("p", 10**6, shape(2, 64)),
        ended("bare", None, columns={"n_params": 1e5}),
        ended("d", shape(2, 64)),
        ended("x", shape(2, 64), "the node went away"),
    ]
    model = fit_viability(runs)
    assert model.n_runs == 2
    assert model.n_failed == {"out_of_memory": 0, "diverged": 0, "other": 1}
    assert model.other == pytest.approx(1.5 / 27)
    assert "1 of 3 ended runs lack" in str(model.notes[0])


def test_bad_input_is_refused():
    with pytest.raises(InvalidInputError, match="positive bytes, got -1"):
        fit_viability([], memory_bytes=-1.0)
    with pytest.raises(InvalidInputError, match="must depend on something"):
        fit_viability([], features=())
    with pytest.raises(InvalidInputError, match="must be positive, got 0"):
        fit_viability([]).p_success(
            {"n_params": np.zeros(1), "aspect_ratio": np.ones(1), "n_tokens": np.ones(1)}
        )
