"""Bounds, ties and known errors of the losses; tables and laws given as people have them."""

import dataclasses
import json

import numpy as np
import pandas as pd
import polars as pl
import pytest
from cases import TRUTH

import jaxscale
from jaxscale import Chinchilla, DataError, Runs, Square
from jaxscale._numerics.precision import scope
from jaxscale.fitting.constraints import with_errors
from jaxscale.objective.residuals import residual_named
from jaxscale.uncertainty.covariance import covariance
from jaxscale.varpro.starts import given_starts

pytestmark = pytest.mark.slow


class OneExponent(jaxscale.Law):
    """E + A N^-a + B D^-a."""

    E: jaxscale.Scalar = jaxscale.offset("e")
    A: jaxscale.Scalar = jaxscale.coefficient("a", per=dict(N="a"))
    B: jaxscale.Scalar = jaxscale.coefficient("b", per=dict(D="a"))
    a: jaxscale.Scalar = jaxscale.exponent("x")

    def __call__(self, N, D):
        return self.E + self.A * N**-self.a + self.B * D**-self.a


@pytest.fixture(scope="module")
def tied(noisy):
    return jaxscale.fit(
        Chinchilla(), noisy, starts=32, tie={"beta": "alpha"}, bounds={"E": (1.7, 1.95)}
    )


def test_a_tied_law_is_the_law_with_one_exponent(noisy, tied):
    one = jaxscale.fit(OneExponent(), noisy, starts=32)
    assert tied.value == pytest.approx(one.value, rel=1e-9)
    assert float(tied.law.beta) == float(tied.law.alpha) == pytest.approx(one.law.a, rel=1e-6)
    assert tied.free == ("E", "A", "B", "alpha") and tied.fixed == ()
    assert tied.errors["alpha"] == pytest.approx(one.errors["a"], rel=1e-6)
    assert "tied to alpha" in str(tied)
    draws = jaxscale.bootstrap(tied, draws=20, method="case")
    np.testing.assert_array_equal(draws.law.beta, draws.law.alpha)
    errors = {i.name: i.error for i in covariance(tied).intervals()}
    assert "beta" not in errors and errors["A"] == pytest.approx(tied.errors["A"], rel=1e-9)


@pytest.mark.parametrize("beta", [None, 0.9], ids=["no value", "another value"])
def test_a_start_of_a_tied_law_takes_the_value_of_the_other(tied, beta):
    values = {name: np.array([float(value)]) for name, value in tied.law.values.items()}
    start = tied.law.replace(**values).replace(beta=None if beta is None else np.array([beta]))
    with scope(np.float64):
        z = given_starts(tied.problem.objective, start)
    np.testing.assert_allclose(z[0], tied.optimum, rtol=1e-12)


def test_constraints_come_back_from_the_file(tied, tmp_path):
    tied.save(tmp_path / "fit.json")
    again = jaxscale.load(tmp_path / "fit.json")
    assert again.constraints == tied.constraints and again.free == tied.free
    np.testing.assert_allclose(again.optimum, tied.optimum, rtol=1e-12)
    own, base = again.problem.objective.space, tied.problem.objective.space
    assert own.bounds() == base.bounds() and own.tied == base.tied
    document = json.loads(tied.to_json())
    for key, worse, message in (
        ("tied", {"beta": "gamma"}, "settings: tie: gamma"),
        ("tied", {"beta": "E"}, "settings: tie"),
        ("bounds", {"E": [2.0, 1.0]}, "settings: bounds of E"),
        ("bounds", {"E": [1.0]}, "settings.bounds.E"),
    ):
        settings = {**document["settings"], key: worse}
        (tmp_path / "bad.json").write_text(json.dumps({**document, "settings": settings}))
        with pytest.raises(DataError, match=message):
            jaxscale.load(tmp_path / "bad.json")


