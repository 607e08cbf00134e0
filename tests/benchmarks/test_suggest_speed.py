import numpy as np
import pytest
from benchmarks.suggest_speed import task
from benchmarks.suggest_speed.__main__ import summarise


def row(who, n_runs, n_pool, seconds, cpu=None):
    return {
        "who": who, "n_runs": n_runs, "n_pool": n_pool, "seconds": [seconds],
        "cpu_seconds": [cpu or seconds], "p50_s": seconds, "p95_s": 2 * seconds,
        "peak_growth_mb": None,
    }  # fmt: skip


def test_the_summary_has_the_contracts_headline():
    curve = [
        row("ours", 20, 2048, 0.1),
        row("ours", 200, 512, 0.2),
        row("ours", 200, 2048, 0.3),
        row("ours", 200, 2**16, 1.0),
        row("ours", 200, 2**20, 16.0),
        row("ax", 20, None, 5.0),
        row("ax", 200, None, 30.0),
        row("optuna_gp", 200, None, 12.0),
    ]
    found = summarise(curve)
    wanted = {"ours_p50_s": 0.3, "ours_p95_s": 0.6, "ax_s": 30.0, "optuna_gp_s": 12.0}
    assert {name: found["headline"][name] for name in wanted} == wanted
    assert found["headline"]["ours_over_ax"] == pytest.approx(0.01)
    assert found["pool_exponent"] == pytest.approx(1.0)
    assert found["curve"] == curve


def test_everyone_is_asked_about_the_same_space():
    space = {given["name"]: given for given in task.SPACE}
    for parameters in task.draw_parameters(50, seed=0):
        assert parameters.keys() == space.keys()
        candidate = task.candidate(parameters)
        shape = candidate.architecture
        assert shape.n_heads % shape.n_kv_heads == 0
        assert shape.d_ff / shape.d_model == pytest.approx(parameters["mlp_ratio"], abs=0.2)
    pool = task.draw_pool(400, seed=0)
    for name, low, high in (("n_layers", 4, 40), ("d_model", 256, 2048), ("n_tokens", 1e9, 1e11)):
        assert low <= pool.columns[name].min() and pool.columns[name].max() <= high
    assert (pool.columns["n_heads"] % pool.columns["n_kv_heads"] == 0).all()
    assert set(np.unique(pool.columns["d_model"])) <= set(task.WIDTHS)


def test_limits_bind_for_some_of_the_space_and_not_for_all():
    candidates = [task.candidate(p) for p in task.draw_parameters(200, seed=0)]
    found = task.outcomes(candidates, seed=0)
    for name, bound in task.LIMITS.items():
        held = np.mean([values[name] <= bound for values in found])
        assert 0.2 < held < 0.98
    assert all(1.7 < values["loss"] < 6 and values["tpot_ms"] > 0 for values in found)


def test_done_runs_carry_what_the_laws_and_the_cost_model_learn_from():
    runs = task.finished_runs(5, seed=0)
    assert all(run.is_evidence and run.loss_nats and run.cost_gpu_hours for run in runs)
    measured = task.timings(6, seed=0)
    assert len({m.architecture for m in measured}) == len(measured) == 6
