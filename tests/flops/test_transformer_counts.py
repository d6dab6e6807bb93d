"""Counts of transformers against those that were published, to the digit."""

import dataclasses

import pytest

from jaxscale.flops import COUNTS, Transformer, TransformerCost, flops_per_token

GPT2 = dict(tied=True, context=1024, positions="learned", norm="layer", biases="all")
LLAMA = dict(gated=True, context=4096)
PUBLISHED = {  # architecture, all parameters as checkpoints have them
    "GPT-2": (Transformer(12, 768, 12, 50257, **GPT2), 124_439_808),
    "GPT-2 XL": (Transformer(48, 1600, 25, 50257, **GPT2), 1_557_611_200),
    "Pythia 70M": (Transformer(6, 512, 8, 50304, biases="all", norm="layer"), 70_426_624),
    "Llama 2 7B": (Transformer(32, 4096, 32, 32000, d_ff=11008, **LLAMA), 6_738_415_616),
    "Llama 2 70B": (
        Transformer(80, 8192, 64, 32000, kv_heads=8, d_ff=28672, **LLAMA),
        68_976_648_192,
    ),
    "Llama 3 8B": (
        Transformer(32, 4096, 32, 128256, kv_heads=8, d_ff=14336, **LLAMA),
        8_030_261_248,
    ),
    "Llama 3 70B": (
        Transformer(80, 8192, 64, 128256, kv_heads=8, d_ff=28672, **LLAMA),
        70_553_706_496,
    ),
    "Llama 3.1 405B": (
        Transformer(126, 16384, 128, 128256, kv_heads=8, d_ff=53248, **LLAMA),
        405_853_388_800,
    ),
    "Llama 3.2 1B": (
        Transformer(16, 2048, 32, 128256, kv_heads=8, d_ff=8192, tied=True, **LLAMA),
        1_235_814_400,
    ),
    "TinyLlama": (
        Transformer(22, 2048, 32, 32000, kv_heads=4, d_ff=5632, **LLAMA),
        1_100_048_384,
    ),
    "Mistral 7B": (
        Transformer(32, 4096, 32, 32000, kv_heads=8, d_ff=14336, **LLAMA),
        7_241_732_096,
    ),
    "Gemma 7B": (
        Transformer(28, 3072, 16, 256000, head_dim=256, d_ff=24576, tied=True, gated=True),
        8_537_680_896,
    ),
    "Qwen 2.5 0.5B": (
        Transformer(
            24, 896, 14, 151936, kv_heads=2, d_ff=4864, tied=True, gated=True, biases="qkv"
        ),
        494_032_768,
    ),
    "Qwen 3 0.6B": (
        Transformer(
            *(28, 1024, 16, 151936),
            **dict(kv_heads=8, head_dim=128, d_ff=3072, tied=True, gated=True, qk_norm=True),
        ),
        596_049_920,
    ),
    "nanochat d20": (Transformer(20, 1280, 10, 65536, norm="none"), 560_988_160),
    "Mixtral 8x7B": (
        Transformer(
            *(32, 4096, 32, 32000),
            **dict(kv_heads=8, d_ff=14336, experts=8, active_experts=2, **LLAMA),
        ),
        46_702_792_704,
    ),
    "Qwen 3 30B-A3B": (
        Transformer(
            *(48, 2048, 32, 151936),
            **dict(kv_heads=4, head_dim=128, qk_norm=True, gated=True),
            **dict(experts=128, active_experts=8, d_expert=768),
        ),
        30_532_122_624,
    ),
    "DeepSeekMoE 16B": (
        Transformer(
            *(28, 2048, 16, 102400),
            **dict(d_ff=10944, gated=True, experts=64, active_experts=6, shared_experts=2),
            **dict(d_expert=1408, dense_layers=1),
        ),
        16_375_728_128,
    ),
}
ACTIVE = {
    "Mixtral 8x7B": 12_879_925_248,
    "Qwen 3 30B-A3B": 3_353_032_704,
    "DeepSeekMoE 16B": 2_828_650_496,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_all_parameters_are_counted(name):
    model, total = PUBLISHED[name]
    assert model.total == model.count() == total
    assert model.active == ACTIVE.get(name, total)
    assert [model.count(each) for each in COUNTS] == [getattr(model, each) for each in COUNTS]


@pytest.mark.parametrize("name", PUBLISHED)
def test_inference_is_the_sum_of_its_tokens(name):
    model = PUBLISHED[name][0]
    one_by_one = sum(model.decode_flops(position) for position in range(101, 150))
    assert model.inference_flops(100, 50) == pytest.approx(model.prefill_flops(100) + one_by_one)
    assert model.inference_flops(100, 1) == model.prefill_flops(100)
    # A whole sequence with the head at every position is the forward pass of training.
    whole = sum(model.decode_flops(position) for position in range(1, 65))
    assert model.forward_flops(64) * 64 == pytest.approx(whole, rel=1e-14)
    assert model.training_flops(1e9) == 3e9 * model.forward_flops()


HOFFMANN = {  # layers, d_model, heads, d_ff -> parameters, FLOPs of 2048 tokens, over 6 N D
    (10, 640, 10, 2560): (73_825_280, 929_877_196_800, 1.03),
    (20, 1024, 16, 4096): (305_707_008, 4_135_248_199_680, 1.10),
    (24, 1280, 10, 5120): (552_604_160, 7_353_453_772_800, 1.08),
    (26, 1792, 14, 7168): (1_143_453_696, 14_670_316_437_504, 1.04),
    (28, 2048, 16, 8192): (1_593_126_912, 20_220_437_594_112, 1.03),
    (40, 3584, 28, 14336): (6_796_274_688, 83_021_046_743_040, 0.99),
}


@pytest.mark.parametrize("shape", HOFFMANN)
def test_table_a4_of_hoffmann_is_reproduced(shape):
    number, flops, ratio = HOFFMANN[shape]
    *three, d_ff = shape
    how = dict(positions="relative", norm="layer", biases="all", tied=True)
    model = Transformer(*three, 32000, d_ff=d_ff, **how)
    found = flops_per_token(model)["Hoffmann"]
    assert model.total == number and found * 2048 == flops
    assert found / (6 * number) == pytest.approx(ratio, abs=0.0052)


def test_other_counts_are_those_of_their_papers():
    small = PUBLISHED["nanochat d20"][0]
    assert flops_per_token(small)["PaLM"] == 3_491_758_080  # 3.491758e+09 in its log
    bare = Transformer(24, 1536, 12, 50257, norm="none")
    assert bare.non_embedding == 12 * 24 * 1536**2
    assert flops_per_token(bare)["Kaplan"] == 72 * 24 * 1536**2
    full = 2 * (bare.multiplied + 0) + 4 * 24 * 1536 * bare.context
    assert flops_per_token(bare)["DeepSeek"] == 3 * full
    assert bare.forward_flops(causal=False) == full + 2 * bare.embedding
    mixtral = flops_per_token(PUBLISHED["Mixtral 8x7B"][0])
    assert mixtral["6 N"] == 6 * 12_879_925_248 and "DeepSeek" not in mixtral


@pytest.mark.parametrize("tied", [True, False])
def test_the_cost_of_a_shape_is_that_of_its_architectures(tied):
    how = dict(context=2048.0, aspect=64.0, embeddings=1.0 if tied else 2.0)
    for layers in (4, 12, 40):
        model = Transformer(layers, 64 * layers, layers, 50304, norm="none", tied=tied)
        cost = TransformerCost(50304.0, **how)
        assert cost(model.total, 1e9) == pytest.approx(model.training_flops(1e9), rel=1e-12)


WRONG = {
    "heads": (dict(heads=11), "11 heads do not divide a width of 768"),
    "kv": (dict(kv_heads=5), "5 heads of keys and values do not divide 12"),
    "layers": (dict(layers=0), "layers must be a positive whole number, got 0"),
    "part": (dict(d_model=768.5), "d_model must be a positive whole number"),
    "experts": (dict(experts=8), "of 8 experts a token passes 1 to 8, not 0"),
    "too many": (dict(experts=2, active_experts=3), "of 2 experts .* not 3"),
    "dense": (dict(dense_layers=13), "13 dense layers of 12"),
    "norm": (dict(norm="batch"), "norm is 'batch'; there are"),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_architecture_that_cannot_be_is_refused(name):
    changes, said = WRONG[name]
    with pytest.raises(ValueError, match=said):
        dataclasses.replace(Transformer(12, 768, 12, 50257), **changes)
