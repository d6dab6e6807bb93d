"""Numbers that papers print, or that follow from them, at the presets: digit by digit."""

import numpy as np
import pytest
from cases import data_folder, needs_data

import jaxscale
from jaxscale._numerics.precision import scope
from jaxscale.laws.accuracy import pass_at_k
from jaxscale.laws.names import find_law
from jaxscale.laws.repeated import share
from jaxscale.laws.vocabulary import vocabulary_tokens

LAWS = jaxscale.CATALOGUE


def read(name, where=None):
    """The columns of a public table, as NumPy arrays."""
    pandas = pytest.importorskip("pandas")
    table = pandas.read_csv(data_folder() / name)
    table = table if where is None else table.query(where)
    return {column: table[column].to_numpy() for column in table}


def huber(r, delta=1e-3):
    size = np.abs(r)
    return float(np.sum(np.where(size < delta, r * r / 2, delta * (size - delta / 2))))


@pytest.mark.parametrize(
    ("law", "preset", "given", "printed"),
    [
        ("LearningRate", "step_law_2025", dict(N=1e9, D=1e11), "1.63250e-03"),
        ("BatchSize", "step_law_2025", dict(N=1e9, D=1e11), "1.107715e+06"),
        ("LearningRateByCompute", "deepseek_2024", dict(C=1e22), "5.5447e-04"),
        ("BatchSizeByCompute", "deepseek_2024", dict(C=1e22), "4.587572e+06"),
        ("LearningRateByCompute", "ling_2025", dict(C=1e22), "5.009e-04"),
        ("BatchSizeByCompute", "ling_2025", dict(C=1e22), "7.214e+06"),
        ("LearningRate", "porian_2024", dict(N=1e9, D=1e10), "2.12913e-03"),
        ("LearningRate", "bjorck_2024", dict(N=7e9, D=1e12), "1.09e-04"),
    ],
)
def test_presets_give_the_numbers_of_their_sources(law, preset, given, printed):
    found = jaxscale.predict(LAWS[law].preset(preset), **given)
    digits = len(printed.partition("e")[0].partition(".")[2])
    assert f"{found:.{digits}e}" == printed


def test_porians_batch_is_in_sequences_of_2048():
    batch = jaxscale.predict(LAWS["BatchSize"].preset("porian_2024"), N=1e9, D=1e10)
    assert f"{batch / 2048:.3f}" == "785.600"


def test_tokens_seen_ten_times_are_worth_7_814123_times_as_many():
    with scope(np.float64):
        assert f"{10 * share(10.0, 15.387756):.6f}" == "7.814123"
    assert float(share(0.3, 15.0)) == float(share(1.0, 15.0)) == 1.0


def test_decay_of_data_alone_is_data_constrained_without_its_limit_of_parameters():
    shared = dict(E=1.8, A=480.0, B=2100.0, alpha=0.35, beta=0.36)
    runs = dict(N=[1e7, 1e9, 1e11], D=[1e9, 3e11, 1e10], U=[1e9, 1e9, 3e10])
    saturated = jaxscale.predict(LAWS["Saturation"](rate=1 / 15, **shared), **runs)
    both = LAWS["DataConstrained"](R_D=15.0, R_N=1e14, **shared)
    np.testing.assert_allclose(jaxscale.predict(both, **runs), saturated, rtol=1e-9)


@needs_data
def test_the_published_repetitions_have_the_published_objective():
    """0.0158259366 in the notebook's float32; 0.015825935258 in float64."""
    table = read("datablations/datablations_fit182.csv")
    law = LAWS["DataConstrained"].preset("muennighoff_2023")
    runs = dict(N=table["params"], D=table["tokens"], U=table["unique_tokens"])
    r = np.log(jaxscale.predict(law, **runs)) - np.log(table["loss"])
    assert huber(r) == pytest.approx(0.015825935258016, rel=1e-12)


@needs_data
def test_the_published_vocabulary_law_fits_its_runs_as_its_code_does():
    table = read("vocab/vocab_runs.csv", "in_paper_fit == 1")
    V, loss = table["vocab_size"], table["loss_unigram_normalised"]
    D = vocabulary_tokens(table["characters"], V)
    runs = dict(N_nv=table["params_non_vocab"], N_v=V * table["embed_dim"], D=D)
    r = jaxscale.predict(LAWS["Vocabulary"].preset("tao_2024"), **runs) - loss
    found = f"{np.sqrt(np.mean(r * r)):.4f} {1 - np.mean(r * r) / np.var(loss):.5f} {huber(r):.6f}"
    assert found == "0.0908 0.97165 0.062292"


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("law", "value", "found"),
    [
        ("DataConstrained", 0.01580466247400, dict(R_D=95.3652, R_N=1.70590)),
        ("Saturation", 0.0169223487, dict(rate=1 / 2.9149)),
    ],
)
def test_repetitions_of_the_public_runs_have_the_best_known_optimum(law, value, found):
    """The published R_D and R_N are a local minimum of the first."""
    table = read("datablations/datablations_fit182.csv")
    values = jaxscale.Chinchilla.presets["muennighoff_2023"].values
    runs = dict(N=table["params"], D=table["tokens"], U=table["unique_tokens"], loss=table["loss"])
    fit = jaxscale.fit(LAWS[law](**values), runs, starts=256)
    assert fit.value == pytest.approx(value, rel=1e-8)
    for name, known in found.items():
        assert getattr(fit.law, name) == pytest.approx(known, rel=1e-4)


