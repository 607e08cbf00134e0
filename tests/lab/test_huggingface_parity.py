"""Our network against transformers' on the same random weights, in float32."""

import json

import pytest
import torch

from bayeslaw.errors import InvalidInputError
from bayeslaw.lab import BACKENDS, Network, NetworkSettings, RopeScaling, network_from_huggingface
from bayeslaw.lab.huggingface import load_huggingface_weights, settings_from_huggingface
from bayeslaw.lab.rotary import rotation_table
from bayeslaw.space import Architecture

transformers = pytest.importorskip("transformers")

N_TOKENS = 160

LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 500_000.0,
    "factor": 32.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,  # shrunk with the context, so that all bands are used
}
LLAMA32 = {"rope_parameters": LLAMA3_ROPE, "rms_norm_eps": 1e-5}
QWEN3 = {"rope_parameters": {"rope_type": "default", "rope_theta": 1e6}, "rms_norm_eps": 1e-6}
P2 = {"rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0}, "rms_norm_eps": 1e-5}


def shape(d_model, n_layers, n_heads, n_kv_heads, head_dim, d_ff, tied):
    return {
        "hidden_size": d_model,
        "num_hidden_layers": n_layers,
        "num_attention_heads": n_heads,
        "num_key_value_heads": n_kv_heads,
        "head_dim": head_dim,
        "intermediate_size": d_ff,
        "tie_word_embeddings": tied,
        "vocab_size": 320,
        "max_position_embeddings": 512,
    }


# Each real shape with its ratios kept and its width divided: heads, groups, d_ff / d_model, ties.
CASES = {
    # LLaMA-3.2-1B: 16 layers, 2048, 32/8 heads of 64, 8192, tied.
    "llama-3.2-1b": ("llama", LLAMA32 | shape(128, 4, 8, 2, 16, 512, True)),
    # LLaMA-3.2-3B: 28 layers, 3072, 24/8 heads of 128, 8192, tied.
    "llama-3.2-3b": ("llama", LLAMA32 | shape(96, 5, 6, 2, 16, 256, True)),
    # P1's sweeps: LLaMA-3.2 with heads of 64 whatever the width, GQA 4, r from .5 to 5.
    "p1-low-ratio": ("llama", LLAMA32 | shape(96, 3, 12, 3, 16, 96, True)),
    # P1's Surefire-1B: one KV head for nine query heads, and MQA.
    "p1-surefire": ("llama", LLAMA32 | shape(72, 3, 9, 1, 16, 320, True)),
    # P2: MHA, untied, wide and shallow, SwiGLU, no rope scaling.
    "p2-wide": ("llama", P2 | shape(128, 2, 4, 4, 32, 352, False)),
    "p2-deep": ("llama", P2 | shape(48, 8, 4, 4, 12, 128, False)),
    # P2 with its QK-norm hooks, as Qwen3 norms: a head at a time.
    "p2-qk-norm": ("qwen3", P2 | shape(64, 4, 4, 4, 16, 176, False)),
    # Qwen3-0.6B: 28 layers, 1024, 16/8 heads of 128: twice the width; tied.
    "qwen3-0.6b": ("qwen3", QWEN3 | shape(64, 4, 4, 2, 32, 192, True)),
    # Qwen3-8B: 36 layers, 4096, 32/8 heads of 128, 12288, untied.
    "qwen3-8b": ("qwen3", QWEN3 | shape(128, 3, 8, 2, 16, 384, False)),
    "qwen3-mqa": ("qwen3", QWEN3 | shape(64, 2, 4, 1, 24, 160, False)),
}


def their_network(name, seed=0):
    model_type, values = CASES[name]
    classes = {
        "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM),
        "qwen3": (transformers.Qwen3Config, transformers.Qwen3ForCausalLM),
    }
    config_class, network_class = classes[model_type]
    torch.manual_seed(seed)
    theirs = network_class(config_class(**values, attn_implementation="eager")).eval()
    with torch.no_grad():  # their small initial weights would hide what differs
        for weight in theirs.parameters():
            if weight.ndim == 1:
                weight.uniform_(0.5, 1.5)
            else:
                weight.normal_(0.0, weight.shape[1] ** -0.5)
    return theirs


def draw_tokens(time=N_TOKENS):
    return torch.randint(320, (2, time), generator=torch.Generator().manual_seed(1))


def logits_of(theirs, tokens):
    with torch.inference_mode():
        return theirs(tokens).logits


@pytest.mark.parametrize("attention", ["math", "sdpa_flash"])
@pytest.mark.parametrize("name", CASES)
def test_logits_equal_those_of_transformers(name, attention):
    theirs, tokens = their_network(name), draw_tokens()
    ours = network_from_huggingface(
        theirs.config.to_dict(), theirs.state_dict(), BACKENDS[attention], N_TOKENS
    )
    assert sum(p.numel() for p in theirs.parameters()) == ours.architecture.n_params
    expected = logits_of(theirs, tokens)
    assert expected.abs().max() > 1  # so that the bound below says something
    with torch.inference_mode():
        assert (ours(tokens) - expected).abs().max() < 1e-4
        cache = ours.new_cache(2)
        ours.prefill(tokens[:, :-1], cache)
        decoded = ours.decode(tokens[:, -1], cache)
    assert (decoded - expected[:, -1]).abs().max() < 1e-4


@pytest.mark.parametrize("name", ["llama-3.2-1b", "qwen3-0.6b"])
def test_gradients_equal_those_of_transformers(name):
    theirs, tokens = their_network(name), draw_tokens(64)
    ours = network_from_huggingface(theirs.config.to_dict(), theirs.state_dict(), max_context=64)
    upstream = torch.randn(2, 64, 320, generator=torch.Generator().manual_seed(2))
    ours(tokens).backward(upstream)
    theirs(tokens).logits.backward(upstream)
    layer = theirs.model.layers[1]
    pairs = [
        (ours.embedding.grad, theirs.model.embed_tokens.weight.grad),
        (ours.blocks[1].mlp_in.grad[: layer.mlp.gate_proj.weight.shape[0]], layer.mlp.gate_proj.weight.grad),
        (ours.blocks[1].attention_norm.grad, layer.input_layernorm.weight.grad),
    ]  # fmt: skip
    for mine, expected in pairs:
        assert (mine - expected).norm() / expected.norm() < 1e-4


@pytest.mark.parametrize(
    "wrong",
    [
        NetworkSettings(rope_base=500_000.0, norm_epsilon=1e-5),
        NetworkSettings(500_000.0, RopeScaling(original_context=128), 1e-5),
        NetworkSettings(10_000.0, RopeScaling(original_context=64), 1e-5),
        NetworkSettings(500_000.0, RopeScaling(original_context=64), 1e-3),
    ],
)
def test_another_base_scaling_or_epsilon_does_not_pass(wrong):
    theirs, tokens = their_network("llama-3.2-1b"), draw_tokens()
    right = settings_from_huggingface(theirs.config.to_dict())
    assert right == NetworkSettings(500_000.0, RopeScaling(original_context=64), 1e-5)
    architecture = network_from_huggingface(
        theirs.config.to_dict(), theirs.state_dict()
    ).architecture
    off = Network(architecture, max_context=N_TOKENS, settings=wrong)
    load_huggingface_weights(off, theirs.state_dict())
    with torch.inference_mode():
        assert (off(tokens) - logits_of(theirs, tokens)).abs().max() > 1e-3


def test_the_rotary_table_is_llamas_up_to_long_contexts():
    rope = {**LLAMA3_ROPE, "original_max_position_embeddings": 8192}
    config = transformers.LlamaConfig(
        hidden_size=256, num_attention_heads=4, head_dim=64, max_position_embeddings=131_072,
        rope_parameters=rope,
    )  # fmt: skip
    rotary = transformers.models.llama.modeling_llama.LlamaRotaryEmbedding(config)
    positions = torch.arange(8192)[None]
    cosine, sine = rotary(torch.zeros(1), positions)
    ours = rotation_table(8192, 64, settings_from_huggingface(config.to_dict()))[:, :, 0]
    # Their angles are float32: at 8,192 radians those are 5e-4 apart.
    assert (ours[:, 0] - cosine[0]).abs().max() < 1e-3
    assert (ours[:, 1, 32:] - sine[0, :, 32:]).abs().max() < 1e-3
    assert (ours[:512] - rotation_table(512, 64)[:, :, 0]).abs().max() > 0.1


def test_settings_are_read_from_files_before_and_after_transformers_5(tmp_path):
    architecture = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
                    "intermediate_size": 128, "vocab_size": 100}  # fmt: skip
    scaling = {name: value for name, value in LLAMA3_ROPE.items() if name != "rope_theta"}
    before = {"model_type": "llama", "rope_theta": 500_000.0, "rope_scaling": scaling,
              "rms_norm_eps": 1e-5}  # fmt: skip
    after = {"model_type": "llama", "rope_parameters": LLAMA3_ROPE, "rms_norm_eps": 1e-5}
    assert settings_from_huggingface(before) == settings_from_huggingface(after)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(before | architecture))
    assert settings_from_huggingface(path) == settings_from_huggingface(after)
    assert settings_from_huggingface({"model_type": "llama"}) == NetworkSettings()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "gemma2"}, "model_type 'gemma2'"),
        ({"hidden_act": "gelu"}, "hidden_act 'gelu'; ours is 'silu'"),
        ({"sliding_window": 4096}, "sliding_window 4096"),
        ({"rope_scaling": {"type": "yarn", "factor": 4.0}}, "rope type 'yarn'"),
        ({"partial_rotary_factor": 0.5}, "partial_rotary_factor 0.5"),
        ({"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "lacks.*low_freq_factor"),
    ],
)
def test_what_our_network_does_not_compute_is_refused(change, message):
    with pytest.raises(InvalidInputError, match=message):
        settings_from_huggingface({"model_type": "llama", **change})


