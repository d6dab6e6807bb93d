"""Candidates: generated families, tables of people, and what is asked for."""

import numpy as np
import pandas as pd
import pytest
from cases import TRUTH

import jaxscale
from jaxscale.designs.asked import asked_for
from jaxscale.designs.candidates import KINDS, RATIOS, generated, region, tabled
from jaxscale.flops import AffineCost, PowerCost
from jaxscale.uncertainty.quantities import Best, ComputeFor, Prediction

LINE = jaxscale.PowerLaw(a=30.0, b=-0.35, c=1.0, of="C")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dearest", [3e16, 1e21, 7.7e25])
@pytest.mark.parametrize("there", [False, True])
def test_a_family_lies_in_its_region(kind, dearest, there):
    N, D = np.array([[1e7, 1e9], [2e9, 2e9]]) * dearest**0.5 / 1e10
    found = generated(kind, region(TRUTH, dearest, *((N, D) if there else ())))
    n, d = found.inputs["N"], found.inputs["D"]
    low, high = (D[1] / N[1] / 2, D[0] / N[0] * 2) if there else RATIOS
    assert 5 <= len(found) < 2000 and found.unit == "FLOPs"
    np.testing.assert_allclose(found.cost, 6 * n * d)
    assert found.cost.max() <= 1.03 * dearest and found.cost.min() >= 0.9e-4 * dearest
    assert (d / n >= 0.98 * low).all() and (d / n <= 1.02 * high).all()
    assert all(float(f"{x:.1e}") == pytest.approx(x, rel=1e-12) for x in (*n, *d))
    assert len(np.unique(np.stack([n, d]), axis=1).T) == len(found)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cost", [
    PowerCost(3e-17, 0.9, 1.02, unit="hours"), AffineCost(2e-18, 1.0, 1e-10, unit="hours"),
    lambda N, D: 8e-18 * N * D,
])  # fmt: skip
def test_a_family_keeps_to_a_budget_in_the_unit_of_the_cost(kind, cost):
    found = generated(kind, region(TRUTH.replace(flops=cost), 5e4))
    np.testing.assert_allclose(found.cost, cost(found.inputs["N"], found.inputs["D"]))
    assert len(found) >= 5 and found.unit == getattr(cost, "unit", "FLOPs")
    assert found.cost.max() <= 1.03 * 5e4 and found.cost.min() >= 0.9e-4 * 5e4
    assert found.cost.max() > 5e3  # a tenth of the dearest and more


def test_runs_of_one_ratio_call_for_candidates_of_others():
    N = np.geomspace(1e7, 1e9, 6)
    found = generated("grid", region(TRUTH, 1e20, N, 20 * N))
    ratio = found.inputs["D"] / found.inputs["N"]
    assert ratio.max() > 50 * ratio.min()


def test_no_candidate_lies_far_below_the_runs():
    found = generated("grid", region(TRUTH, 1e22, np.array([1e8, 1e9]), np.array([1e10, 1e11])))
    assert found.inputs["N"].min() >= 4.9e7 and found.inputs["D"].min() >= 4.9e9


