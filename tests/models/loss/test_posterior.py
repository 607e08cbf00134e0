import warnings

import numpy as np
import pytest
import xarray

from bayeslaw.errors import InvalidInputError, NotFoundError
from bayeslaw.models.loss import LAWS, Posterior, fit_law
from bayeslaw.models.loss.discrepancy import N_NODES, OWN_SHARES, forward_error
from bayeslaw.models.loss.evidence import gather_evidence, padded

with warnings.catch_warnings():
    # ArviZ 0.23 announces its own refactoring at import.
    warnings.filterwarnings("ignore", message="\nArviZ is undergoing", category=FutureWarning)
    import arviz


def candidates(*cost_ratios, posterior, tokens_per_param=1.0):
    """Networks at so many times the cost of the costliest run."""
    size = np.sqrt(np.array(cost_ratios) * posterior.max_cost_flops / 6 / tokens_per_param)
    return {"n_params": size, "n_tokens": tokens_per_param * size}


def log_error(posterior, columns, **changes):
    curves = posterior.losses(columns, **changes)
    return np.log(curves / posterior.losses(columns, discrepancy=False))


def error_beyond(posterior, size_factors, **columns):
    """Unit error of networks of eight times the cost, sizes apart by factors and tokens against it.

    What the form gets wrong along tokens per weight is there at the costliest run's cost as well.
    """
    found = []
    for ratio in (8.0, 1.0):
        asked = candidates(ratio, posterior=posterior, tokens_per_param=np.exp(posterior.centre))
        asked["n_params"] = asked["n_params"] * np.array(size_factors)
        asked["n_tokens"] = asked["n_tokens"] / np.array(size_factors)
        found.append(log_error(posterior, {**asked, **columns}))
    return (found[0] - found[1]) / (posterior.tau * posterior.scale_prior.reach)[:, None]


def test_the_error_beyond_starts_at_the_costliest_run_and_grows(laplace):
    middle = {"posterior": laplace, "tokens_per_param": np.exp(laplace.centre)}
    error = log_error(laplace, candidates(1, 4, 16, **middle))
    np.testing.assert_allclose(error[:, 0], 0.0, atol=1e-7)
    # Var = reach^2 tau^2 d: doubles from d = log 4 to d = log 16.
    normalised = error[:, 1:] / (laplace.tau * laplace.scale_prior.reach)[:, None]
    np.testing.assert_allclose(
        normalised.std(axis=0), np.sqrt(np.log([4, 16])), rtol=4 / np.sqrt(2 * len(laplace))
    )
    # Steps of a Brownian path have nothing to do with where it came from.
    step = normalised[:, 1] - normalised[:, 0]
    assert abs(np.corrcoef(step, normalised[:, 0])[0, 1]) < 4 / np.sqrt(len(laplace))
    twice = log_error(laplace, candidates(1, 4, 16, **middle), tau_factor=2.0)
    np.testing.assert_allclose(twice, 2 * error, atol=1e-7)


def test_inside_the_curve_is_the_law_and_the_path_that_the_runs_were_fitted_with(laplace, table):
    arrays = padded(gather_evidence(LAWS["chinchilla"], table), laplace.law, laplace.scale_prior)
    along_cost, along_ratio = (arrays[name][: len(table)] for name in ("along_cost", "along_ratio"))
    path = laplace.tau[:, None] * (laplace.path[:, :N_NODES] @ along_cost.T)
    path += laplace.rho[:, None] * (laplace.path[:, N_NODES:] @ along_ratio.T)
    law = laplace.law({name: values[:, None] for name, values in laplace.draws.items()}, table)
    np.testing.assert_allclose(laplace.losses(table), law * np.exp(path), rtol=1e-12)
    assert (path.std(axis=0) > 1e-5).sum() == len(table)
    # And so what the likelihood saw is what is left of the losses.
    assert np.median(np.abs(np.log(table["loss_nats"] / laplace.losses(table)))) < 0.01