def test_fine_tuning_on_nothing_gives_the_loss_before_it():
    law = LAWS["RectifiedFineTuning"](E=1.2, B=900.0, D_l=300.0, beta=0.6)
    assert jaxscale.predict(law, D=[0.0, 1e12]) == pytest.approx([4.2, 1.2], rel=1e-3)
    runs = dict(D=np.array([0, 200, 800, 3e3, 1e4, 5e4, 2e5, 1e6]))
    runs |= dict(loss=jaxscale.predict(law, **runs))
    fit = jaxscale.fit(LAWS["RectifiedFineTuning"], runs, starts=64)
    assert fit.law.values == pytest.approx(law.values, rel=1e-5)
    assert not any("billions" in warning for warning in fit.warnings)


def at_moe_sizes(law, preset, **others):
    return float(jaxscale.predict(LAWS[law].preset(preset), N=1e9, D=2e10, **others))


def test_laws_of_experts_give_the_numbers_of_their_sources():
    assert f"{at_moe_sizes('FineGrainedMoE', 'moe', G=8.0):.5f}" == "3.14039"
    assert f"{at_moe_sizes('SparseMoE', 'abnar_2025', S=0.9):.5f}" == "2.70187"
    printed = dict(c=1.3637, a=35.91, b=35.98, alpha=0.1889, beta=0.1775, N0=1.0, D0=1.0)
    experts = dict(delta=0.2285, omega=-0.5529, gamma=-0.0098, zeta=0.0259, E_start=1.0)
    joint = LAWS["JointMoE"](E_max=1e300, **printed, **experts)
    assert f"{jaxscale.predict(joint, N=1e9, D=2e10, E=1.0):.5f}" == "2.61414"


@pytest.mark.parametrize(
    ("A", "G", "C", "printed"), [(0.031, 12, 1e22, "6.874536"), (0.078, 2, 1e20, "2.367990")]
)
def test_efficiency_leverage_is_the_papers(A, G, C, printed):
    law = LAWS["EfficiencyLeverage"].preset("tian_2025")
    assert f"{jaxscale.predict(law, A=A, G=G, C=C):.6f}" == printed


@pytest.mark.parametrize(
    ("preset", "a", "b", "c", "d"),
    [
        ("s_base", -0.082, -0.108, 0.009, 1.104),
        ("rl_r", -0.083, -0.126, 0.012, 1.111),
        ("hash", -0.087, -0.136, 0.012, 1.157),
    ],
)
def test_routed_laws_are_those_of_decimal_logarithms(preset, a, b, c, d):
    law = LAWS["Routed"].preset(preset)
    one = law.E_start  # what a single expert counts for
    N = np.geomspace(1e7, 1e9, 5)
    n, e = np.log10(N), np.log10(one)
    printed = 10 ** (a * n + b * e + c * n * e + d)
    np.testing.assert_allclose(jaxscale.predict(law, N=N, E=1.0), printed, rtol=1e-12)


def test_four_times_the_languages_take_the_printed_factors():
    """N x 1.4, D x 2.74 in all, C x 3.84 = 4^.97."""
    law = LAWS["Multilingual"](
        E=1.2, A=2000.0, B=60.0, alpha=0.11 / 0.243, beta=0.04 / 0.272, phi=0.11, psi=-0.04
    )
    found = jaxscale.laws.derived(law)
    N, D = 4 ** found["N_per_K"], 4 ** found["D_per_K"]
    assert f"{N:.3f} {D:.3f}" == "1.401 2.743"
    assert N * D == pytest.approx(4**0.97, rel=2e-3)
    before = jaxscale.predict(law, N=1e9, D=1e10, K=10.0)
    after = jaxscale.predict(law, N=1e9 * N, D=1e10 * D / 4, K=40.0)
    assert after == pytest.approx(before, rel=1e-12)


def test_a_sparse_t5_has_the_scale_of_data_that_is_printed():
    found = jaxscale.laws.derived(LAWS["SparsePruned"].preset("t5"))
    assert f"{found['a_D']:.2e}" == "6.90e+08"


