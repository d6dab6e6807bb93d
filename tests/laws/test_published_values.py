"""Numbers that papers print of laws of one variable and of N and D, digit by digit."""

import re

import numpy as np
import pytest
from cases import data_folder, needs_data

import jaxscale
from jaxscale.laws import CATALOGUE, derived
from jaxscale.laws.parallel import looped

PRESETS = {(law, name): cls.preset(name) for law, cls in CATALOGUE.items() for name in cls.presets}


def digits(value, printed):
    """The value as printed: with so many places after the point, or so many digits of an e."""
    places = len(printed.partition("e")[0].partition(".")[2])
    return f"{value:.{places}{'e' if 'e' in printed else 'f'}}"


@pytest.mark.parametrize(
    ("law", "preset", "quantity", "printed"),
    [
        ("OverTraining", "redpajama", "A", "166.2"),  # 166.21 and .272851 by the authors' code
        ("OverTraining", "redpajama", "B", "287.2"),
        ("OverTraining", "redpajama", "alpha", "0.273"),
        ("ParScale", "stack", "N_c", "1.13e+07"),
        ("ParScale", "pile", "N_c", "1.98e+08"),
        ("Farseer", "farseer_2025", "S", "0.1284880679"),
        ("Farseer", "farseer_2025", "Q", "-1.544209554"),
        ("Chinchilla", "hoffmann_2022", "a", "0.457"),
        ("Chinchilla", "llama3_2024", "a", "0.527"),
    ],
)
def test_presets_give_what_their_papers_quote(law, preset, quantity, printed):
    assert digits(derived(PRESETS[law, preset])[quantity], printed) == printed


@pytest.mark.parametrize(
    ("alpha", "beta", "ours", "printed"),
    [
        (0.301, 0.335, "0.52673", "0.527"),
        (0.328, 0.348, "0.51479", "0.518"),
        (0.253, 0.338, "0.57191", "0.572"),
        (0.259, 0.354, "0.57749", "0.582"),
    ],
)
def test_the_exponents_of_native_multimodal_models(alpha, beta, ours, printed):
    """Shukor et al. 2025, arXiv:2504.07951, print a, alpha and beta rounded by themselves."""
    a = derived(jaxscale.Chinchilla(E=1.9, A=1.0, B=1.0, alpha=alpha, beta=beta))["a"]
    assert digits(a, ours) == ours and abs(a - float(printed)) < 0.005


@pytest.mark.parametrize(
    ("alpha", "beta", "rounded"),
    [(0.336, 0.283, "0.457"), (0.34, 0.28, "0.452"), (0.34781, 0.36585, "0.513")],
)
def test_the_exponents_of_chinchilla_as_others_print_them(alpha, beta, rounded):
    law = jaxscale.Chinchilla(E=1.7, A=400.0, B=400.0, alpha=alpha, beta=beta)
    assert digits(derived(law)["a"], rounded) == rounded


def test_rounding_beta_moves_hoffmanns_data_term_by_13_percent():
    law = jaxscale.Chinchilla.preset("hoffmann_2022")
    assert 1e11 ** (law.beta - 0.28) == pytest.approx(1.13, abs=0.005)


@pytest.mark.parametrize(
    ("law", "tokens_per_parameter"),
    [
        (jaxscale.Chinchilla.preset("hoffmann_2022"), "58.9"),
        (jaxscale.Chinchilla(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28), "92.6"),
        (jaxscale.Chinchilla(E=1.8172, A=482.01, B=2085.43, alpha=0.3478, beta=0.3658), "18.4"),
        (
            jaxscale.Chinchilla(
                E=1.817218, A=477.8259, B=2143.417, alpha=0.3473105, beta=0.3671724
            ),
            "17.9",
        ),
    ],
    ids=["hoffmann", "rounded", "besiroglu", "huber"],
)
def test_tokens_per_parameter_at_5_76e23_flops(law, tokens_per_parameter):
    best = jaxscale.allocate(law, compute=5.76e23)
    assert digits(best.tokens_per_parameter, tokens_per_parameter) == tokens_per_parameter


def test_the_compute_of_progress_halves_in_eight_months():
    """Ho et al. 2024, model 7; 8.4 is the median of its bootstrap."""
    rates = dict(alpha=0.068, beta=0.040, alpha_year=0.004, beta_year=0.036)
    law = CATALOGUE["AlgorithmicProgress"](E=0.0, A=1.0, B=1.0, **rates)
    assert digits(derived(law)["halving_months"], "8.7") == "8.7"
    then, now = (jaxscale.predict(law, N=1e9, D=1e10, year=y) for y in (2012.0, 2013.0))
    worth = [np.exp(derived(law)[g]) for g in ("g_N", "g_D")]
    more = jaxscale.predict(law, N=1e9 * worth[0], D=1e10 * worth[1], year=2012.0)
    assert now == pytest.approx(more) and now < then