def test_one_draw_is_one_curve_however_it_is_asked(laplace):
    ratios = (0.1, 0.7, 0.99999, 1.00001, 2, 3, 8, 8.0001)
    together = laplace.losses(candidates(*ratios, posterior=laplace))
    apart = [laplace.losses(candidates(ratio, posterior=laplace)) for ratio in ratios]
    np.testing.assert_allclose(together, np.concatenate(apart, axis=1), rtol=1e-12)
    backwards = laplace.losses(candidates(*ratios[::-1], posterior=laplace))
    np.testing.assert_allclose(together, backwards[:, ::-1], rtol=1e-12)
    # No jump at the costliest run or anywhere else.
    np.testing.assert_allclose(together[:, [2, 6]], together[:, [3, 7]], rtol=1e-3)


def test_architectures_of_one_cost_are_wrong_together(laplace):
    error = error_beyond(laplace, [1.0, 1.0, 2.0, 1000.0])
    found = np.corrcoef(error.T)[0]
    assert found[1] == pytest.approx(1.0, abs=1e-9)
    own, gap = OWN_SHARES["tokens_per_param"], np.log(4)  # N twice and D half: D/N a quarter
    assert found[2] == pytest.approx(1 - own + own * np.exp(-(gap**2) / 2), abs=0.01)
    assert found[3] == pytest.approx(1 - own, abs=0.015)
    np.testing.assert_allclose(error.std(axis=0), np.sqrt(np.log(8)), rtol=0.07)


def test_shapes_of_one_cost_are_wrong_together_but_less(laplace):
    shapes = {"aspect_ratio": np.exp([4.0, 4.0, 5.0, 14.0])}
    found = np.corrcoef(error_beyond(laplace, np.ones(4), **shapes).T)[0]
    assert found[1] == pytest.approx(1.0, abs=1e-9)
    own = OWN_SHARES["aspect_ratio"]
    assert found[2] == pytest.approx(1 - own + own * np.exp(-0.5), abs=0.025)
    assert found[3] == pytest.approx(1 - own, abs=0.05)


def test_a_path_does_not_depend_on_who_else_is_asked():
    distance, ids = np.array([0.5, 2.0, 2.0]), np.array([3, 0, 7])
    features = {"tokens_per_param": np.array([1.0, 2.0, 3.0])}
    error = forward_error(distance, features, ids, seed=4)
    alone = {"tokens_per_param": features["tokens_per_param"][1:2]}
    np.testing.assert_allclose(
        forward_error(distance[1:2], alone, ids[:2], seed=4), error[:2, 1:2], rtol=1e-12
    )
    assert (error[:, 1] != error[:, 2]).all()
    shared = forward_error(distance, features, ids, seed=4, own_shares={})
    np.testing.assert_array_equal(shared[:, 1], shared[:, 2])
    assert not np.allclose(error, forward_error(distance, features, ids, seed=5))


@pytest.mark.parametrize("tokens_per_param", [1, 20])
def test_a_thinned_posterior_keeps_each_draw_s_path(laplace, tokens_per_param):
    columns = candidates(0.5, 6, posterior=laplace, tokens_per_param=tokens_per_param)
    thinned = laplace.thin(100)
    rows = np.arange(100) * len(laplace) // 100
    np.testing.assert_allclose(thinned.losses(columns), laplace.losses(columns)[rows], rtol=1e-12)
    np.testing.assert_array_equal(thinned.noise_scale(columns), laplace.noise_scale(columns)[rows])
    with pytest.raises(InvalidInputError, match="n_draws must lie in"):
        laplace.thin(len(laplace) + 1)


def test_a_new_run_is_less_certain_than_the_curve_and_levels_nest(laplace):
    columns = candidates(0.5, 6, posterior=laplace)
    curve = laplace.predict(columns, new_run=False)
    run = laplace.predict(columns)
    narrow = laplace.predict(columns, level=0.5)
    assert ((run.p95 - run.p05) > (curve.p95 - curve.p05)).all()
    assert (narrow.lower_nats > run.p05).all() and (narrow.upper_nats < run.p95).all()
    with pytest.raises(InvalidInputError, match="this one is at 0"):
        _ = narrow.p05
    np.testing.assert_array_equal(run.p95, laplace.predict(columns).p95)


