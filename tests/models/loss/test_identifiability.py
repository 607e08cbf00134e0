import numpy as np
import pytest
from loss_examples import chinchilla_truth, synthetic_table

from bayeslaw.models.loss import LAWS, check_identifiability
from bayeslaw.runs import RunTable


def runs(n_params, n_tokens, **shape):
    n, d = np.round(n_params), np.round(n_tokens)
    noise = 1 + 0.001 * np.sin(np.arange(len(n)))
    return RunTable.from_columns(
        {"n_params": n, "n_tokens": d, "loss_nats": chinchilla_truth(n, d) * noise, **shape}
    )


SIZES = np.geomspace(1e5, 2e6, 12)
TOKENS = np.tile([2e6, 8e6, 3e7], 4)


def codes(law, table):
    return {note.code: note.message for note in check_identifiability(LAWS[law], table)}


def test_a_design_that_varies_everything_draws_no_named_complaint():
    found = codes("chinchilla", synthetic_table(n_runs=40))
    assert not set(found) - {"confounded"}


def test_constant_tokens_a_weight_confound_alpha_and_beta_and_a_run_is_named():
    message = codes("chinchilla", runs(SIZES, 20 * SIZES))["constant_tokens_per_param"]
    assert "alpha" in message and "beta" in message and "n_tokens = 20 n_params" in message
    # The run that helps leaves the line D = 20 N.
    n, d = (
        float(message.split(f"{c}=")[1].split(",")[0].split()[0]) for c in ("n_params", "n_tokens")
    )
    assert not 10 < d / n < 40


@pytest.mark.parametrize(
    ("table", "code", "names"),
    [
        (runs(np.full(12, 1e6), np.geomspace(1e6, 1e8, 12)), "one_size", ("A", "alpha")),
        (runs(SIZES, np.full(12, 1e7)), "one_token_budget", ("B", "beta")),
        (
            runs(np.linspace(1e6, 1.05e6, 12), np.linspace(1e7, 1.05e7, 12)),
            "one_size_and_budget",
            ("alpha", "beta"),
        ),
    ],
)
def test_a_design_that_varies_one_thing_names_what_it_cannot_tell(table, code, names):
    message = codes("chinchilla", table)[code]
    assert all(name in message for name in names)
    assert "One run at n_params=" in message and "narrows" in message


def test_one_shape_and_one_shape_a_size_are_told_apart():
    one = runs(SIZES, TOKENS, aspect_ratio=np.full(12, 64.0))
    assert "eps, gamma" in codes("aspect_ratio", one)["one_shape"]
    follows = runs(SIZES, TOKENS, aspect_ratio=10 * (SIZES / 1e5) ** 0.5)
    assert "follows from n_params" in codes("aspect_ratio", follows)["one_shape_per_size"]
    sizes = np.repeat([1e5, 4e5, 1.6e6], 4)
    tokens = np.tile(np.geomspace(2e6, 3e7, 4), 3)
    by_class = runs(sizes, tokens, aspect_ratio=np.repeat([30.0, 90.0, 40.0], 4))
    assert "one_shape_per_size" in codes("aspect_ratio", by_class)
    free = runs(SIZES, TOKENS, aspect_ratio=np.tile([10.0, 100.0, 30.0, 60.0, 15.0, 45.0], 2))
    assert not {"one_shape", "one_shape_per_size"} & set(codes("aspect_ratio", free))


def test_what_the_runs_never_move_is_called_the_prior_s():
    table = synthetic_table(n_runs=30)
    flat = RunTable.from_columns(
        {name: table[name] for name in table if name != "mlp_attention_ratio"}
        | {"mlp_attention_ratio": np.full(30, 1.1)}
    )
    message = codes("conditional_multiplicative", flat)["unidentified"]
    assert "b1" in message and "mlp_attention_ratio=" in message


def test_few_runs_say_how_many_would_do():
    message = codes("chinchilla", runs(SIZES[:4], TOKENS[:4]))["few_runs"]
    assert "4 runs for the 5 coefficients" in message and "at least 6 runs" in message
