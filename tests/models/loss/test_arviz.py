import json
import warnings
from dataclasses import fields, replace

import numpy as np
import pytest
import xarray
from loss_examples import chinchilla_truth

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss import LAWS, Posterior, arviz_bridge, fit_law
from bayeslaw.models.loss.checks import leave_one_out
from bayeslaw.models.loss.posterior_groups import with_run_names
from bayeslaw.runs import RunTable

GROUPS = {
    "posterior", "sample_stats", "log_likelihood", "prior", "prior_predictive",
    "posterior_predictive", "observed_data", "constant_data",
}  # fmt: skip
SHOWN = ["E", "alpha", "sigma"]


@pytest.fixture(scope="module")
def saved(nuts, tmp_path_factory):
    return nuts.save(tmp_path_factory.mktemp("arviz") / "posterior.nc")


@pytest.fixture(scope="module")
def data(saved):
    return arviz_bridge.open_in_arviz(saved)


@pytest.fixture
def drawn():
    """Draw into nothing, under either ArviZ, without the deprecations of what it draws with."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield plt
    plt.close("all")


def group(data, name):
    return data[name] if not hasattr(data, name) else getattr(data, name)


def test_the_file_carries_every_group_with_named_dimensions_and_units(saved, nuts, table):
    with xarray.open_dataset(saved, engine="h5netcdf") as root:
        assert set(json.loads(root.attrs["bayeslaw_groups"])) == GROUPS
    opened = {g: xarray.load_dataset(saved, group=g, engine="h5netcdf") for g in GROUPS}
    for name in ("posterior", "prior", "posterior_predictive", "prior_predictive", "sample_stats"):
        for variable in opened[name].data_vars.values():
            assert variable.dims[:2] == ("chain", "draw")
    for name in ("posterior_predictive", "log_likelihood"):
        assert opened[name]["loss_nats"].dims == ("chain", "draw", "run")
        assert opened[name].sizes["run"] == len(table)
    assert opened["observed_data"]["loss_nats"].dims == ("run",)
    assert set(LAWS["chinchilla"].coefficient_names) <= set(opened["posterior"].data_vars)
    assert set(LAWS["chinchilla"].coefficient_names) <= set(opened["prior"].data_vars)
    for name, dataset in opened.items():
        assert all(v.attrs["units"] for v in dataset.data_vars.values()), name
    assert opened["posterior"]["E"].attrs["units"] == "nats per token"
    assert opened["constant_data"]["n_tokens"].attrs["units"] == "count"


def test_arviz_s_summary_is_ours(data, nuts):
    summary = arviz_bridge.arviz().summary(data, var_names=SHOWN, round_to="none")
    for name in SHOWN:
        values = nuts.sigma if name == "sigma" else nuts.draws[name]
        assert float(summary.loc[name, "mean"]) == pytest.approx(values.mean(), rel=1e-9)
        assert float(summary.loc[name, "r_hat"]) == pytest.approx(
            nuts.diagnostics.rhat[name], abs=1e-3
        )


def test_arviz_s_leave_one_out_is_ours_where_runs_stand_alone(data, nuts):
    # Tails are as long as draws are effective; told how many are, 0.x agrees run by run,
    # and 1.x, whose grid for the tail's shape is another one, nearly.
    efficiency = min(nuts.diagnostics.min_ess_bulk / len(nuts), 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        theirs = arviz_bridge.loo(data, reff=efficiency)
    ours = leave_one_out(nuts)
    elpd = theirs.elpd if hasattr(theirs, "elpd") else theirs.elpd_loo
    assert ours.elpd.sum() == pytest.approx(float(elpd), abs=1e-3)
    close = 1e-3 if arviz_bridge.arviz().__version__.startswith("0.") else 0.05
    np.testing.assert_allclose(ours.pareto_k, np.asarray(theirs.pareto_k), atol=close)


def test_arviz_compares_two_laws(data, table, tmp_path):
    flat = fit_law(LAWS["aspect_ratio_tied"], table, method="laplace", n_draws=1000)
    other = arviz_bridge.open_in_arviz(flat.save(tmp_path / "other.nc"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ArviZ 0.23 sorts in place, which pandas 3.1 deprecates
        ranking = arviz_bridge.arviz().compare({"free": data, "tied": other})
    assert set(ranking.index) == {"free", "tied"}
    assert ranking["weight"].sum() == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("kind", ["trace", "forest", "rank", "pair", "autocorr", "energy"])
def test_arviz_draws_the_posterior_as_it_is(data, drawn, kind):
    if kind == "energy":
        with pytest.raises((InvalidInputError, TypeError, ValueError, KeyError, AttributeError)):
            arviz_bridge.plot(kind, data)  # NUTS's energies are not kept
        return
    assert arviz_bridge.plot(kind, data, var_names=SHOWN) is not None


def test_arviz_draws_the_posterior_predictive(data, drawn):
    is_old = arviz_bridge.arviz().__version__.startswith("0.")
    fewer = {"num_pp_samples" if is_old else "num_samples": 10}
    assert arviz_bridge.plot("ppc", data, **fewer) is not None


def test_a_plot_that_no_arviz_has_is_refused(data):
    with pytest.raises(InvalidInputError, match="has no plot_horoscope"):
        arviz_bridge.plot("horoscope", data)


def test_every_field_comes_back_as_it_was(saved, nuts):
    back = Posterior.load(saved)
    for field in fields(Posterior):
        was, is_now = getattr(nuts, field.name), getattr(back, field.name)
        if isinstance(was, np.ndarray):
            np.testing.assert_array_equal(is_now, was, err_msg=field.name)
        elif field.name in ("draws", "fitted", "sample_stats"):
            assert list(is_now) == list(was) or set(is_now) == set(was)
            for key in was:
                np.testing.assert_array_equal(is_now[key], was[key], err_msg=key)
        else:
            assert is_now == was, field.name


def test_runs_keep_their_names(laplace, tmp_path):
    names = [f"run {i}" for i in range(laplace.n_runs)]
    path = with_run_names(laplace, names).save(tmp_path / "named.nc")
    data = arviz_bridge.open_in_arviz(path)
    assert list(group(data, "observed_data")["run"].values) == names
    assert list(Posterior.load(path).fitted["run_id"]) == names


def test_a_file_of_another_format_says_to_fit_again(saved, tmp_path):
    old = tmp_path / "old.nc"
    xarray.Dataset(attrs={"bayeslaw_format": 1}).to_netcdf(old, engine="h5netcdf")
    with pytest.raises(InvalidInputError, match="posterior format 1, this version reads 2"):
        Posterior.load(old)


def test_two_arrays_that_want_one_place_are_refused(laplace, tmp_path):
    clash = replace(laplace, draws={**laplace.draws, "sigma": laplace.sigma})
    with pytest.raises(InvalidInputError, match="both want 'sigma'"):
        clash.save(tmp_path / "clash.nc")
    assert not list(tmp_path.iterdir())


def test_points_of_a_job_are_numbered_in_the_file(tmp_path):
    rng = np.random.default_rng(0)
    n = np.repeat(np.round(np.geomspace(1e5, 2e6, 8)), 2)
    d = np.round(n * np.tile([5.0, 30.0], 8))
    runs = RunTable.from_columns(
        {
            "n_params": n,
            "n_tokens": d,
            "loss_nats": chinchilla_truth(n, d) * np.exp(0.01 * rng.standard_normal(16)),
        },
        trunks=[f"job{i // 2}" for i in range(16)],
    )
    path = fit_law(LAWS["chinchilla"], runs, method="laplace", n_draws=400).save(tmp_path / "p.nc")
    constant = xarray.load_dataset(path, group="constant_data", engine="h5netcdf")
    assert len(np.unique(constant["trunk"])) == 8
    prior = xarray.load_dataset(path, group="prior", engine="h5netcdf")
    assert 0 < float(prior["run_share"].min()) and float(prior["run_share"].max()) < 1