def test_a_batch_at_the_critical_one_takes_twice_the_least_of_both():
    law = LAWS["StepsAtBatch"](S_min=2e4, B_crit=1e6)
    steps = jaxscale.predict(law, B=np.array([1e5, 1e6, 1e7]))
    assert steps[1] == 4e4
    tokens = steps * np.array([1e5, 1e6, 1e7]) / jaxscale.laws.derived(law)["E_min"]
    np.testing.assert_allclose((steps / 2e4 - 1) * (tokens - 1), 1.0)


@pytest.mark.parametrize(
    ("n", "c", "k", "found"),
    [(10, 3, 1, 0.3), (10, 0, 5, 0.0), (5, 4, 2, 1.0), (4, 2, 2, 5 / 6), (1, 1, 1, 1.0)],
)
def test_pass_at_k_is_the_share_of_draws_with_one_that_is_right(n, c, k, found):
    assert pass_at_k(n, c, k) == pytest.approx(found, rel=1e-12)
    both = pass_at_k([n, 100], [c, 7], 1)
    np.testing.assert_allclose(both, [c / n, 0.07])
    with pytest.raises(ValueError, match="0 <= c <= n"):
        pass_at_k(n, n + 1, 1)


def test_the_utility_of_a_pool_halves_every_tau_epochs():
    law = LAWS["QualityDecay"](d=0.2, a=15.0, b=0.22, tau=3.0)
    y = [jaxscale.predict(law, U=1e8, k=k) - 0.2 for k in (1.0, 2.0, 3.0, 4.0, 5.0)]
    ratio = [np.log(y[j] / y[j - 1]) / np.log((j + 1) / j) for j in (1, 2, 3, 4)]
    np.testing.assert_allclose(ratio, [-0.22 * 0.5 ** (j / 3) for j in (1, 2, 3, 4)])


def test_a_chain_of_laws_is_one_law():
    chain = LAWS["Composed"]["ErrorFromLoss", "Chinchilla"]
    outer = LAWS["ErrorFromLoss"](epsilon=0.85, k=2.1, gamma=0.75)
    inner = jaxscale.Chinchilla.preset("besiroglu_2024")
    runs = dict(N=np.geomspace(1e8, 1e10, 4), D=np.geomspace(1e10, 1e11, 4))
    want = jaxscale.predict(outer, L=jaxscale.predict(inner, **runs))
    law = chain(**outer.values, **inner.values)
    np.testing.assert_allclose(jaxscale.predict(law, **runs), want, rtol=1e-14)
    staged = chain(**outer.values, **inner.values)
    staged = LAWS["Composed"]["ErrorFromLoss", "Chinchilla", "stage"](**staged.values)
    np.testing.assert_allclose(
        jaxscale.predict(staged, stage=np.array([0, 1, 0, 1]), **runs),
        np.where([0, 1, 0, 1], want, jaxscale.predict(inner, **runs)),
    )


def test_names_that_both_laws_of_a_chain_have_are_told_apart():
    chain = LAWS["Composed"]["LossToLoss", "LossToLoss"]
    assert chain().free == (
        *("E1", "K", "kappa", "E0"),
        *("outer_E1", "outer_K", "outer_kappa", "outer_E0"),
    )
    assert chain().parameters["outer_K"].per == ()  # its input is a number here
    assert dict(chain().parameters["K"].per) == {"L0": "-kappa"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Composed[Chinchilla]", r"Composed\[OUTER,INNER\]"),
        ("Composed[ErrorFromLoss,Nope]", "no law 'Nope'"),
        ("Composed[ErrorFromLoss,Composed]", "no law 'Composed'"),
        ("Composed[ErrorFromLoss,Chinchilla,N]", "both read N"),
        ("Composed[ErrorFromLoss,MixingLaw]", "MixingLaw takes arguments"),
        ("Composed[JointMixture,Chinchilla]", "JointMixture takes arguments"),
        ("Composed[ErrorFromLoss,Chinchilla,loss]", "cannot be called loss"),
        ("Composed[ErrorFromLoss,Chinchilla,gamma]", "cannot be called gamma"),
        ("Composed[ErrorFromLoss,Chinchilla,class]", r"Composed\[OUTER,INNER\]"),
        ("MixingLaw[a,\u00aa]", "no plain name of a domain"),
        ("MixingLaw[a,class]", "no plain name of a domain"),
        ("Composed[ErrorFromLoss,Translog]", "a logarithm"),
        ("Composed[ErrorFromLoss,Chinchilla,a b]", r"Composed\[OUTER,INNER\]"),
    ],
)
def test_a_chain_that_cannot_be_is_a_sentence(text, message):
    with pytest.raises(ValueError, match=message):
        find_law(text)


@pytest.mark.parametrize("samples", [(10, 2.5, 1), (10, float("nan"), 1), (10, 2, 1.5)])
def test_samples_of_no_whole_number_have_no_pass_at_k(samples):
    with pytest.raises(ValueError, match="whole numbers"):
        pass_at_k(*samples)