def test_layers_count_as_often_as_they_are_used():
    assert looped([1e6, 4e6, 1e6], [1, 4, 1]) == pytest.approx(1.8e7)
    assert looped([[2e6, 3e6], [1.0, 1.0]], [2, 1]).tolist() == [7e6, 3.0]
    assert looped([6e6], 1) == pytest.approx(6e6)


def test_board_games_trade_training_for_play():
    law = PRESETS["BoardGames", "jones_2021"]
    assert np.log10(jaxscale.predict(law, C=1e15, elo=-500.0)) == pytest.approx(-18 - 2 + 29)


@pytest.mark.parametrize("preset", ["dit_2024", "protein_clm_2024", "protein_mlm_2024"])
def test_the_best_sizes_in_the_note_of_another_field_spend_the_compute(preset):
    (N, a), (D, b) = re.findall(r"([\d.e-]+) C\^(\.\d+)", jaxscale.KaplanC.presets[preset].note)
    spent = 6 * float(N) * float(D) * 1e20 ** (float(a) + float(b)) / 1e20
    assert spent == pytest.approx(1.0, abs=0.15)  # each is rounded by itself


def test_diffusion_transformers_spend_their_compute():
    assert digits(6 * 0.0009 * 186.8535, "1.009") == "1.009"


def test_the_best_tokens_per_parameter_of_farseer_rise_with_compute():
    law = CATALOGUE["Farseer"].preset("farseer_2025")
    N = np.geomspace(1e7, 1e13, 2001)
    ratios = []
    for C in (1e21, 1e22, 1e23, 1e24):  # of its runs, and beyond
        D = C / 6 / N
        best = np.argmin(np.where(D > 1e6, jaxscale.predict(law, N=N, D=D), np.inf))
        ratios.append(D[best] / N[best])
    assert np.all(np.diff(ratios) > 0) and 20 < ratios[0] < ratios[-1] < 500


def test_the_nesting_family_in_its_other_notation():
    """E + [(A N^-alpha)^(1/q) + (B D^-beta)^(1/q)]^q is Skaling, and Kaplan at q = alpha_D."""
    N, D = np.geomspace(1e7, 1e11, 9), np.geomspace(1e12, 1e9, 9)
    A, B, alpha, beta = 11.0, 23.0, 0.08, 0.11
    for q in (0.11, 0.5, 1.0):
        inner = dict(A=A ** (1 / q), B=B ** (1 / q), alpha=alpha / q, beta=beta / q, k=q)
        want = ((A * N**-alpha) ** (1 / q) + (B * D**-beta) ** (1 / q)) ** q
        got = jaxscale.predict(jaxscale.Skaling(E=0.0, **inner), N=N, D=D)
        np.testing.assert_allclose(got, want, rtol=1e-12)
    kaplan = jaxscale.Kaplan(A=A, B=B, alpha_N=alpha, alpha_D=beta)
    inner = dict(A=A ** (1 / beta), B=B ** (1 / beta), alpha=alpha / beta, beta=1.0, k=beta)
    skaling = jaxscale.Skaling(E=0.0, **inner)
    np.testing.assert_allclose(*(jaxscale.predict(law, N=N, D=D) for law in (kaplan, skaling)))


@needs_data
def test_over_training_is_predicted_as_its_authors_did():
    """Errors of .7103 % and .7320 % at 1.4B, M = 640, and 6.9B, M = 20, by their own constants."""
    pandas = pytest.importorskip("pandas")
    table = pandas.read_csv(data_folder() / "gadre_overtraining" / "gadre_models.csv")
    law = CATALOGUE["OverTraining"](E=1.836648, a=166.21 * 6**0.1364255, b=366.69, eta=0.272851 / 2)
    rows = table[table.train_dataset == "rpj"].astype({"params": float})
    found = []
    for size, ratio in ((1.4e9, 640), (6.9e9, 20)):
        near = rows[(np.abs(rows.params / size - 1) < 0.1) & (rows.token_multiplier == ratio)]
        assert len(near) == 1
        one = near.iloc[0]
        given = dict(C=6.0 * one.params * one.tokens, M=one.tokens / one.params)
        found.append(100 * abs(jaxscale.predict(law, **given) / one.loss - 1))
    np.testing.assert_allclose(found, (0.7103, 0.7320), atol=0.02)
