"""Numbers that papers print, or that follow from them, at the presets: digit by digit."""

import numpy as np
import pytest
from cases import data_folder, needs_data

import jaxscale
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
