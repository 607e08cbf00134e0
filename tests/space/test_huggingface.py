import json

import pytest

from bayeslaw.errors import InvalidInputError
from bayeslaw.space import Architecture, from_huggingface, to_huggingface

# Shapes as published on the models' pages, with the number of weights stated there.
PUBLISHED = [
    (
        dict(model_type="llama", hidden_size=3072, num_hidden_layers=28, num_attention_heads=24,
             num_key_value_heads=8, head_dim=128, intermediate_size=8192, vocab_size=128256,
             tie_word_embeddings=True),
        3_212_749_824,  # Llama-3.2-3B
    ),
    (
        dict(model_type="mistral", hidden_size=4096, num_hidden_layers=32, num_attention_heads=32,
             num_key_value_heads=8, intermediate_size=14336, vocab_size=32000),
        7_241_732_096,  # Mistral-7B-v0.1
    ),
    (
        dict(model_type="qwen3", hidden_size=1024, num_hidden_layers=28, num_attention_heads=16,
             num_key_value_heads=8, head_dim=128, intermediate_size=3072, vocab_size=151936,
             tie_word_embeddings=True),
        596_049_920,  # Qwen3-0.6B
    ),
    (
        dict(model_type="gemma", hidden_size=2048, num_hidden_layers=18, num_attention_heads=8,
             num_key_value_heads=1, head_dim=256, intermediate_size=16384, vocab_size=256000),
        2_506_172_416,  # Gemma-2B
    ),
    (
        dict(model_type="gemma2", hidden_size=2304, num_hidden_layers=26, num_attention_heads=8,
             num_key_value_heads=4, head_dim=256, intermediate_size=9216, vocab_size=256000),
        2_614_341_888,  # Gemma-2-2B
    ),
    (
        dict(model_type="gemma3_text", hidden_size=1152, num_hidden_layers=26,
             num_attention_heads=4, num_key_value_heads=1, head_dim=256, intermediate_size=6912,
             vocab_size=262144),
        999_885_952,  # Gemma-3-1B
    ),
]  # fmt: skip


@pytest.mark.parametrize(("config", "n_params"), PUBLISHED, ids=lambda x: str(x)[:40])
def test_published_configs_have_the_published_number_of_weights(config, n_params):
    assert from_huggingface(config).n_params == n_params


@pytest.mark.parametrize(("config", "n_params"), PUBLISHED, ids=lambda x: str(x)[:40])
def test_a_round_trip_through_config_json_changes_nothing(config, n_params, tmp_path):
    network = from_huggingface(config)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(to_huggingface(network, config["model_type"])))
    assert from_huggingface(path) == network


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"model_type": "mixtral"}, "mixtral"),
        ({"attention_bias": True}, "attention_bias"),
        ({"hidden_size": None}, "hidden_size"),
    ],
)
def test_a_network_that_we_would_count_wrong_is_refused(change, match):
    config = {**PUBLISHED[0][0], **change}
    config = {name: value for name, value in config.items() if value is not None}
    with pytest.raises(InvalidInputError, match=match):
        from_huggingface(config)


def test_a_shape_that_a_family_cannot_express_is_refused():
    network = Architecture(2, 64, 4, 2, 16, 128, 257, qk_norm=True)
    with pytest.raises(InvalidInputError, match="qk_norm"):
        to_huggingface(network, "llama")
    assert to_huggingface(network, "qwen3")["head_dim"] == 16