def test_a_bound_holds_and_is_told(noisy, tmp_path):
    low = jaxscale.fit(Chinchilla(), noisy, starts=32, bounds={"E": (0.5, 1.5)})
    assert low.law.E == pytest.approx(1.5, rel=1e-6) and low.certificate.at_bound == ("E",)
    assert np.isnan(low.errors["E"]) and "E at a bound" in low.unstated
    assert low.certificate.limits == (("E", 1.5),)
    assert "E ended at the bound you gave, 1.5: the runs want it beyond" in str(low)
    low.save(tmp_path / "fit.json")
    assert jaxscale.load(tmp_path / "fit.json").certificate.limits == low.certificate.limits
    open_ = jaxscale.fit(Chinchilla(), noisy, starts=32, bounds={"E": (-np.inf, np.inf)})
    free = jaxscale.fit(Chinchilla(), noisy, starts=32)
    assert open_.value == pytest.approx(free.value, rel=1e-10)
    fixed = jaxscale.fit(Chinchilla(alpha=0.35), noisy, starts=32, bounds={"A": (1.0, 100.0)})
    assert fixed.law.A == pytest.approx(100.0, rel=1e-6)


def test_a_run_that_is_left_out_decides_no_weight(noisy):
    sigma = np.r_[1e-9, np.full(59, 0.02)]
    out = noisy.replace(weight=np.r_[0.0, np.ones(59)])
    weights = with_errors(out, sigma, residual_named("absolute")).weights
    np.testing.assert_allclose(weights, np.r_[0.0, np.ones(59)], rtol=1e-12)


def test_no_asymptote_is_profiled_within_its_own_bounds(tied):
    with pytest.raises(ValueError, match="profile a fit without bounds of E"):
        jaxscale.asymptote_profile(tied)


def test_errors_weigh_the_runs(noisy):
    sigma = 0.01 * noisy.loss
    even = jaxscale.fit(Chinchilla(), noisy, starts=32, loss=Square(), error=sigma)
    plain = jaxscale.fit(Chinchilla(), noisy, starts=32, loss=Square())
    assert even.law.alpha == pytest.approx(plain.law.alpha, rel=1e-8)  # equal on the log scale
    wild = [3, 17, 30, 44]
    sigma = np.where(np.isin(np.arange(60), wild), 1e4, 0.01) * noisy.loss
    told = jaxscale.fit(Chinchilla(), noisy, starts=32, loss=Square(), error=sigma)
    left = np.isin(np.arange(60), wild, invert=True)
    without = jaxscale.fit(Chinchilla(), noisy.select(left, "wild"), starts=32, loss=Square())
    assert told.law.alpha == pytest.approx(without.law.alpha, rel=1e-4)
    assert told.runs.weights.mean() == pytest.approx(1.0)
    named = noisy.replace(sigma=sigma, names={**noisy.names, "sigma": "sigma"})
    again = jaxscale.fit(Chinchilla(), named, starts=32, loss=Square(), error="sigma")
    assert again.law.alpha == told.law.alpha
    absolute = jaxscale.fit(
        Chinchilla(), noisy, starts=32, loss=Square(), residual="absolute", error=sigma
    )
    np.testing.assert_allclose(
        absolute.runs.weights, sigma**-2.0 / np.mean(sigma**-2.0), rtol=1e-12
    )


@pytest.mark.parametrize(
    "options, error, message",
    [
        (dict(tie={"A": "B"}), ValueError, "A has a unit"),
        (dict(tie={"beta": "gamma"}), ValueError, "gamma is none of its parameters"),
        (dict(tie={"beta": "alpha", "alpha": "beta"}), ValueError, "alpha is tied itself"),
        (dict(tie={"beta": "beta"}), ValueError, "tied itself"),
        (dict(bounds={"A": (1, 2)}), ValueError, "its unit depends on alpha, which is free"),
        (dict(bounds={"E": (2, 1)}), ValueError, "expected .low, high. with low < high"),
        (dict(bounds={"E": 1}), ValueError, "expected .low, high."),
        (dict(bounds={"E": (-2, -1)}), ValueError, "it is positive"),
        (dict(bounds={"k": (1, 2)}), ValueError, "k is none of its parameters"),
        (dict(bounds={"alpha": (6, 7)}), ValueError, "out of its range"),
        (dict(bounds={"beta": (0, 1)}, tie={"beta": "alpha"}), ValueError, "is tied to alpha"),
        (dict(error="sigma"), DataError, "no column 'sigma'"),
        (dict(error=[1.0]), DataError, "error has shape"),
        (dict(error=np.zeros(60)), DataError, "positive and finite, got 0"),
    ],
)
def test_constraints_that_mean_nothing_are_refused(noisy, options, error, message):
    with pytest.raises(error, match=message):
        jaxscale.fit(Chinchilla(), noisy, starts=32, **options)
    with pytest.raises(ValueError, match="E is fixed"):
        jaxscale.fit(Chinchilla(E=1.0), noisy, bounds={"E": (1, 2)})


