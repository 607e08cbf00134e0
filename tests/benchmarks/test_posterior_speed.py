import numpy as np
import pytest
from benchmarks.posterior_speed import check_converged, headline
from benchmarks.speed.task import LAW, NOISE, TRUTH, make_table, with_one_more


def row(cold, warm, imports=1.0, rhat=1.001, ess=900.0):
    def fit(seconds):
        return {"seconds": seconds, "max_rhat": rhat, "min_ess_bulk": ess}

    update = {"seconds": 0.02}
    return {"seconds_imports": imports, "cold": fit(cold), "warm": fit(warm), "update": update}


def test_ratios_are_of_medians_and_imports_count_for_both():
    races = {
        "ours_nuts": [row(3.0, 1.0), row(4.0, 2.0), row(90.0, 3.0)],
        "numpyro_default": [row(39.0, 40.0)],
        "numpyro_jit_model_args": [row(30.0, 20.0)],
    }
    found = headline(races)
    assert found["ratio_cold_with_imports"] == pytest.approx(40.0 / 5.0)
    assert found["ratio_cold"] == pytest.approx(39.0 / 4.0)
    assert found["ratio_warm"] == pytest.approx(20.0)
    assert found["ratio_warm_jit_model_args"] == pytest.approx(10.0)
    assert found["update_seconds"] == 0.02


@pytest.mark.parametrize("bad", [{"rhat": 1.02}, {"ess": 399.0}, {"ess": float("nan")}])
def test_time_bought_with_bad_draws_does_not_count(bad):
    check_converged([row(3.0, 1.0)])
    with pytest.raises(ValueError, match="does not count"):
        check_converged([row(3.0, 1.0), row(3.0, 1.0, **bad)])


def test_runs_are_made_from_the_law_and_one_more_is_of_the_same_kind():
    table = make_table(200, seed=4)
    error = np.log(table["loss_nats"]) - np.log(LAW(TRUTH, table))
    assert error.std() == pytest.approx(NOISE, rel=0.2)
    assert not np.allclose(make_table(200, seed=5)["loss_nats"], table["loss_nats"])
    larger = with_one_more(table, seed=6)
    assert len(larger) == 201
    np.testing.assert_array_equal(larger["loss_nats"][:200], table["loss_nats"])
