import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayeslaw.errors import RunTableError
from bayeslaw.runs import RunTable
from bayeslaw.runs.files import ColumnSource, read_runs, write_runs
from bayeslaw.space import Architecture

GOOD = "n_params,n_tokens,loss_nats\n1000000,20000000,3.1\n2000000,40000000,2.9\n"


def write(tmp_path, text, name="runs.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
@settings(deadline=None)  # the first Parquet file loads pyarrow
@given(
    losses=st.lists(st.floats(0.1, 20, allow_subnormal=False), min_size=1, max_size=8, unique=True)
)
def test_what_is_written_is_read_back_exactly(suffix, losses, tmp_path_factory):
    n = len(losses)
    table = RunTable.from_columns(
        {"n_params": np.full(n, 1e6), "n_tokens": np.full(n, 3e7), "loss_nats": losses}
    )
    path = tmp_path_factory.mktemp("tables") / f"runs{suffix}"
    write_runs(table, path)
    again = read_runs(path)
    assert again.run_ids == table.run_ids
    for name in table:
        np.testing.assert_allclose(again[name], table[name], rtol=1e-14)


def test_a_mapping_says_unit_and_way_of_counting(tmp_path):
    path = write(tmp_path, "N,tokens (B),bits,note\n0.5,10,4.0,x\n1.5,30,3.5,y\n")
    table = read_runs(
        path,
        columns=dict(
            ColumnSource.parse(text)
            for text in (
                "n_params_body=N:billion",
                "n_tokens=tokens (B):billion",
                "loss_nats=bits:bits",
            )
        ),
        ignore=("note",),
    )
    assert table["n_params_body"].tolist() == [5e8, 1.5e9]
    assert table["n_tokens"].tolist() == [1e10, 3e10]
    np.testing.assert_allclose(table["loss_nats"], np.array([4.0, 3.5]) * np.log(2))


SHAPE = "n_layers,d_model,n_heads,n_kv_heads,head_dim,d_ff,vocab_size,tied_embeddings,gated_mlp"


def test_a_shape_fills_in_everything_that_follows_from_it(tmp_path):
    path = write(
        tmp_path, f"{SHAPE},n_tokens,loss_nats\n16,2048,32,8,64,8192,128256,1,1,1000,2.8\n"
    )
    table = read_runs(path)
    assert table["n_params"][0] == 1_235_814_400
    assert table["mlp_attention_ratio"][0] == pytest.approx(4.8)


def test_ratios_follow_from_a_shape_that_is_known_in_part(tmp_path):
    path = write(
        tmp_path, "n_params_body,d_model,n_layers,n_tokens,loss_nats\n1000000,500,10,1,2\n"
    )
    table = read_runs(path)
    assert (table["aspect_ratio"][0], table["relative_width"][0]) == (50, 0.5)


def test_counts_that_were_estimated_are_rounded_when_the_mapping_says_so(tmp_path):
    path = write(tmp_path, "N,n_tokens,loss_nats\n1000000.4,10,2\n")
    with pytest.raises(RunTableError, match="n_params=NAME:rounded"):
        read_runs(path, columns={"n_params": ColumnSource("N")})
    table = read_runs(path, columns={"n_params": "N:rounded"})
    assert table["n_params"][0] == 1_000_000


def test_what_a_file_does_not_say_can_be_said_for_all_rows(tmp_path):
    path = write(tmp_path, "d_model,n_layers,n_tokens,loss_nats\n64,2,1000,3.0\n128,4,1000,2.8\n")
    said = dict(n_heads="=4", n_kv_heads="=2", head_dim="=16", d_ff="=256", vocab_size="=256")
    table = read_runs(path, columns={**said, "tied_embeddings": "=1", "gated_mlp": "=1"})
    assert table["n_params"].tolist() == [
        Architecture(layers, d, 4, 2, 16, 256, 256, tied_embeddings=True).n_params
        for layers, d in ((2, 64), (4, 128))
    ]


BAD = [
    (
        "n_params,n_tokens,loss\n1,1,1\n",
        r"unknown column\(s\) \['loss'\](.|\n)*loss_nats=loss:bits",
    ),
    *(
        (
            f"n_params,n_tokens,{header}\n1,1,1\n",
            f"'{header}': perhaps --column loss_nats={header}, if .*: final loss wanted",
        )
        for header in ("avg_loss", "loss_ema", "smooth_loss", "Avg_Loss")
    ),
    ("N,n_tokens,loss_nats\n1,1,1\n", "'N': perhaps --column n_params=N .* or n_params_body=N"),
    ("n_params,n_tokens\n1,1\n", "'loss_nats' .nats per token. is missing"),
    ("n_params;n_tokens;loss_nats\n1;1;1\n", r"unknown column(.|\n)*semicolons"),
    ("n_tokens,loss_nats\n1,1\n", "how large the networks are"),
    (
        "n_params,n_tokens,loss_nats\n1,1,2\n2,1,\n",
        "row 'runs.csv:3', column 'loss_nats': '' is not a number",
    ),
    ("n_params,n_tokens,loss_nats\n1,1,nan\n", "row 'runs.csv:2', column 'loss_nats'"),
    (
        "n_params,n_tokens,loss_nats\n1,1,two\n",
        "row 'runs.csv:2', column 'loss_nats': 'two' is not a",
    ),
    ("n_params,n_tokens,loss_nats\n0.97,1,2\n", "row 'runs.csv:2', column 'n_params'.*billion"),
    ("n_params,n_tokens,loss_nats\n-1,1,2\n", "row 'runs.csv:2', column 'n_params'.*positive"),
    ("n_params,n_tokens,loss_nats\n1,1,2\n1,1,2\n", "row 'runs.csv:3' repeats row 'runs.csv:2'"),
    ("run_id,n_params,n_tokens,loss_nats\na,1,1,2\na,2,1,2\n", "row 'a' appears twice"),
    (
        f"{SHAPE},n_params,n_tokens,loss_nats\n16,2048,32,8,64,8192,128256,1,1,973000000,10,2.8\n",
        "row 'runs.csv:2', column 'n_params'.*contradicts the shape.*embeddings",
    ),
    (
        f"{SHAPE},n_tokens,loss_nats\n16,2048,32,7,64,8192,128256,1,1,10,2.8\n",
        "row 'runs.csv:2': n_heads must be a multiple",
    ),
    (
        "n_params,d_model,n_layers,aspect_ratio,n_tokens,loss_nats\n9,64,8,8,1,2\n9,64,8,9,1,2\n",
        "row 'runs.csv:3', column 'aspect_ratio': 9 contradicts d_model and n_layers, which give 8",
    ),
    ("", "not a readable"),
    ("n_params,n_tokens,loss_nats\n", "no rows"),
]


@pytest.mark.parametrize(("text", "match"), BAD)
def test_a_wrong_table_is_refused_naming_row_and_column(text, match, tmp_path):
    with pytest.raises(RunTableError, match=match):
        read_runs(write(tmp_path, text))


@pytest.mark.parametrize(
    ("mapping", "match"),
    [
        ("loss_nats=Loss:billion", "unit may be"),
        ("loss_nats=Loss:rounded", "unit may be"),
        ("loss_nats=missing", "has no column 'missing'"),
        ("perplexity=Loss", "'perplexity' is not one of our columns"),
        ("loss_nats", "a column mapping is"),
        ("loss_nats==two", "a constant is a number"),
        ("n_tokens==5", "a constant would hide it"),
    ],
)
def test_a_wrong_mapping_is_refused(mapping, match, tmp_path):
    path = write(tmp_path, "n_params,n_tokens,Loss\n1,1,1\n")
    with pytest.raises(RunTableError, match=match):
        read_runs(path, columns=dict([ColumnSource.parse(mapping)]))


def test_other_files_are_refused(tmp_path):
    with pytest.raises(RunTableError, match="xlsx"):
        read_runs(write(tmp_path, "", "runs.xlsx"))
    with pytest.raises(RunTableError, match="cannot open"):
        read_runs(tmp_path / "absent.csv")


def test_the_fingerprint_follows_the_data(tmp_path):
    table = read_runs(write(tmp_path, GOOD))
    assert table.fingerprint == read_runs(write(tmp_path, GOOD, "again.csv")).fingerprint
    assert table.fingerprint != table.select(np.array([0])).fingerprint
