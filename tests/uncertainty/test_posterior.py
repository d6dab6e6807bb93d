import sys

import numpy as np
import pytest

import jaxscale
from jaxscale.uncertainty.posterior import posterior
from jaxscale.uncertainty.profile import profile

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def line() -> jaxscale.FitResult:
    """Least squares of a law that is linear in its parameters: its posterior is Student's t."""
    rng = np.random.default_rng(5)
    S = np.logspace(3, 6, 12)
    loss = 5.0 - 0.2 * np.log(S) + rng.normal(0, 0.05, 12)
    runs = jaxscale.Runs(S=S, loss=loss)
    law = jaxscale.LogLaw()
    return jaxscale.fit(law, runs, loss=jaxscale.Square(), residual="absolute", starts=16)


@pytest.fixture(scope="module")
def sample(line):
    return posterior(line, draws=4000, chains=2, warmup=300, seed=1)


@pytest.mark.parametrize("name", ["a", "b"])
def test_the_posterior_of_a_linear_law_is_students_t(line, sample, name):
    exact = next(p for p in profile(line, calibration="laplace") if p.name == name).interval(0.9)
    drawn = sample.interval(name)
    width = exact.high - exact.low
    assert drawn.low == pytest.approx(exact.low, abs=0.06 * width)
    assert drawn.high == pytest.approx(exact.high, abs=0.06 * width)
    assert drawn.method == "posterior percentile"


def test_a_posterior_is_draws_like_any_other(line, sample):
    assert len(sample) == 4000 and sample.notes == ()
    assert str(sample).startswith("4000 draws of the posterior\n")
    mean, new = (sample.predict(S=[1e7], new_run=new) for new in (False, True))
    assert new.low[0] < mean.low[0] < mean.center[0] < mean.high[0] < new.high[0]


def test_few_draws_say_that_they_are_few(line):
    said = posterior(line, draws=40, chains=2, warmup=300, seed=1).notes
    assert any("independent draws only" in note for note in said)


@pytest.mark.parametrize("options", [dict(draws=0), dict(chains=0), dict(warmup=0)])
def test_bad_options_get_a_sentence(line, options):
    with pytest.raises(ValueError, match="at least 1"):
        posterior(line, **options)


def test_without_numpyro_the_extra_is_named(line, monkeypatch):
    monkeypatch.setitem(sys.modules, "numpyro.infer", None)
    with pytest.raises(ImportError, match=r"jaxscale\[mcmc\]"):
        posterior(line)
