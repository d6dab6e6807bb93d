"""The 27 forms of NIST as laws: fits go to the certified values, and are trusted there."""

import math

import numpy as np
import pytest
from cases import data_folder, needs_data
from nist_forms import FORMS, agreement, at, residual_of, table_of

from jaxscale import Runs, Square, covariance, fit, predict

QUICK = ("BoxBOD", "Chwirut2", "Nelson", "Roszman1", "Bennett5", "Thurber")
"""One form of each way to declare; the others come at night."""
HARD = ("Bennett5", "BoxBOD", "Gauss3", "Kirby2", "Lanczos1", "MGH17")
"""The tables that a search may fail on."""
CASES = [
    pytest.param(form, id=form.name, marks=[] if form.name in QUICK else pytest.mark.nightly)
    for form in FORMS
]


def near(form, by=1e-3):
    """The certified values, each moved by a thousandth, as the one start of a fit."""
    signs = [1 if k % 2 else -1 for k in range(len(form.values))]
    pairs = zip(form.values.items(), signs, strict=True)
    return form.law(**{name: np.array([x * (1 + s * by)]) for (name, x), s in pairs})


def refit(form, runs):
    return fit(form.law(), runs, loss=Square(), residual=residual_of(form), starts=near(form))


def test_all_forms_are_there_as_nist_counts_their_parameters():
    counts = [len(form.values) for form in FORMS]
    assert [counts.count(k) for k in range(2, 10)] == [6, 7, 3, 2, 3, 2, 3, 1]
    for form in FORMS:
        free = form.law().free
        assert free == tuple(f"b{k}" for k in range(1, len(free) + 1)), form.name


@pytest.mark.slow
@pytest.mark.parametrize("form", CASES)
def test_a_fit_of_exact_losses_goes_back_to_the_certified_values(form):
    loss = predict(form.law(**form.values), **form.inputs)
    found = refit(form, Runs(loss=loss, **form.inputs))
    for name, value in form.values.items():
        assert getattr(found.law, name) == pytest.approx(value, rel=1e-6), name
    np.testing.assert_allclose(found.predict(**form.inputs), loss, rtol=1e-9)


def table_or_skip(name):
    """The runs of a problem and what NIST certifies; skips where its file is not there."""
    folder = data_folder() / "nist_strd"
    if not (folder / f"{name}.csv").is_file():
        pytest.skip(f"no table of {name}")
    return table_of(folder, name)


@needs_data
@pytest.mark.parametrize("form", CASES)
def test_a_fit_of_nists_table_stays_at_the_certified_values(form):
    runs, certified = table_or_skip(form.name)
    assert list(form.values.values()) == certified["certified"]
    found = refit(form, runs)
    for name, value in form.values.items():
        assert getattr(found.law, name) == pytest.approx(value, rel=1e-6), name
    squares = 2 * found.value
    exact = form.name == "Lanczos1"  # its residuals are the rounding of the table
    assert math.isclose(squares, certified["rss"], rel_tol=0.1 if exact else 1e-8)


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize(
    "form",
    [
        pytest.param(form, id=form.name, marks=[] if form.name in HARD else [pytest.mark.nightly])
        for form in FORMS
    ],
)
def test_both_starts_of_nist_and_random_ones_lead_to_the_certified_digits(form):
    """As a table beside SciPy: `python -m benchmarks.nist`."""
    runs, certified = table_or_skip(form.name)
    exact = form.name == "Lanczos1"  # its residuals, and so their spread, are rounding
    for start in (at(form, certified["start1"]), at(form, certified["start2"]), 1024):
        found = fit(form.law(), runs, loss=Square(), residual=residual_of(form), starts=start)
        errors = covariance(found, kind="laplace")
        digits, of_errors = agreement(
            form,
            [getattr(found.law, name) for name in form.values],
            [errors.error(name) for name in form.values],
            certified,
        )
        assert found.certificate.reasons == (), start
        assert digits >= 6 and of_errors >= (2 if exact else 5), start
        assert exact or math.isclose(2 * found.value, certified["rss"], rel_tol=1e-8)


@needs_data
@pytest.mark.parametrize("name", ["BoxBOD", "Thurber", "Bennett5"])
def test_where_the_given_steps_are_too_few_the_end_is_not_trusted(name):
    form = next(form for form in FORMS if form.name == name)
    runs, certified = table_or_skip(name)
    found = fit(
        form.law(), runs, loss=Square(), residual=residual_of(form),
        starts=at(form, certified["start1"]), max_steps=5,
    )  # fmt: skip
    assert found.certificate.status == "step_limit" and not found.certificate.trusted
    assert found.settings["max_steps"] == 5 and found.certificate.median_steps == 5