N, D = np.array([1e8, 2e8]), np.array([2e9, 8e9])
GOOD = {
    "N and D": (TRUTH, dict(N=N, D=D), 6 * N * D, "FLOPs"),
    "other names": (TRUTH, dict(params=N, tokens=D), 6 * N * D, "FLOPs"),
    "N and C": (TRUTH, dict(N=N, C=6 * N * D), 6 * N * D, "FLOPs"),
    "own FLOPs": (TRUTH, dict(N=N, D=D, C=7.2 * N * D), 7.2 * N * D, "FLOPs"),
    "dollars": (TRUTH, dict(N=N, D=D, cost=[5, 70]), [5, 70], "cost"),
    "GPU hours": (TRUTH, dict(N=N, D=D, gpu_hours=[5, 70]), [5, 70], "gpu_hours"),
    "a loss that is there": (TRUTH, dict(N=N, D=D, loss=["", "x"]), 6 * N * D, "FLOPs"),
    "a dataframe": (TRUTH, pd.DataFrame(dict(N=N, D=D)), 6 * N * D, "FLOPs"),
    "as people write": (TRUTH, dict(N=["100M", "0.2B"], D=["2B", "8B"]), 6 * N * D, "FLOPs"),
    "one scale": (LINE, dict(C=[1e18, 1e19]), [1e18, 1e19], "FLOPs"),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_table_of_candidates_is_read_with_what_its_runs_cost(name):
    law, table, cost, unit = GOOD[name]
    found = tabled(table, law)
    np.testing.assert_allclose(found.cost, cost)
    assert found.unit == unit and set(found.inputs) == set(law.inputs)
    if law is TRUTH:
        np.testing.assert_allclose(found.inputs["D"], D)


BAD = {
    "no D": (dict(N=N, width=[1, 2]), "'D'"),
    "negative": (dict(N=N, D=[-1e9, 1e9]), "row 1, column 'D'.*positive"),
    "zero": (dict(N=[1e8, 0], D=D), "row 2, column 'N'.*positive"),
    "infinite": (dict(N=[1e8, np.inf], D=D), "row 2, column 'N'"),
    "missing": (dict(N=[1e8, np.nan], D=D), "row 2, column 'N'"),
    "a word": (dict(N=["1e8", "big"], D=D), "big"),
    "free": (dict(N=N, D=D, cost=[0, 1]), "row 1, column 'cost'.*positive number"),
    "a cost without a number": (dict(N=N, D=D, cost=[1, np.nan]), "cost"),
    "unequal": (dict(N=N, D=[1e9]), "unequal length"),
    "nothing": (dict(N=[], D=[]), "shape"),
    "too many": (dict(N=np.ones(60_001), D=np.ones(60_001)), "60,001 rows"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_table_of_candidates_is_refused_by_name(name):
    table, said = BAD[name]
    with pytest.raises(jaxscale.DataError, match=said):
        tabled(table, TRUTH)


def test_what_a_run_costs_must_be_known():
    law = jaxscale.PowerLaw(a=30.0, b=-0.35, c=1.0, of="N")
    with pytest.raises(jaxscale.DataError, match="add a column cost, C, or N and D"):
        tabled(dict(N=N), law)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("N* at 1e25", Best(1e25, "N")),
        ("n at 1E+25 FLOPs", Best(1e25, "N")),
        ("D* at C=3.8e25", Best(3.8e25, "D")),
        ("loss at 1e24", Best(1e24, "loss")),
        ("D/N  at 1e24", Best(1e24, "tokens_per_parameter")),
        ("tokens per parameter at 1e24", Best(1e24, "tokens_per_parameter")),
        ("loss at N=7e9 D=1e12", Prediction({"N": 7e9, "D": 1e12})),
        ("L at N = 7e9, C = 1e22", Prediction({"N": 7e9, "C": 1e22})),
        ("compute for 2.0", ComputeFor(2.0)),
        ("FLOPs for a loss of 2", ComputeFor(2.0)),
    ],
)
def test_an_answer_is_asked_for_in_words(text, meant):
    found = asked_for(text, TRUTH)
    assert type(found) is type(meant) and found.name == meant.name


@pytest.mark.parametrize(
    "quantity",
    [
        *(Best(3e24, what) for what in ("N", "D", "loss", "tokens_per_parameter")),
        ComputeFor(2.5),
        Prediction({"N": 7e9, "D": 1e12}),
    ],
)
def test_an_answer_is_asked_for_as_it_is_printed(quantity):
    found = asked_for(quantity.name, TRUTH)
    assert type(found) is type(quantity) and found.name == quantity.name


@pytest.mark.parametrize("name", ["alpha", "E", "a", "b"])
def test_parameters_are_asked_for_by_their_names(name):
    assert asked_for(name, TRUTH).name == name


@pytest.mark.parametrize(
    "text",
    ["", "N*", "N* at", "N* at infinity", "N* at -1e25", "N* at 0", "M* at 1e25", "gamma",
     "loss at N=7e9 D=many", "loss at N=7e9", "compute for less", "N* at 1e999"],
)  # fmt: skip
def test_words_that_ask_for_nothing_are_refused(text):
    with pytest.raises(ValueError, match=r"nothing that|budget|no number|prediction was asked"):
        asked_for(text, TRUTH)
