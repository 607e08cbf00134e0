from dataclasses import replace

import numpy as np
import pytest
from loss_examples import chinchilla_truth, synthetic_table

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss import LAWS, LawStack, fit_stack, stack
from bayeslaw.runs import RunTable

N, BODY = "n_params", "n_params_body"


@pytest.fixture(scope="module")
def two_counts():
    full = synthetic_table()
    return RunTable.from_columns({name: full[name] for name in (N, BODY, "n_tokens", "loss_nats")})


@pytest.fixture(scope="module")
def fitted(two_counts):
    return fit_stack(two_counts, n_draws=1000)


def beyond(table, *cost_ratios):
    scale = np.sqrt(np.array(cost_ratios) * table.train_flops.max() / 6 / 20)
    return {N: scale, BODY: 0.8 * scale, "n_tokens": 20 * scale}


def test_every_law_and_every_counting_of_the_table_has_an_equal_share(fitted, two_counts):
    labels = [f"{law} ({n})" for law in ("chinchilla", "chinchilla_tied") for n in (N, BODY)]
    assert fitted.weights == dict.fromkeys(labels, 0.25)
    assert [len(posterior) for posterior in fitted.posteriors] == [250] * 4
    assert len(fitted) == len(fitted.sigma) == 1000
    # Countings are used and not only named: other weights without embeddings, another loss.
    columns = beyond(two_counts, 0.5, 4)
    for posterior in fitted.posteriors:
        other = BODY if posterior.n_column == N else N
        changed = {**columns, other: 7 * columns[other]}
        np.testing.assert_array_equal(posterior.losses(columns), posterior.losses(changed))
        changed = {**columns, posterior.n_column: 1.5 * columns[posterior.n_column]}
        ours, theirs = (p.losses(c, discrepancy=False) for p, c in
                        ((posterior, columns), (posterior, changed)))  # fmt: skip
        assert (theirs < ours).all()


def test_a_draw_of_a_stack_is_one_curve_of_one_law(fitted, two_counts):
    columns = beyond(two_counts, 0.5, 2, 8)
    together = fitted.losses(columns)
    start = 0
    for posterior in fitted.posteriors:
        part = slice(start, start := start + len(posterior))
        np.testing.assert_array_equal(together[part], posterior.losses(columns))
        np.testing.assert_array_equal(fitted.sigma[part], posterior.sigma)
        np.testing.assert_array_equal(
            fitted.noise_scale(columns)[part], posterior.noise_scale(columns)
        )
    apart = [fitted.losses({k: v[i : i + 1] for k, v in columns.items()}) for i in range(3)]
    np.testing.assert_allclose(np.concatenate(apart, axis=1), together, rtol=1e-12)


def test_a_stack_predicts_what_its_draws_say(fitted, two_counts):
    columns = beyond(two_counts, 0.5, 2, 8)
    curve = fitted.predict(columns, new_run=False, level=0.8)
    quantiles = np.quantile(fitted.losses(columns), [0.1, 0.5, 0.9], axis=0)
    np.testing.assert_allclose(
        [curve.lower_nats, curve.median_nats, curve.upper_nats], quantiles, rtol=1e-12
    )
    run = fitted.predict(columns, level=0.8)
    assert (run.upper_nats - run.lower_nats > curve.upper_nats - curve.lower_nats).all()
    np.testing.assert_array_equal(run.upper_nats, fitted.predict(columns, level=0.8).upper_nats)
    assert run.carried_by == fitted.weights and sum(run.carried_by.values()) == pytest.approx(1)
    np.testing.assert_allclose(np.exp(run.log_cost_distance), [0.5, 2, 8])
    middles = [
        posterior.predict(columns, new_run=False).median_nats for posterior in fitted.posteriors
    ]
    assert (np.min(middles, axis=0) <= curve.median_nats).all()
    assert (curve.median_nats <= np.max(middles, axis=0)).all()
    halved, doubled = (run.sensitivity[name] for name in ("tau_halved", "tau_doubled"))
    assert (np.subtract(*doubled[::-1])[1:] > np.subtract(*halved[::-1])[1:]).all()
    truth = chinchilla_truth(columns[N], columns["n_tokens"])
    assert (run.lower_nats < truth).all() and (truth < run.upper_nats).all()


def test_a_stack_s_notes_are_those_of_its_laws_each_once(fitted):
    everyone = [note for posterior in fitted.posteriors for note in posterior.notes]
    assert set(fitted.notes) == set(everyone) and len(fitted.notes) == len(set(everyone))


@pytest.fixture
def refit(fitted, two_counts, monkeypatch):
    """Stack again with other weights: the laws are fitted already."""
    by_label = {posterior.label: posterior for posterior in fitted.posteriors}
    asked = []

    def fit_law(law, table, **arguments):
        asked.append(arguments)
        return by_label[f"{law.name} ({law.n_column})"]

    monkeypatch.setattr(stack, "fit_law", fit_law)
    return lambda **arguments: (fit_stack(two_counts, **{"n_draws": 200, **arguments}), asked)


def test_weights_that_are_given_are_kept_and_a_law_without_weight_is_left_out(refit):
    weights = {f"chinchilla ({N})": 3.0, f"chinchilla_tied ({BODY})": 1.0}
    found, asked = refit(weights=weights, seed=5)
    assert found.weights == {f"chinchilla ({N})": 0.75, f"chinchilla_tied ({BODY})": 0.25}
    assert [arguments["seed"] for arguments in asked] == [5, 6, 7, 8]
    assert {arguments["method"] for arguments in asked} == {"laplace"}


@pytest.mark.parametrize(
    "weights",
    [
        {},
        {f"chinchilla ({N})": 0.0},
        {f"chinchilla ({N})": -1.0, f"chinchilla ({BODY})": 2.0},
        {"chinchilla": 1.0},
        {f"chinchilla ({N})": 1.0, f"kaplan ({N})": 1.0},
    ],
)
def test_weights_that_make_no_sense_are_refused(refit, weights):
    with pytest.raises(InvalidInputError, match=r"weights are for \['chinchilla \(n_params\)', "):
        refit(weights=weights)


def test_unknown_laws_and_posteriors_of_two_tables_are_refused(fitted, two_counts):
    with pytest.raises(InvalidInputError, match=r"no laws \['hoffmann'\]; known are"):
        fit_stack(two_counts, laws=("chinchilla", "hoffmann"))
    assert "hoffmann" not in LAWS
    other = replace(fitted.posteriors[0], fingerprint="0" * 16)
    with pytest.raises(InvalidInputError, match="posteriors of one run table"):
        LawStack((*fitted.posteriors, other))