def test_noise_is_sigma_in_the_middle_and_grows_to_both_sides(laplace):
    ratios = np.exp(laplace.centre + np.array([0.0, -1.5, 1.5, 3.0]))
    columns = candidates(2, posterior=laplace, tokens_per_param=ratios)
    scale = laplace.noise_scale(columns)
    np.testing.assert_allclose(scale[:, 0], laplace.sigma, rtol=1e-9)
    np.testing.assert_allclose(scale[:, 1], scale[:, 2], rtol=1e-9)
    growth = np.log(scale[:, 3] / scale[:, 0]) / 3
    np.testing.assert_allclose(growth, laplace.growth, rtol=1e-9)


def test_a_prediction_says_how_much_hangs_on_the_discrepancy_and_which_law_carries_it(laplace):
    prediction = laplace.predict(candidates(0.3, 2, 10, posterior=laplace))
    width = {
        name: upper - lower
        for name, (lower, upper) in {
            **prediction.sensitivity,
            "as_is": (prediction.lower_nats, prediction.upper_nats),
        }.items()
    }
    assert set(width) == {"tau_halved", "as_is", "tau_doubled"}
    # Inside the runs nothing hangs on it, and beyond them the more the further.
    np.testing.assert_array_equal(width["tau_halved"][0], width["tau_doubled"][0])
    assert (width["tau_halved"][1:] < width["as_is"][1:]).all()
    assert (width["as_is"][1:] < width["tau_doubled"][1:]).all()
    share = width["tau_doubled"] / width["tau_halved"]
    assert 1 < share[1] < share[2] < 4
    assert prediction.carried_by == {"chinchilla (n_params)": 1.0}
    lower, upper = prediction.sensitivity["tau_doubled"]
    columns = candidates(10, posterior=laplace)
    curve = laplace.predict(columns, new_run=False, level=0.8)
    np.testing.assert_allclose(
        curve.sensitivity["tau_doubled"],
        np.quantile(laplace.losses(columns, tau_factor=2.0), [0.1, 0.9], axis=0),
    )
    assert (lower < prediction.median_nats).all() and (prediction.median_nats < upper).all()


def test_a_prediction_beyond_what_was_validated_says_so(laplace):
    assert laplace.predict(candidates(19, posterior=laplace)).notes == ()
    (note,) = laplace.predict(candidates(50, posterior=laplace)).notes
    assert note.code == "outside_validated_distance" and "50 times" in note.message
    with pytest.raises(InvalidInputError, match="check the units"):
        laplace.predict(candidates(1e14, posterior=laplace))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"n_params": [1e6]}, "'n_tokens'.* missing"),
        ({"n_params": [1e6, -1], "n_tokens": [1e7, 1e7]}, "candidate 1: -1.0 must be a finite"),
        ({"n_params": [1e6, 1e6], "n_tokens": [1e7] * 3}, "of one length"),
    ],
)
def test_columns_that_make_no_sense_are_refused(laplace, columns, message):
    with pytest.raises(InvalidInputError, match=message):
        laplace.losses(columns)


