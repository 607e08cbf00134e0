import numpy as np
import pytest

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.costs import fit_cost
from bayeslaw.runs import Run
from bayeslaw.space import DEVICES, Architecture, Candidate


def architecture(n_layers, d_model):
    return Architecture(n_layers, d_model, 2, 2, d_model // 2, 3 * d_model, 257)


def true_hours(candidate):
    """Throughput that rises with size, as tiny networks on a CPU show."""
    per_token = candidate.architecture.train_flops_per_token("attention_aware", 128)
    return per_token * candidate.n_tokens / (2e10 * (per_token / 1e6) ** 0.2) / 3600


def random_runs(n, rng):
    runs = []
    for i in range(n):
        shape = architecture(int(rng.integers(2, 6)), 16 * int(rng.integers(2, 7)))
        candidate = Candidate(shape, int(rng.integers(1, 5)) * 1_000_000)
        hours = true_hours(candidate) * np.exp(0.05 * rng.standard_normal())
        run = Run(f"r{i}", candidate.n_tokens, shape).advance("running")
        runs.append(run.complete(loss_nats=3.0, cost_gpu_hours=float(hours)))
    return runs


def test_ten_runs_predict_runs_ten_times_dearer_and_the_interval_holds():
    rng = np.random.default_rng(0)
    far = [Candidate(architecture(6, 16 * k), 10_000_000) for k in range(8, 14)]
    truth = np.array([true_hours(c) for c in far])
    held, ratios = [], []
    for _ in range(40):
        runs = random_runs(10, rng)
        ratios.append(truth.min() / max(run.cost_gpu_hours or 0 for run in runs))
        bands = fit_cost(runs, seq_len=128).predict(far)
        new = truth * np.exp(0.05 * rng.standard_normal(len(far)))
        held.append(np.mean((bands["p05"] <= new) & (new <= bands["p95"])))
        assert np.all(np.abs(np.log(bands["p50"] / truth)) < 0.7)
    assert min(ratios) > 2
    assert np.mean(held) > 0.85


def test_before_the_first_run_the_device_gives_a_wide_answer_around_a_known_run():
    # nanochat d24: 4.33e19 FLOP in 10,949 s on 8 H100 (50 % of the peak) are 24.3 GPU-hours.
    shape = Architecture(24, 1536, 12, 12, 128, 6144, 65536, gated_mlp=False)
    per_token = shape.train_flops_per_token("attention_aware", 2048)
    model = fit_cost([], device=DEVICES["h100-sxm"])
    bands = model.predict([Candidate(shape, round(4.33e19 / per_token))])
    assert bands["p05"][0] < 24.3 < bands["p95"][0]
    assert bands["p95"][0] / bands["p05"][0] > 4


def test_runs_narrow_what_the_device_alone_says():
    runs = random_runs(10, np.random.default_rng(1))
    candidate = [Candidate(runs[0].architecture, runs[0].n_tokens)]
    before, after = (
        fit_cost(known, device=DEVICES["a100-40gb"], precision="float32", seq_len=128).predict(
            candidate
        )
        for known in ([], runs)
    )
    assert after["p95"] / after["p05"] < 0.5 * before["p95"] / before["p05"]


def test_draws_agree_with_quantiles_and_repeat_for_a_seed():
    runs = random_runs(8, np.random.default_rng(2))
    model = fit_cost(runs, seq_len=128)
    candidates = [Candidate(architecture(4, 128), 5_000_000)] * 2
    drawn = model.draw(candidates, 20_000, seed=3)
    assert np.quantile(drawn[:, 0], 0.95) == pytest.approx(
        model.predict(candidates)["p95"][0], rel=0.02
    )
    assert np.array_equal(drawn, model.draw(candidates, 20_000, seed=3))
    # Two runs share the coefficients' error, not their own noise.
    assert 0.1 < np.corrcoef(np.log(drawn).T)[0, 1] < 1


def test_a_failed_run_teaches_no_cost():
    failed = Run("f", 100, architecture(2, 32)).advance("failed", reason="NaN")
    with pytest.raises(InvalidInputError, match="no run with an architecture and a cost is done"):
        fit_cost([failed])


def test_nothing_to_predict_is_refused():
    with pytest.raises(InvalidInputError, match="no candidates"):
        fit_cost([], device=DEVICES["h200"]).predict([])
