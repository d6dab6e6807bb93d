"""Published lines of the best N and D, against the numbers that their sources print."""

import numpy as np
import pytest

from jaxscale.decisions.allocation import allocate
from jaxscale.decisions.published import PUBLISHED, published
from jaxscale.laws import Chinchilla

PRINTED = [
    # name, C, what the source counts (N or M), D, digits that it prints
    ("DeepSeek", 1e22, 5.8731e10, 1.7029e11, 1e-4),
    ("Ling dense", 1e22, 5.5545e10, 1.7993e11, 1e-4),
    ("Ling MoE", 1e22, 3.0986e10, 3.2280e11, 1e-4),
    ("Llama 3", 3.8e25, 3.8e25 / 6 / 1.629e13, 1.629e13, 1e-3),
    ("Kaplan", 8.64e19, 1.3e9, 2e10, 1e-9),
    ("20 tokens", 5.88e23, 7e10, 1.4e12, 1e-3),
]


@pytest.mark.parametrize(("name", "C", "N", "D", "digits"), PRINTED)
def test_a_published_line_gives_the_numbers_of_its_source(name, C, N, D, digits):
    line = published(name)
    got = line.at(C)
    assert got[0] * 6 / line.per == pytest.approx(N, rel=digits)
    assert got[1] == pytest.approx(D, rel=digits)


@pytest.mark.parametrize("line", PUBLISHED, ids=lambda line: line.name)
def test_a_published_line_spends_its_budget(line):
    C = np.geomspace(1e18, 1e26, 5)
    N, D = line.at(C)
    # Kaplan trains at the critical batch: twice the least compute; the digits printed do the rest.
    times = 2 if line.name.startswith("Kaplan") else 1
    assert 6 * N * D == pytest.approx(times * C, rel=0.1 if times == 2 else 2e-3)


@pytest.mark.parametrize(
    ("name", "preset"), [("Hoffmann", "hoffmann_2022"), ("Epoch", "besiroglu_2024")]
)
def test_the_line_of_a_published_law_is_its_allocation(name, preset):
    best = allocate(Chinchilla.preset(preset), compute=3e23)
    assert published(name).at(3e23) == pytest.approx((best.N, best.D), rel=1e-12)


@pytest.mark.parametrize("name", ["Ling", "", "Gemini"])
def test_a_name_of_no_line_or_of_several_is_refused(name):
    with pytest.raises(ValueError, match="no one published line"):
        published(name)
