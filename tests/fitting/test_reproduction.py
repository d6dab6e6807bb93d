"""A fit is made again from its table; what differs is named, and nothing else is."""

import dataclasses
import json

import numpy as np
import pytest

import jaxscale
from jaxscale import DataError, Runs, verify
from jaxscale.fitting.reproduction import stated_versions


def others(runs, **changes):
    return runs.replace(**changes)


def nudged(runs):
    loss = runs.loss.copy()
    loss[[2, 5]] *= 1.001
    return others(runs, loss=loss)


def wrong(fit, **values):
    """The same fit with parameters that it did not find."""
    return dataclasses.replace(fit, law=fit.law.replace(**values))


def test_a_fit_holds_against_its_own_table(fitted):
    found = verify(fitted, fitted.runs)
    assert found.holds and found.differences == () and found.notes == ()
    assert found.sentence.startswith("holds: the same 60 runs") and found.objective < 1e-9
    assert set(found.moved) == set(fitted.free) and max(found.moved.values()) < 1e-6
    document = found.to_dict()
    json.dumps(document, allow_nan=False)
    assert document["data"]["stated"] == document["data"]["again"]


CASES = {
    "a loss": (nudged, "'loss' of row 3 is 3.* and 1 more"),
    "a run less": (lambda r: r.select(r.rows != 7, "x"), "gives 59 runs, .* missing: row 7"),
    "rows": (lambda r: r.select(r.rows > 12, "x"), "missing: row 1, 2, 3, 4, 5 and 7 more"),
    "a weight": (lambda r: others(r, weight=np.linspace(1, 2, 60)), "the fit has no .*'weight'"),
    "a size": (lambda r: others(r, N=r.columns["N"] * 1.0001), "'N' of row 1 is "),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_differs_in_the_data_is_named(fitted, case):
    import re

    change, said = CASES[case]
    found = verify(fitted, change(fitted.runs))
    assert not found.holds and re.search(said, found.sentence), found.sentence
    assert found.sentence.startswith("does not hold: ")


@pytest.mark.parametrize("stated, said", [
    (lambda f: wrong(f, alpha=f.law.alpha * 1.01), "parameters moved: alpha is .*, stated"),
    (lambda f: wrong(f, E=f.law.E + f.errors["E"]), "parameters moved: E is .* 1 standard errors"),
    (lambda f: dataclasses.replace(f, value=f.value * 1.01), "a lower objective, so what"),
    (lambda f: dataclasses.replace(f, value=f.value * 0.99), "a higher objective"),
    (lambda f: dataclasses.replace(
        f, certificate=dataclasses.replace(f.certificate, at_bound=("E",))),
     "certified when fitted again, and stated as not certified"),
])  # fmt: skip
def test_a_result_that_its_table_does_not_give_does_not_hold(fitted, stated, said):
    import re

    found = verify(stated(fitted), fitted.runs)
    assert not found.holds and re.search(said, found.differences[0]), found.differences


def test_what_the_law_does_not_read_and_other_versions_are_noted(fitted, tmp_path):
    runs = fitted.runs.replace(C=6.1 * fitted.runs.columns["N"] * fitted.runs.columns["D"])
    found = verify(fitted, runs, made_by={"jax": "0.0.1", "other": "1"})
    assert found.holds and "jax 0.0.1 then" in found.notes[0] and "has C as well" in found.notes[1]
    fitted.save(tmp_path / "fit.json")
    assert verify(tmp_path / "fit.json", fitted.runs).holds
    assert stated_versions(tmp_path / "fit.json")["jaxscale"] == jaxscale.__version__
    with pytest.raises(DataError):
        verify(tmp_path / "none.json", fitted.runs)


def test_runs_in_another_order_are_the_same_runs(fitted):
    back = fitted.runs.replace(
        loss=fitted.runs.loss[::-1],
        **{name: column[::-1] for name, column in fitted.runs.columns.items()},
    )
    found = verify(fitted, back)
    assert found.holds and found.notes == ("the table has the runs in another order",)


def test_a_table_that_lacks_an_input_is_an_error_of_the_table(fitted):
    with pytest.raises(DataError, match="no column 'D'"):
        verify(fitted, Runs(N=fitted.runs.columns["N"], loss=fitted.runs.loss))