def test_a_window_that_is_switched_off_is_no_window():
    settings_from_huggingface(
        {"model_type": "qwen3", "sliding_window": 4096, "use_sliding_window": False}
    )


def test_weights_that_do_not_fit_are_all_named_and_nothing_is_copied():
    theirs = their_network("p2-wide")
    weights = dict(theirs.state_dict())
    del weights["model.layers.1.mlp.up_proj.weight"]
    weights["model.layers.0.self_attn.q_norm.weight"] = torch.ones(32)
    weights["lm_head.weight"] = torch.zeros(3, 128)
    network = Network(
        network_from_huggingface(theirs.config.to_dict(), theirs.state_dict()).architecture
    )
    before = network.embedding.clone()
    with pytest.raises(InvalidInputError) as error:
        load_huggingface_weights(network, weights)
    for part in (
        r"missing: ['model.layers.1.mlp.up_proj.weight']",
        r"unexpected: ['model.layers.0.self_attn.q_norm.weight']",
        "lm_head.weight must be (320, 128), got (3, 128)",
    ):
        assert part in str(error.value)
    assert torch.equal(network.embedding, before)


def test_a_tied_network_refuses_a_head_of_its_own_and_ignores_old_rotary_buffers():
    theirs = their_network("llama-3.2-1b")
    weights = {**theirs.state_dict(), "model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(8)}
    network_from_huggingface(theirs.config.to_dict(), weights)
    weights["lm_head.weight"] = weights["lm_head.weight"] + 1
    with pytest.raises(InvalidInputError, match="should be tied"):
        network_from_huggingface(theirs.config.to_dict(), weights)


def test_blocks_that_no_family_has_take_no_weights():
    architecture = Architecture(2, 16, 2, 2, 8, 32, 64, post_norm=True)
    with pytest.raises(InvalidInputError, match="post_norm=True"):
        load_huggingface_weights(Network(architecture, max_context=4), {})
