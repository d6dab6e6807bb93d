"""From a size to an architecture: published ones are found, ticks hold, what cannot be is said."""

import math

import pytest

from jaxscale.flops import Family, nearest, usual_aspect

FOUND = {  # parameters, family -> layers, width, heads, heads of keys and values, d_ff
    "Llama 2 7B": (6_738_415_616, Family(vocab=32000), (32, 4096, 32, 32, 11008)),
    "Llama 3 8B": (
        8_030_261_248,
        Family(vocab=128256, ff_ratio=3.5, group=4),
        (32, 4096, 32, 8, 14336),
    ),
    "Llama 3 70B": (
        70_553_706_496,
        Family(vocab=128256, ff_ratio=3.5, group=8, aspect=102),
        (80, 8192, 64, 8, 28672),
    ),
    "Mixtral": (
        46_702_792_704,
        Family(vocab=32000, ff_ratio=3.5, group=4, experts=8, active_experts=2),
        (32, 4096, 32, 8, 14336),
    ),
    "nanochat d20": (
        560_988_160,
        Family(vocab=65536, gated=False, aspect=64.0),
        (20, 1280, 10, 10, 5120),
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_the_architecture_of_a_published_size_is_found(name):
    N, family, shape = FOUND[name]
    best = nearest(N, family)[0]
    assert (best.layers, best.d_model, best.heads, best.kv, best.ff) == shape
    assert best.total == pytest.approx(N, rel=1e-4)  # norms are counted


@pytest.mark.parametrize("counted", ["total", "with_head", "non_embedding", "active"])
@pytest.mark.parametrize("N", [3e7, 1.24e8, 2.36e9, 7e10, 1e12])
def test_what_is_listed_can_be_built_and_is_near(N, counted):
    family = Family(vocab=32000, group=2, tied=N < 1e8, experts=4, active_experts=1)
    found = nearest(N, family, counted=counted, number=8)
    assert 1 <= len(found) <= 8 and len(set(found)) == len(found)
    off = [abs(math.log(m.count(counted) / N)) for m in found]
    assert min(off) < (0.1 if N < 1e8 else 0.02) and max(off) <= math.log(2)
    for model in found:
        step = 64 if model.d_model <= 1024 else 128 if model.d_model <= 4096 else 256
        assert model.d_model % step == 0 and model.heads % 2 == 0 and model.kv * 2 == model.heads
        assert model.vocab == 32000 and model.ff % 256 == 0 and model.d_head in (64, 128)


def test_ticks_are_those_asked_for():
    family = Family(
        vocab=50257, vocab_multiple=128, width_multiple=512, head_dim=256, ff_multiple=1
    )
    for model in nearest(1e9, family):
        assert model.d_model % 512 == 0 and model.d_head == 256 and model.vocab == 50304
        assert model.ff == math.ceil(model.d_model * 8 / 3)
    assert usual_aspect(1e6) == usual_aspect(1e8) == 64 and usual_aspect(1e12) == 128
    for model in nearest(3e9, Family(aspect=30.0), number=3):
        assert 20 < model.d_model / model.layers < 45


REFUSED = {
    "small": (1e3, Family(), "no architecture .* 1e.03 .* embedding alone is 3,219,456"),
    "zero": (0.0, Family(), "N must be a positive number"),
    "nan": (math.nan, Family(), "N must be a positive number"),
    "huge group": (1e9, Family(group=10_000), "no architecture"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_size_without_an_architecture_is_refused(name):
    N, family, said = REFUSED[name]
    with pytest.raises(ValueError, match=said):
        nearest(N, family)
    with pytest.raises(ValueError, match="group must be"):
        Family(group=0)
    with pytest.raises(ValueError, match="no multiple of a head"):
        Family(head_dim=128).build(4, 192)
