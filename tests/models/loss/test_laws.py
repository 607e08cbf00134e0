import pickle
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from law_world import ARRAYS, EVERY_LAW, coordinates, example_theta

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss import LAWS
from bayeslaw.models.loss.jax_session import float64
from bayeslaw.runs import COLUMNS as KNOWN

try:
    import torch
except ImportError:  # where ArviZ 1.x is tested there is no torch
    torch = None


@EVERY_LAW
def test_numpy_jax_and_torch_run_one_formula(law):
    theta = example_theta(law)
    namespaces = [np.asarray, jnp.asarray, *([torch.as_tensor] if torch else [])]
    with float64():
        ours, *others = [
            np.asarray(
                law(
                    {name: convert(values) for name, values in theta.items()},
                    {name: convert(values) for name, values in ARRAYS.items()},
                )
            )
            for convert in namespaces
        ]
    assert ours.shape == (4, 3) and ours.dtype == np.float64
    for other in others:
        np.testing.assert_allclose(other, ours, rtol=1e-12)


@EVERY_LAW
@given(factor=st.floats(1.01, 100), data=st.data())
def test_loss_only_falls_with_what_the_law_says_and_stays_positive(law, factor, data):
    theta = example_theta(law)
    here = law(theta, ARRAYS)
    assert np.isfinite(here).all() and (here > 0).all()
    if not law.falls_with:
        return
    letter = data.draw(st.sampled_from(law.falls_with))
    name = law.inputs[law.letters.index(letter)]
    more = law(theta, {**ARRAYS, name: ARRAYS[name] * factor})
    assert (more <= here).all() and (more < here).any()
    if "E" in law.coefficient_names and not next(
        c.below for c in law.coefficients if c.name == "E"
    ):
        assert (more > theta["E"]).all()


@EVERY_LAW
def test_the_prior_centre_puts_the_loss_at_the_table_s_own(law, table):
    reference = law.log_reference(table, table["loss_nats"])
    theta = law.from_unconstrained(np.zeros(len(law.coefficients)), reference, np)
    at_reference = {
        name: np.exp(reference[letter])
        for name, letter in zip(law.inputs, law.letters, strict=True)
    }
    ratio = law(theta, at_reference) / np.exp(reference["loss"])
    assert 0.95 < ratio < 1.1  # a shape term may add to the base's 1


@EVERY_LAW
def test_prior_losses_are_of_the_table_s_size(law, table):
    reference = law.log_reference(table, table["loss_nats"])
    theta = law.from_unconstrained(coordinates(law, 400), reference, np)
    losses = law({name: values[:, None] for name, values in theta.items()}, table)
    ratio = losses / np.exp(reference["loss"])
    assert np.isfinite(ratio).all()
    assert 0.7 < np.median(ratio) < 1.4
    assert np.quantile(ratio, 0.1) > 0.4 and np.quantile(ratio, 0.9) < 3


@EVERY_LAW
def test_coordinates_come_back_from_coefficients(law, table):
    reference = law.log_reference(table, table["loss_nats"])
    z = coordinates(law, 50)
    theta = law.from_unconstrained(z, reference, np)
    assert list(theta) == list(law.coefficient_names)
    np.testing.assert_allclose(law.to_unconstrained(theta, reference), z, rtol=1e-8, atol=1e-8)
    one = {name: float(values[0]) for name, values in theta.items()}
    np.testing.assert_allclose(law.to_unconstrained(one, reference), z[0], rtol=1e-8, atol=1e-8)


@EVERY_LAW
def test_gradients_are_finite_wherever_the_prior_puts_them(law, table):
    reference = law.log_reference(table, table["loss_nats"])
    with float64():
        columns = {name: jnp.asarray(table[name]) for name in law.inputs}

        def log_losses(z):
            return jnp.log(law(law.from_unconstrained(z, reference, jnp), columns)).sum()

        gradients = np.asarray(jax.vmap(jax.grad(log_losses))(coordinates(law, 64)))
    assert np.isfinite(gradients).all()
    # Every coordinate moves some loss somewhere: none is dead weight for the sampler.
    assert (np.abs(gradients).max(axis=0) > 0).all()


@EVERY_LAW
def test_a_law_says_what_it_takes_and_why_it_believes(law):
    assert set(law.inputs) <= set(KNOWN) and law.source and law.formula.__doc__
    assert "Source:" in law.formula.__doc__
    assert [c.name for c in law.coefficients if not (c.reason and c.meaning)] == []
    assert set(law.falls_with) <= set(law.letters)
    assert all(letter in law.letters and low < high for letter, low, high in law.valid_range or ())
    # It is jit's static argument, and goes to worker processes.
    same = {law, replace(law), law.counting(law.n_column), pickle.loads(pickle.dumps(law))}
    assert len(same) == 1


def test_a_law_counts_n_as_told():
    law = LAWS["chinchilla"].counting("n_params_body")
    assert law.n_column == "n_params_body" and law.inputs == ("n_params_body", "n_tokens")
    assert law.cost_column == "n_params_body"
    assert LAWS["chinchilla"].counting("n_params_active").cost_column == "n_params_active"
    assert law.same_formula_as(LAWS["chinchilla"])
    with pytest.raises(InvalidInputError, match="counted as one of"):
        law.counting("N")


def test_a_missing_column_says_how_to_go_on():
    with pytest.raises(InvalidInputError, match=r"use law.counting\('n_params_body'\)"):
        LAWS["chinchilla"].variables({"n_params_body": 1.0, "n_tokens": 1.0})
    with pytest.raises(InvalidInputError, match="got none for"):
        LAWS["chinchilla"]({"E": 1.0}, {"n_params": 1.0, "n_tokens": 1.0})
    with pytest.raises(InvalidInputError, match="aspect_ratio follows from d_model and n_layers"):
        LAWS["aspect_ratio_u"].variables({"n_params": 1.0, "n_tokens": 1.0})
