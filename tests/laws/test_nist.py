"""The 27 forms of NIST as laws: a fit that starts near the certified values goes back to them."""

import csv
import json
import math

import numpy as np
import pytest
from cases import data_folder, needs_data
from nist_forms import FORMS

from jaxscale import Runs, Square, fit, predict

QUICK = ("BoxBOD", "Chwirut2", "Nelson", "Roszman1", "Bennett5", "Thurber")
"""What is fitted in the default suite: one form of each way to declare; the others are slow."""
CASES = [
    pytest.param(form, id=form.name, marks=[] if form.name in QUICK else pytest.mark.slow)
    for form in FORMS
]


def near(form, by=1e-3):
    """The certified values, each moved by a thousandth, as the one start of a fit."""
    signs = [1 if k % 2 else -1 for k in range(len(form.values))]
    pairs = zip(form.values.items(), signs, strict=True)
    return form.law(**{name: np.array([x * (1 + s * by)]) for (name, x), s in pairs})


def refit(form, runs):
    residual = "log" if form.law.response == "log" else "absolute"
    return fit(
        form.law(), runs, loss=Square(), residual=residual, starts=near(form), max_steps=2000
    )


def test_all_forms_are_there_as_nist_counts_their_parameters():
    counts = [len(form.values) for form in FORMS]
    assert [counts.count(k) for k in range(2, 10)] == [6, 7, 3, 2, 3, 2, 3, 1]
    for form in FORMS:
        free = form.law().free
        assert free == tuple(f"b{k}" for k in range(1, len(free) + 1)), form.name


@pytest.mark.parametrize("form", CASES)
def test_a_fit_of_exact_losses_goes_back_to_the_certified_values(form):
    loss = predict(form.law(**form.values), **form.inputs)
    found = refit(form, Runs(loss=loss, **form.inputs))
    for name, value in form.values.items():
        assert getattr(found.law, name) == pytest.approx(value, rel=1e-6), name
    np.testing.assert_allclose(found.predict(**form.inputs), loss, rtol=1e-9)


def table_of(name):
    """The runs of a problem and what NIST certifies; skips where its file is not there."""
    folder = data_folder() / "nist_strd"
    if not (folder / f"{name}.csv").is_file():
        pytest.skip(f"no table of {name}")
    with (folder / f"{name}.csv").open() as file:
        head, *rows = csv.reader(file)
    columns = dict(zip(head, np.array(rows, float).T, strict=True))
    certified = json.loads((folder / "certified.json").read_text())[name]
    return Runs(loss=columns.pop("y"), **columns), certified


@needs_data
@pytest.mark.parametrize("form", CASES)
def test_a_fit_of_nists_table_stays_at_the_certified_values(form):
    runs, certified = table_of(form.name)
    assert list(form.values.values()) == certified["certified"]
    found = refit(form, runs)
    for name, value in form.values.items():
        assert getattr(found.law, name) == pytest.approx(value, rel=1e-6), name
    squares = 2 * found.value
    exact = form.name == "Lanczos1"  # its residuals are the rounding of the table
    assert math.isclose(squares, certified["rss"], rel_tol=0.1 if exact else 1e-8)
