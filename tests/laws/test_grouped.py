"""Laws over families: their fields, their units, the law of each, what cannot be asked."""

import numpy as np
import pytest

from jaxscale import Chinchilla, Grouped, PowerLaw, predict
from jaxscale.laws import CATALOGUE
from jaxscale.laws.grouped import FamilyLaw, catalogued

OWN = ("E", "A", "B")
LABELS = ("c4", "r p", "r_p")


def filled(**more):
    law = Grouped(Chinchilla, "corpus", OWN).over(LABELS)
    values = {"alpha": 0.34, "beta": 0.28}
    for k, triple in enumerate([(1.7, 400, 410), (1.8, 500, 600), (1.9, 300, 700)]):
        values |= {law.names[n][k]: float(x) for n, x in zip(OWN, triple, strict=True)}
    return law.replace(**values | more)


def test_a_law_over_families_gives_what_the_law_of_each_run_s_family_gives():
    law, N, D = filled(), np.geomspace(1e8, 1e10, 6), np.geomspace(1e9, 1e11, 6)
    family = np.array([0, 1, 2, 2, 1, 0])
    whole = predict(law, N=N, D=D, family=family)
    each = [predict(law[LABELS[f]], N=n, D=d) for f, n, d in zip(family, N, D, strict=True)]
    np.testing.assert_array_equal(whole, each)


@pytest.mark.parametrize("code", [-1, 3, 0.5, np.nan])
def test_no_family_has_no_loss(code):
    assert np.isnan(predict(filled(), N=1e9, D=1e10, family=code))


@pytest.mark.parametrize(
    "labels",
    [LABELS, ("a b", "a-b", "a_b", "a_b_2"), ("1e9", "日本", "$x$"), ("", "_", "__")],
)
def test_fields_are_identifiers_and_no_two_alike(labels):
    law = Grouped(Chinchilla, "corpus", OWN).over(labels)
    fields = [name for names in law.names.values() for name in names]
    assert len(set(fields)) == len(OWN) * len(labels)
    assert all(name.isidentifier() for name in fields)
    assert law.free == (*fields, "alpha", "beta")


def test_units_follow_the_exponents_of_their_own_family():
    law = Grouped("PowerLaw:C", own=("a", "b")).over(["x", "y"])
    assert law.parameters["a_y"].per == (("C", "-b_y"),)
    assert law.inputs == ("C", "family") and law.of == "C"
    assert isinstance(law["y"], PowerLaw) and law["y"].of == "C"


def test_what_a_coefficient_is_worth_is_derived_and_shared_quantities_are_there_once():
    law = filled()
    derived = law.derived()
    assert set(derived) == set(type(law).derived_docs)
    assert {"a", "b"} <= set(derived) and "a_c4" not in derived
    # B D^-beta of a family is that of the first at rho D tokens.
    rho = float(derived["rho_D_r_p"])
    assert 600 * 1e10**-0.28 == pytest.approx(410 * (rho * 1e10) ** -0.28, rel=1e-6)
    assert "rho_D_c4" not in derived


def test_derived_quantities_of_own_exponents_are_those_of_every_family():
    law = Grouped(Chinchilla, own=("A", "B", "alpha", "beta")).over(["x", "y"])
    assert {"a_x", "a_y", "b_x", "b_y"} == set(type(law).derived_docs)


def test_the_same_question_is_the_same_class_and_the_catalogue_has_none_of_them():
    one, two = (Grouped(Chinchilla, "corpus", ("A", "E")).over(LABELS) for _ in range(2))
    assert type(one) is type(two) and one.own == ("E", "A")
    assert catalogued(one) and not isinstance(CATALOGUE["Chinchilla"](), FamilyLaw)
    assert not any(issubclass(law, FamilyLaw) for law in CATALOGUE.values())


@pytest.mark.parametrize(
    ("law", "own", "said"),
    [
        (Chinchilla, ("E", "Q"), "no such parameter"),
        (Chinchilla, (), "own= is empty"),
        (Chinchilla(E=1.7), ("E",), "E of Chinchilla is fixed"),
        (Chinchilla, ("E", "beta"), "make B own as well"),
        (PowerLaw(of="C"), ("b",), "make a own as well"),
        (filled(), ("alpha",), "has families already"),
    ],
)
def test_what_cannot_be_own_says_why(law, own, said):
    with pytest.raises(ValueError, match=said):
        Grouped(law, own=own)


@pytest.mark.parametrize("labels", [(), ("a",), ("a", "a")])
def test_fewer_than_two_families_are_none(labels):
    with pytest.raises(ValueError, match="two labels or more"):
        Grouped(Chinchilla, own=("E",)).over(labels)


@pytest.mark.parametrize("pool", [0, -1.0, float("nan"), float("inf")])
def test_a_width_of_the_prior_is_positive(pool):
    with pytest.raises(ValueError, match="width of the prior"):
        Grouped(Chinchilla, own=("E",), pool=pool if pool != 0 else 0.0)


@pytest.mark.parametrize(
    ("law", "own", "worth"),
    [
        ("Chinchilla", ("A", "B"), {"rho_N_y", "rho_D_y"}),
        ("Skaling", ("A", "B"), {"rho_N_y", "rho_D_y"}),
        ("Vocabulary", ("A1",), {"rho_N_nv_y"}),
        ("FineGrainedMoE", ("a", "b"), {"rho_D_y"}),
        ("SparseMoE", ("a",), set()),
        ("ShiftedSeparable", ("A", "B"), set()),
        ("DataConstrained", ("A", "B"), {"rho_N_y"}),  # its best N follows A as N itself does
    ],
)
def test_an_input_is_worth_more_only_where_that_is_all_a_coefficient_does(law, own, worth):
    docs = type(Grouped(law, own=own).over(["x", "y"])).derived_docs
    assert {name for name in docs if name.startswith("rho")} == worth


def test_the_worth_of_an_input_is_told_by_its_whole_name():
    docs = type(Grouped("Vocabulary", own=("A1",)).over(["x", "y"])).derived_docs
    assert docs["rho_N_nv_y"] == "worth of N_nv in y, in that of x"


@pytest.mark.parametrize("label", ["\u0d70", "\u2460", "a b", "\U0001f642", "1/2", "\u0301"])
def test_any_label_makes_a_name(label):
    assert all(name.isidentifier() for name in Grouped(Chinchilla, own="A").over([label, "z"]).free)


@pytest.mark.parametrize("label", LABELS)
def test_a_family_is_named_in_a_prediction_by_its_label(label):
    law = filled()
    assert predict(law, N=1e9, D=2e10, family=label) == predict(law[label], N=1e9, D=2e10)
    with pytest.raises(ValueError, match="missing family; say which: family='c4'"):
        predict(law, N=1e9, D=2e10)
    with pytest.raises(ValueError, match="no family|is none of|mine"):
        predict(law, N=1e9, D=2e10, family="mine")
