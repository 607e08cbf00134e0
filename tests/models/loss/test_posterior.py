import warnings

import numpy as np
import pytest
import xarray

from bayeslaw.errors import InvalidInputError, NotFoundError
from bayeslaw.models.loss import LAWS, Posterior, fit_law

with warnings.catch_warnings():
    # ArviZ 0.23 announces its own refactoring at import.
    warnings.filterwarnings("ignore", message="\nArviZ is undergoing", category=FutureWarning)
    import arviz


def candidates(*cost_ratios, posterior):
    scale = np.sqrt(np.array(cost_ratios) * posterior.max_cost_flops / 6)
    return {"n_params": scale, "n_tokens": scale}


def test_the_discrepancy_starts_at_the_costliest_run_and_grows(laplace):
    columns = candidates(0.1, 0.99999, 4, 16, posterior=laplace)
    error = np.log(laplace.losses(columns)) - np.log(laplace.losses(columns, discrepancy=False))
    np.testing.assert_array_equal(error[:, :2], 0.0)
    # Var = E[tau^2] d: doubles from d = log 4 to d = log 16, in expectation.
    normalised = error[:, 2:] / laplace.tau[:, None]
    np.testing.assert_allclose(
        normalised.std(axis=0), np.sqrt(np.log([4, 16])), rtol=4 / np.sqrt(2 * len(laplace))
    )


def test_one_draw_is_one_curve_however_it_is_asked(laplace):
    together = laplace.losses(candidates(2, 3, 8, 8.0001, posterior=laplace))
    apart = np.concatenate(
        [laplace.losses(candidates(c, posterior=laplace)) for c in (2, 3, 8, 8.0001)], axis=1
    )
    np.testing.assert_array_equal(together, apart)
    np.testing.assert_allclose(together[:, 2], together[:, 3], rtol=1e-4)


def test_architectures_of_one_cost_are_wrong_together(laplace):
    scale = candidates(8, posterior=laplace)["n_params"][0]
    columns = {
        "n_params": np.array([scale / 2, scale, scale * 2]),
        "n_tokens": np.array([scale * 2, scale, scale / 2]),
    }
    error = np.log(laplace.losses(columns) / laplace.losses(columns, discrepancy=False))
    np.testing.assert_allclose(error, error[:, :1] * np.ones(3), atol=1e-12)


def test_a_thinned_posterior_keeps_each_draw_s_path(laplace):
    columns = candidates(0.5, 6, posterior=laplace)
    thinned = laplace.thin(100)
    rows = np.arange(100) * len(laplace) // 100
    np.testing.assert_array_equal(thinned.losses(columns), laplace.losses(columns)[rows])
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
    assert back.diagnostics == posterior.diagnostics and back.notes == posterior.notes
    assert back.n_chains == posterior.n_chains and back.seed == posterior.seed
    for name, values in posterior.sample_stats.items():
        np.testing.assert_array_equal(back.sample_stats[name], values)

    data = arviz.from_netcdf(str(path))
    assert set(data.posterior.data_vars) >= {"E", "A", "alpha", "B", "beta", "sigma", "tau"}
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
    assert list(rows) == ["E", "A", "alpha", "B", "beta", "sigma", "tau"]
    assert rows["E"]["p05"] < rows["E"]["p50"] < rows["E"]["p95"]
    assert rows["E"]["rhat"] == nuts.diagnostics.rhat["E"] and "rhat" not in rows["tau"]


def test_a_law_counting_body_weights_predicts_from_body_weights(table):
    law = LAWS["chinchilla"].counting("n_params_body")
    posterior = fit_law(law, table, method="laplace", n_draws=100)
    assert posterior.law == law
    assert posterior.losses(table).shape == (100, len(table))
    with pytest.raises(InvalidInputError, match="n_params_body"):
        posterior.losses({"n_params": [1e6], "n_tokens": [1e7]})


def test_our_diagnostics_are_those_of_arviz(nuts):
    for name in ("E", "alpha", "sigma"):
        values = nuts.draws[name] if name != "sigma" else nuts.sigma
        chains = values.reshape(nuts.n_chains, -1)
        assert nuts.diagnostics.rhat[name] == pytest.approx(float(arviz.rhat(chains)), abs=1e-6)
        for kind, ours in (
            ("bulk", nuts.diagnostics.ess_bulk),
            ("tail", nuts.diagnostics.ess_tail),
        ):
            tail = {"prob": (0.05, 0.95)} if kind == "tail" else {}  # ArviZ 1.x has no default
            theirs = float(arviz.ess(chains, method=kind, **tail))
            assert ours[name] == pytest.approx(theirs, rel=1e-6)
