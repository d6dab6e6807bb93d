"""The benchmark of curves: what laws predict in NumPy, errors, tables of one length."""

import numpy as np
import pytest

import jaxscale
from benchmarks import curves
from jaxscale._numerics.precision import scope

S = np.geomspace(1e6, 1e9, 7)
POINTS = {
    "M1": jaxscale.PurePowerLaw(a=30.0, b=-0.2),
    "M2": jaxscale.Henighan(L_inf=0.3, A=30.0, alpha=0.25),
    "M3": jaxscale.CATALOGUE["M3"](beta=60.0, gamma=1e-8, c=0.2),
    "BNSL": jaxscale.CATALOGUE["BrokenPower"](a=0.1, b=20.0, c0=0.15, c1=0.3, d1=1e8, f1=0.3),
    "M4": curves.M4(eps_inf=0.2, b=1200.0, c=0.4, alpha=0.7),
}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] if n == "M4" else []) for n in POINTS]
)
def test_the_numpy_formula_is_the_law(name):
    with scope(np.float64):
        own = np.asarray(POINTS[name].loss(S))
    np.testing.assert_allclose(
        curves.predicted(name, curves.named(name, POINTS[name]), S), own, rtol=1e-12
    )


def test_m4_with_no_power_of_the_ceiling_is_m2():
    p = dict(beta=30.0, c=-0.25, err_inf=0.3, err_0=1.0, alpha=0.0)
    np.testing.assert_array_equal(curves.predicted("M4", p, S), curves.predicted("M2", p, S))
    near = curves.predicted("M4", {**p, "alpha": 1e-4}, S[2:])
    np.testing.assert_allclose(near, curves.predicted("M2", p, S[2:]), rtol=1e-3)


def test_tables_have_one_length_and_added_runs_no_weight():
    few = curves.Curve(S[:4], S[:4] ** -0.1, S[4:], S[4:] ** -0.1)
    many = curves.Curve(S[:6], S[:6] ** -0.2, S[6:], S[6:] ** -0.2)
    found = curves.tables({("IC", "a", "x"): few, ("BB", "b", "y"): many})
    assert [len(runs) for runs in found.values()] == [6, 6]
    assert list(found["IC / a / x"].weights) == [1, 1, 1, 1, 0, 0]
    assert list(found["BB / b / y"].weights) == [1] * 6


@pytest.mark.parametrize(
    ("far", "error", "theirs", "apart"), [(0.3, 0.1, 0.1, 1.0), (0.1, 0.1, 0.3, -1.0), (1, 0, 0, 0)]
)
def test_errors_are_held_against_both_noises(far, error, theirs, apart):
    row = curves.Judged("M1", ("IC", "a", "x"), 0.1, far, error, True, 0.1, theirs, error)
    assert row.apart == pytest.approx(apart) and not row.worse
    assert row._replace(near=0.1001).worse


def test_an_error_of_what_is_not_positive_has_no_end():
    assert curves.rmsle(np.array([1.0, -1.0]), np.array([1.0, 1.0])) == np.inf
    assert curves.rmsle(np.array([np.e, 1.0]), np.ones(2)) == pytest.approx(np.sqrt(0.5))
