"""One bad table after another: each is refused, or fitted with a note that names what is wrong."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from loss_examples import chinchilla_truth, synthetic_table

from bayeslaw.errors import InvalidInputError, NotEnoughRunsError, RunTableError
from bayeslaw.models.loss import LAWS, check_identifiability, fit_law
from bayeslaw.models.loss.doubts import MANY_RUNS, MAX_CELLS, doubts, refuse_too_many
from bayeslaw.runs import RunTable

DATA = Path(os.environ.get("BAYESLAW_DATA", Path(__file__).parents[3].parent / "shared" / "data"))
MORPH = DATA / "morph" / "runs.csv"
CHINCHILLA = LAWS["chinchilla"]


def columns(n_runs=30, seed=0, **further):
    table = synthetic_table(seed=seed, n_runs=n_runs)
    kept = {name: table[name].copy() for name in ("n_params", "n_tokens", "loss_nats")}
    return kept | further


def codes(table, law=CHINCHILLA):
    if not isinstance(table, RunTable):
        table = RunTable.from_columns(table)
    return {note.code: note.message for note in doubts(law, table)}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("law", ["chinchilla", "aspect_ratio", "conditional_additive"])
def test_a_sound_table_raises_no_doubt(seed, law):
    assert codes(synthetic_table(seed=seed, n_runs=40), LAWS[law]) == {}


# Fewer runs than coefficients.


def test_two_runs_are_too_few_for_any_fit():
    with pytest.raises(NotEnoughRunsError, match=r"5 coefficients and needs at least 3 .* got 2"):
        fit_law(CHINCHILLA, RunTable.from_columns(columns(n_runs=2)))


def test_four_runs_for_five_coefficients_are_fitted_with_a_warning():
    table = RunTable.from_columns(columns(n_runs=4))
    assert "few_runs" in {note.code for note in check_identifiability(CHINCHILLA, table)}
    assert codes(table) == {}  # too few to doubt any of them


# One size, one shape.


def test_one_size_is_named():
    sizes = {"n_params": np.full(30, 1e6)}
    sizes["loss_nats"] = chinchilla_truth(1e6, columns()["n_tokens"])
    table = RunTable.from_columns(columns() | sizes)
    notes = {note.code: note.message for note in check_identifiability(CHINCHILLA, table)}
    assert "n_params = 1e+06" in notes["one_size"]
    assert "two_groups" not in codes(table)


def test_one_shape_is_named():
    table = RunTable.from_columns(columns(aspect_ratio=np.full(30, 32.0)))
    notes = {n.code: n.message for n in check_identifiability(LAWS["aspect_ratio"], table)}
    assert "aspect_ratio = 32" in notes["one_shape"]


# NaN and its like.


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0, 0.0])
@pytest.mark.parametrize("name", ["loss_nats", "n_tokens", "n_params"])
def test_a_value_that_is_no_number_is_refused_by_row_and_column(name, value):
    data = columns()
    data[name][3] = value
    with pytest.raises(RunTableError, match=f"row 'row3', column '{name}': .* must be a finite"):
        RunTable.from_columns(data)


# A loss under the floor.


def test_a_loss_under_the_floor_is_named_with_its_row():
    data = columns()
    data["loss_nats"][11] = 0.6  # the truth's floor is 1.1
    message = codes(data)["loss_under_floor"]
    assert "'row11'" in message and "0.6" in message
    floor = float(message.split("the floor of about ")[1].split()[0])
    assert 0.8 < floor < 1.4


def test_a_loss_that_is_far_too_good_but_over_the_floor_is_named_too():
    data = columns()
    worst = int(np.argmax(data["loss_nats"]))
    data["loss_nats"][worst] *= 0.7
    found = codes(data)
    assert f"'row{worst}'" in found["loss_far_below"]
    assert "loss_under_floor" not in found


def test_a_badly_tuned_run_is_no_doubt_for_the_noise_has_room_for_it():
    data = columns()
    data["loss_nats"][5] *= 1.2
    assert codes(data) == {}


def test_losses_that_saturate_on_tiny_budgets_are_no_doubt():
    data = columns(n_runs=60)
    # No loss exceeds that of a guess, which a power law does not know.
    data["loss_nats"] = np.minimum(data["loss_nats"], np.quantile(data["loss_nats"], 0.95))
    data["loss_nats"] *= 1 + 1e-6 * np.arange(60)
    assert not {"loss_far_below", "loss_under_floor"} & set(codes(data))


# Mixed tokenizers.


def test_vocabularies_that_differ_are_named_unless_the_law_knows_them():
    sizes = np.where(np.arange(30) % 2, 32_000.0, 50_257.0)
    assert "from 32000 to 50257" in codes(columns(vocab_size=sizes))["mixed_tokenizers"]
    padded = np.where(np.arange(30) % 2, 50_304.0, 50_257.0)
    assert "mixed_tokenizers" not in codes(columns(vocab_size=padded))


def test_bytes_a_token_that_differ_are_named():
    data = columns()
    bits = data["loss_nats"] / np.log(2) / 4.2
    assert codes(data | {"bits_per_byte": bits}) == {}
    bits[:10] *= 4.2 / 3.1
    message = codes(data | {"bits_per_byte": bits})["mixed_tokenizers"]
    assert "0.238 to 0.323 tokens" in message


@pytest.mark.parametrize("seed", range(4))
def test_two_groups_without_a_column_that_tells_them_are_named(seed):
    data = columns(n_runs=40, seed=seed)
    data["loss_nats"][::2] *= 1.15
    message = codes(data)["two_groups"]
    assert "20 runs" in message and "from those of the other 20" in message
    assert "bits" not in message


def test_bits_among_nats_are_recognised():
    data = columns(n_runs=40)
    data["loss_nats"][::2] /= np.log(2)
    assert "that of bits to nats" in codes(data)["two_groups"]


# Mixed ways of counting N.


def test_a_body_heavier_than_its_network_is_refused():
    body = 0.8 * columns()["n_params"]
    body[4] *= 2
    with pytest.raises(RunTableError, match=r"'row4', column 'n_params_body'.*swapped"):
        RunTable.from_columns(columns(n_params_body=np.round(body)))


def test_one_shape_with_two_n_is_named():
    n_layers, d_model = np.tile([2.0, 3.0, 4.0], 10), np.tile([64.0, 96.0, 128.0], 10)
    n = 12 * n_layers * d_model**2
    shape = {"n_layers": n_layers, "d_model": d_model}
    assert codes(columns(n_params=n, **shape)) == {}
    mixed = n + np.where(np.arange(30) < 15, 0, 512 * d_model)
    message = codes(columns(n_params=mixed, **shape))["mixed_counts"]
    assert "one shape has n_params = " in message and "3 of 3 shapes" in message


def test_embeddings_counted_in_some_rows_only_are_named():
    d_model = np.arange(30) + 64.0
    body = 24 * d_model**2
    tables = np.where(np.arange(30) < 10, 1, 2) * 256 * d_model
    data = columns(
        n_params=body + tables, n_params_body=body, d_model=d_model, vocab_size=np.full(30, 256.0)
    )
    assert "is 1 to 2 tables" in codes(data)["mixed_counts"]
    tied = {"tied_embeddings": (np.arange(30) < 10).astype(float)}
    assert "mixed_counts" not in codes(data | tied)


# Averages over a run instead of final losses.


def curves(average):
    """Six runs logged five times: 3e8 tokens of warm-up, then a power law."""
    rows = {"n_params": [], "n_tokens": [], "loss_nats": []}
    grid = np.geomspace(1e5, 1e12, 20_000)
    trunks = []
    for run, n in enumerate(np.geomspace(8e7, 5e8, 6).round()):
        curve = 1.8 + 480 / n**0.35 + 2085 / (grid + 1e7) ** 0.366 + 7 * np.exp(-grid / 3e8)
        if average:
            steps = np.diff(grid, prepend=0.0)
            curve = np.cumsum(curve * steps) / grid
        for d in np.geomspace(20 * n, 160 * n, 5).round():
            rows["n_params"].append(n)
            rows["n_tokens"].append(d)
            rows["loss_nats"].append(np.interp(d, grid, curve))
            trunks.append(f"run{run}")
    return RunTable.from_columns(rows, trunks=trunks)


def test_averages_over_a_run_are_told_from_final_losses_by_how_fast_they_fall():
    assert codes(curves(average=False)) == {}
    assert "schedule" in codes(curves(average=True))["averaged_losses"]


@pytest.mark.skipif(not MORPH.exists(), reason=f"the public table {MORPH} is not here")
def test_morph_s_averages_are_found():
    rows = pd.read_csv(MORPH)
    table = RunTable.from_columns(
        {
            "n_params": rows.N_total.to_numpy(),
            "n_tokens": rows.D_tokens.to_numpy(),
            "loss_nats": rows.loss.to_numpy(),
        },
        trunks=list(rows.variant),
    )
    assert set(codes(table)) == {"averaged_losses"}


# Duplicates.


def test_a_row_twice_is_refused():
    data = {name: np.append(values, values[7]) for name, values in columns().items()}
    with pytest.raises(RunTableError, match="row 'row30' repeats row 'row7' in every column"):
        RunTable.from_columns(data)


def test_a_run_under_two_seeds_with_one_loss_is_named():
    data = {name: np.append(values, values[7]) for name, values in columns().items()}
    message = codes(data | {"seed": np.arange(31.0)})["repeated_loss"]
    assert "1 of 31 rows" in message and "'row7', 'row30'" in message
    data["loss_nats"][30] *= 1.001
    assert codes(data | {"seed": np.arange(31.0)}) == {}


# A million rows.


@pytest.fixture(scope="module")
def million():
    rng = np.random.default_rng(0)
    n, d = (np.round(np.exp(rng.uniform(low, low + 5, 10**6))) for low in (16, 20))
    loss = chinchilla_truth(n, d) * np.exp(0.01 * rng.standard_normal(10**6))
    return RunTable.from_columns({"n_params": n, "n_tokens": d, "loss_nats": loss})


def test_a_million_rows_are_read_and_doubted_with_advice(million):
    notes = codes(million)
    assert set(notes) == {"many_runs"}
    assert "1,000,000 rows" in notes["many_runs"] and "table.select" in notes["many_runs"]
    assert codes(million.select(np.arange(MANY_RUNS))) == {}


def test_a_million_rows_are_refused_before_they_fill_the_memory(million):
    with pytest.raises(InvalidInputError, match=r"1,000,000 runs times 2,000 draws .* 160 GB"):
        refuse_too_many(million, n_draws=2_000)
    refuse_too_many(million, n_draws=int(MAX_CELLS / 10**6))
