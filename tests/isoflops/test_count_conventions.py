"""Exponents of one table under several ways of counting its parameters."""

import numpy as np
import pytest

import jaxscale
from jaxscale.flops import Transformer, exponent_without_embeddings, omega_of
from jaxscale.isoflops.conventions import by_count
from jaxscale.isoflops.minima import by_budget

LAW = jaxscale.Chinchilla.preset("hoffmann_2022")
MODELS = [
    Transformer(depth, 64 * depth, depth, 50304, norm="none", tied=True)
    for depth in (3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20)
]
TABLE = {name: [m.count(name) for m in MODELS] for name in ("total", "non_embedding", "with_head")}


def table(budgets=(1e17, 3e17, 1e18, 3e18), **more):
    """Models of one shape at equal 6 N D without embeddings, as Kaplan et al. counted."""
    rows = [(k, C) for C in budgets for k in range(len(MODELS))]
    at, C = np.array([k for k, _ in rows]), np.array([c for _, c in rows])
    columns = {name: np.array(counts, float)[at] for name, counts in TABLE.items()}
    D = C / (6 * columns["non_embedding"])
    loss = np.asarray(LAW.loss(columns["total"], D))
    return jaxscale.Runs(
        N=columns["non_embedding"], total=columns["total"], D=D, C=C, loss=loss, **more
    )


def test_the_exponent_of_kaplan_lies_above_that_of_the_law():
    rows, notes = by_count(table(), ["total"], degree=4)
    blocks, whole = rows
    assert (blocks.convention, whole.convention, notes) == ("N", "total", [])
    # The rate that the law says, at the middle of the sizes that are best.
    middle = np.exp(np.mean(np.log(blocks.N[0] * np.array([1e17, 3e18]) ** blocks.N[1])))
    omega = omega_of(50304, 64)
    said = exponent_without_embeddings(middle, LAW.alpha, LAW.beta, omega)
    assert blocks.N[1] == pytest.approx(said, abs=0.02) and blocks.N[1] > whole.N[1] + 0.15
    assert blocks.N[1] + blocks.D[1] == pytest.approx(1, abs=0.01)
    direct = by_budget(table(), degree=4, along="N").power_law("N")
    assert blocks.N[:2] == pytest.approx(direct, rel=1e-9)


def test_columns_are_found_by_the_names_of_the_table():
    runs = table(names={"total": "params (all)"})
    rows, _ = by_count(runs, ["params (all)", "N"])
    assert [row.convention for row in rows] == ["N", "params (all)"]


REFUSED = {
    "no column": (lambda runs: runs, ["params"], "no column 'params' of numbers"),
    "no D": (lambda runs: drop(runs, "D"), ["total"], "without D it would follow from N"),
    "no C": (lambda runs: drop(runs, "C"), ["total"], "without C it would follow from N"),
}


def drop(runs, name):
    kept = {key: column for key, column in runs.columns.items() if key != name}
    return jaxscale.Runs(loss=runs.loss, **kept)


@pytest.mark.parametrize("name", REFUSED)
def test_what_counts_cannot_be_told_from_is_refused(name):
    change, counts, said = REFUSED[name]
    with pytest.raises(jaxscale.DataError, match=said):
        by_count(change(table()), counts)


def test_budgets_without_a_minimum_are_named():
    with_low = table((1e13, 1e17, 3e17, 1e18))
    rows, notes = by_count(with_low, ["total"])
    assert [row.n for row in rows] == [3, 3] and len(notes) == 2
    assert notes[0].startswith("N: 1 of 4 budgets have no minimum (C = 1e+13: ")
