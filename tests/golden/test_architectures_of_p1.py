"""P1's tables (arXiv 2510.18245, Tables 1 and 2): r, d/sqrt(N) and N follow from the shapes.

Heads and N are derived from the printed shapes; LLaMA-3.2-3B's r is 3.00, one version of the
paper misprints it as 4.80.
"""

import pytest

from bayeslaw.space import Architecture

#        name               d     ff  layers heads kv  dh   N        x      r    KV bytes/token
TABLE = [
    ("LLaMA-3.2-1B", 2048, 8192, 16, 32, 8, 64, 0.973e9, 0.066, 4.80, 32_768),
    ("Panda-1B", 2560, 4096, 16, 72, 18, 64, 0.975e9, 0.082, 1.07, 73_728),
    ("Surefire-1B", 2560, 6144, 16, 36, 4, 64, 0.965e9, 0.082, 3.6, 16_384),
    ("LLaMA-3.2-3B", 3072, 8192, 28, 24, 8, 128, 2.819e9, 0.058, 3.00, 114_688),
    ("Panda-3B", 4096, 4096, 28, 36, 12, 128, 2.819e9, 0.077, 1.0, 172_032),
    ("Surefire-3B", 4096, 4096, 28, 42, 6, 128, 2.819e9, 0.077, 1.0, 86_016),
    ("Panda-3B°", 4096, 4608, 28, 33, 11, 128, 2.877e9, 0.076, 1.23, 157_696),
]


@pytest.mark.parametrize("row", TABLE, ids=[row[0] for row in TABLE])
def test_shape_gives_the_printed_ratios_and_size(row):
    _, d, ff, layers, heads, kv, head_dim, n, x, r, cache = row
    network = Architecture(
        n_layers=layers, d_model=d, n_heads=heads, n_kv_heads=kv, head_dim=head_dim, d_ff=ff,
        vocab_size=128_256, tied_embeddings=True,
    )  # fmt: skip
    assert network.n_params_body == pytest.approx(n, rel=1e-3)
    assert round(network.relative_width, 3) == x
    assert network.mlp_attention_ratio == pytest.approx(r, abs=0.006)
    assert network.kv_bytes_per_token(2) == cache


def test_llama_3_2_1b_has_the_published_number_of_weights():
    # 1,235,814,400: the parameter count of meta-llama/Llama-3.2-1B.
    network = Architecture(16, 2048, 32, 8, 64, 8192, 128_256, tied_embeddings=True)
    assert network.n_params == 1_235_814_400
    assert sum(network.params_by_group.values()) == network.n_params