@pytest.mark.parametrize("which", ["nuts", "laplace"])
def test_a_saved_posterior_comes_back_whole_and_arviz_reads_it(which, request, tmp_path, table):
    posterior = request.getfixturevalue(which)
    path = posterior.save(tmp_path / "posterior.nc")
    assert [p.name for p in tmp_path.iterdir()] == ["posterior.nc"]
    back = Posterior.load(path, fingerprint=table.fingerprint)
    columns = candidates(0.5, 6, posterior=posterior)
    np.testing.assert_array_equal(back.losses(columns), posterior.losses(columns))
    np.testing.assert_array_equal(back.path, posterior.path)
    assert (back.span, back.centre, back.ends) == (posterior.span, posterior.centre, posterior.ends)
    assert back.scale_prior == posterior.scale_prior
    assert back.diagnostics == posterior.diagnostics and back.notes == posterior.notes
    assert back.n_chains == posterior.n_chains and back.seed == posterior.seed
    for name, values in posterior.sample_stats.items():
        np.testing.assert_array_equal(back.sample_stats[name], values)

    data = arviz.from_netcdf(str(path))
    coefficients = {"E", "A", "alpha", "B", "beta"}
    scales = {"sigma", "growth", "run_share", "tau", "rho"}
    assert set(data.posterior.data_vars) == coefficients | scales | {"path"}
    assert data.log_likelihood["loss_nats"].shape[-1] == len(table)
    if which == "nuts":
        summary = arviz.summary(data, var_names=["E", "alpha"])
        assert summary.loc["alpha", "mean"] == pytest.approx(
            posterior.draws["alpha"].mean(), abs=1e-3
        )


def test_a_posterior_of_other_data_is_refused(laplace, tmp_path):
    path = laplace.save(tmp_path / "p.nc")
    with pytest.raises(InvalidInputError, match="the data changed, so fit the law again"):
        Posterior.load(path, fingerprint="0" * 16)


def test_a_file_that_is_no_posterior_is_refused(tmp_path):
    with pytest.raises(NotFoundError, match="no file"):
        Posterior.load(tmp_path / "none.nc")
    junk = tmp_path / "junk.nc"
    junk.write_bytes(b"not netcdf")
    with pytest.raises(InvalidInputError, match="not a posterior that bayeslaw saved"):
        Posterior.load(junk)
    other = tmp_path / "other.nc"
    xarray.Dataset(attrs={"law": "chinchilla"}).to_netcdf(other, engine="h5netcdf")
    with pytest.raises(InvalidInputError, match="not a posterior that bayeslaw saved"):
        Posterior.load(other)


def test_the_summary_has_a_row_a_coefficient(nuts):
    rows = {row["name"]: row for row in nuts.summary()}
    coefficients, scales = ["E", "A", "alpha", "B", "beta"], ["sigma", "growth", "run_share"]
    assert list(rows) == [*coefficients, *scales, "tau", "rho"]
    assert rows["E"]["p05"] < rows["E"]["p50"] < rows["E"]["p95"]
    # Without trunks the share that a job's points have in common is 0 and nothing was sampled.
    assert {name for name, row in rows.items() if "rhat" not in row} == {"run_share"}
    assert rows["run_share"]["p95"] == 0
    for name in ("E", "tau", "rho", "growth"):
        assert rows[name]["rhat"] == nuts.diagnostics.rhat[name]
        values = nuts.draws[name] if name in nuts.draws else nuts.scales[name]
        assert rows[name]["mean"] == pytest.approx(values.mean())


def test_a_law_counting_body_weights_predicts_from_body_weights(table):
    law = LAWS["chinchilla"].counting("n_params_body")
    posterior = fit_law(law, table, method="laplace", n_draws=100)
    assert posterior.law == law
    assert posterior.losses(table).shape == (100, len(table))
    with pytest.raises(InvalidInputError, match="n_params_body"):
        posterior.losses({"n_params": [1e6], "n_tokens": [1e7]})


def test_our_diagnostics_are_those_of_arviz(nuts):
    for name in ("E", "alpha", "sigma", "tau"):
        values = nuts.draws[name] if name in nuts.draws else nuts.scales[name]
        chains = values.reshape(nuts.n_chains, -1)
        assert nuts.diagnostics.rhat[name] == pytest.approx(float(arviz.rhat(chains)), abs=1e-6)
        for kind, ours in (
            ("bulk", nuts.diagnostics.ess_bulk),
            ("tail", nuts.diagnostics.ess_tail),
        ):
            tail = {"prob": (0.05, 0.95)} if kind == "tail" else {}  # ArviZ 1.x has no default
            theirs = float(arviz.ess(chains, method=kind, **tail))
            assert ours[name] == pytest.approx(theirs, rel=1e-6)
