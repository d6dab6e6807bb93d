"""Ways of counting parameters: what they do to exponents, and one turned into the other."""

import csv

import numpy as np
import pytest
from cases import data_folder, needs_data

from jaxscale.errors import DataError
from jaxscale.flops import (
    Transformer,
    by_convention,
    exponent_without_embeddings,
    growth_table,
    omega_of,
    with_embeddings,
    without_embeddings,
)

C = 10 ** (18 + np.arange(4) / 3)  # 1e18, 2.15e18, 4.64e18, 1e19
NANOCHAT = {
    "blocks and head": (
        [110678115, 167797457, 250650865, 381758347],
        [1241505403, 1785336422, 2642234152, 3806871243],
    ),
    "all": (
        [416320605, 560239841, 741495903, 988644331],
        [1232157011, 1763669281, 2629909368, 3884841895],
    ),
    "blocks": (
        [80259665, 131488566, 220985474, 401213504],
        [1315639547, 1864134141, 2595328843, 3328704512],
    ),
}
EXPONENTS = {"blocks and head": (0.536, 0.489), "all": (0.375, 0.501), "blocks": (0.697, 0.406)}


def test_the_exponent_follows_the_convention():
    found = {row.convention: row for row in by_convention(C, NANOCHAT)}
    for name, (of_N, of_D) in EXPONENTS.items():
        row = found[name]
        assert (round(row.N[1], 3), round(row.D[1], 3)) == (of_N, of_D)
        line = np.polyfit(np.log(C), np.log(NANOCHAT[name][0]), 1, cov="unscaled")
        off = np.log(NANOCHAT[name][0]) - np.polyval(line[0], np.log(C))
        assert row.N[2] == pytest.approx(np.sqrt(line[1][0, 0] * (off @ off) / 2), rel=1e-9)
        assert row.N[0] == pytest.approx(np.exp(line[0][1]), rel=1e-9)
    text = growth_table(list(found.values()))
    assert "C^0.536 ± 0.003  C^0.489 ± 0.005   10.6" in text and text.count("\n") == 3


def test_sizes_alone_have_exponents_of_sizes():
    (row,) = by_convention([1e18, 1e20], {"N": [1e8, 1e9]})
    assert row.N[1] == pytest.approx(0.5) and np.isnan([row.N[2], *row.D, row.ratio]).all()
    assert growth_table([row]).splitlines()[1].split() == ["N", "2", "C^0.500"]


def test_budgets_without_a_minimum_are_left_out():
    hole = [1e8, np.nan, 1e9]
    whole, (row,) = (
        by_convention([1e18, 1e20], {"N": [1e8, 1e9]}),
        by_convention([1e18, 1e19, 1e20], {"N": (hole, hole)}),
    )
    assert row.n == 2 and row.N[:2] == whole[0].N[:2] == row.D[:2]


BAD = {
    "one": ([1e18], {"all": [1e8]}, "all: N. an exponent needs minima at two"),
    "unequal": ([1e18, 1e19], {"all": [1e8]}, "1 values for 2 budgets"),
    "twice": ([1e18, 1e18], {"all": [1e8, 2e8]}, "needs minima at two different budgets"),
    "no minimum": ([1e18, 1e19], {"all": [np.nan, 1e8]}, "needs minima at two different budgets"),
    "zero": ([1e18, 1e19], {"all": ([1e8, 2e8], [0, 1e9])}, "all: D.: budgets and sizes must be"),
    "nan": ([1e18, np.nan], {"all": [1e8, 2e8]}, "must be positive numbers"),
}


@pytest.mark.parametrize("name", BAD)
def test_points_without_an_exponent_are_refused(name):
    budgets, optima, said = BAD[name]
    with pytest.raises(DataError, match=said.replace("N. ", "N.: ")):
        by_convention(budgets, optima)


def test_counts_with_and_without_embeddings_are_inverse():
    N = np.geomspace(1e2, 1e13, 23)
    for omega in (3.0, 47491.0, 1e6):
        np.testing.assert_allclose(without_embeddings(with_embeddings(N, omega), omega), N, 1e-13)
    np.testing.assert_allclose(with_embeddings(without_embeddings(N)), N, 1e-13)


@pytest.mark.parametrize("tied", [True, False])
def test_omega_is_that_of_architectures_of_one_shape(tied):
    omega = omega_of(50304 * (1 if tied else 2), 64)
    for layers in (2, 12, 60):
        model = Transformer(layers, 64 * layers, layers, 50304, norm="none", tied=tied)
        assert with_embeddings(model.non_embedding, omega) == pytest.approx(model.total, rel=1e-12)
    assert omega_of(32000, 39.2) == pytest.approx(47491, rel=3e-4)  # Hoffmann's models


def test_without_embeddings_the_exponent_falls_from_one_end_to_the_other():
    A, B, alpha, beta = 482.01, 2085.43, 0.3478, 0.3658
    total = lambda n: with_embeddings(n)  # noqa: E731

    def budget(n):
        """C without embeddings at which n is best: the loss along 6 n D = C has no slope there."""
        slope = 1 + 47491 / 3 * n ** (-2 / 3)
        D = (beta * B / (alpha * A * total(n) ** (-alpha - 1) * slope * n)) ** (1 / beta)
        return 6 * n * D

    for n in (1e4, 1e7, 1e10):
        rate = np.log(budget(n * 1.0001) / budget(n / 1.0001)) / np.log(1.0001**2)
        assert exponent_without_embeddings(n, alpha, beta) == pytest.approx(1 / rate, rel=1e-6)
    ends = [exponent_without_embeddings(n, alpha, beta) for n in (1e-6, 1e30)]
    assert ends == pytest.approx([beta / (alpha / 3 + beta), beta / (alpha + beta)])


@needs_data
def test_the_published_exponents_of_porian_are_those_of_their_minima():
    folder = data_folder() / "porian"
    minima = list(csv.DictReader((folder / "porian_optimal.csv").read_text().splitlines()))
    fits = csv.DictReader((folder / "porian_published_fits.csv").read_text().splitlines())
    published = {row["config"]: row for row in fits if row["fit"] == "basic"}
    of_counts = {}
    for config, said in published.items():
        rows = [row for row in minima if row["config"] == config]
        C, N, D = (
            [float(row[key] or "nan") for row in rows]
            for key in ("flops", "params_opt", "tokens_opt")
        )
        (found,) = by_convention(C, {config: (N, D)})
        assert found.N[1] == pytest.approx(float(said["n_exponent"]), rel=1e-12)
        assert found.N[0] == pytest.approx(float(said["n_coef"]), rel=1e-10)
        assert found.D[1] == pytest.approx(float(said["t_exponent"]), rel=1e-12)
        of_counts[config] = round(found.N[1], 3)
    assert len(published) == 15
    counts = [
        of_counts[f"rw_base_long_kaplan_{count}"] for count in ("kaplan_train", "standard_val")
    ]
    assert counts == [0.834, 0.701]  # without the head and with it