def columns(runs):
    return dict(params=runs.columns["N"], tokens=runs.columns["D"], loss=runs.loss)


def test_tables_and_laws_as_people_have_them(noisy):
    want = jaxscale.fit(Chinchilla(), noisy, starts=32)
    given = columns(noisy)
    for table in (given, pd.DataFrame(given), pl.DataFrame(given), noisy):
        for law in ("Chinchilla", "chinchilla", Chinchilla, Chinchilla()):
            got = jaxscale.fit(law, table, starts=32)
            assert got.value == want.value and got.law.values == want.law.values
    power = jaxscale.fit("PowerLaw:N", {"N": noisy.columns["N"], "loss": noisy.loss}, starts=32)
    assert power.law.of == "N"
    assert jaxscale.allocate(want, compute=1e21).N == jaxscale.allocate(want.law, compute=1e21).N
    assert jaxscale.predict(want, N=1e9, D=1e10) == jaxscale.predict(want.law, N=1e9, D=1e10)


@pytest.mark.parametrize(
    "law, change, error, message",
    [
        ("chinchila", {}, ValueError, "did you mean Chinchilla"),
        ("laws.py:Mine", {}, ValueError, "import its class"),
        ("PowerLaw", {}, ValueError, "say which column"),
        (3, {}, TypeError, "law must be a law"),
        (jaxscale.Law, {}, TypeError, "law must be a law"),
        (Chinchilla, dict(lr=np.ones(60)), DataError, "nothing uses column 'lr'"),
        (Chinchilla, dict(loss=[1.0, 2.0]), DataError, "columns of unequal length"),
        (Chinchilla, dict(loss=np.ones((60, 2))), DataError, "'loss' has shape"),
    ],
)
def test_what_is_no_law_or_table_is_refused(noisy, law, change, error, message):
    with pytest.raises(error, match=message):
        jaxscale.fit(law, {**columns(noisy), **change})


@pytest.mark.parametrize("table", ["runs.csv", [1, 2], {}, None, 3.0])
def test_no_table_is_refused_with_a_sentence(table):
    with pytest.raises((DataError, TypeError), match="read_runs|Runs|dict"):
        jaxscale.fit(Chinchilla, table)


def test_no_compute_is_spent_by_a_fit_that_is_not_certified(fitted):
    doubted = dataclasses.replace(
        fitted, certificate=dataclasses.replace(fitted.certificate, at_bound=("E",))
    )
    with pytest.raises(jaxscale.FitError, match="no allocation from a fit that is not certified"):
        jaxscale.allocate(doubted, compute=1e21)
    assert jaxscale.allocate(doubted.law, compute=1e21).N > 0
    with pytest.raises(TypeError, match="or a fit, got"):
        jaxscale.predict(TRUTH.values, N=1e9, D=1e10)


def test_runs_pass_through(noisy):
    assert Runs.of(noisy) is noisy


class Counted(OneExponent):
    """E + A N^-a + B D^-a, with a derived number that JAX cannot trace."""

    derived_docs = {"digits": "of the exponent"}

    def derived(self):
        return {"digits": float(np.round(float(self.a), 2))}


class Empty(OneExponent):
    """The same, deriving nothing although it says so."""

    def derived(self):
        return {}


@pytest.mark.parametrize("law", [Counted, Empty])
def test_what_cannot_be_differentiated_is_shown_without_an_error(noisy, law):
    fit = jaxscale.fit(law, noisy, starts=32)
    assert set(fit.errors) == {"E", "A", "B", "a"} and np.isfinite(list(fit.errors.values())).all()
    assert ("digits" in str(fit)) == (law is Counted)
