"""Broken power laws have their breaks in order; M4 is solved, with its derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxscale
from jaxscale._numerics.precision import scope
from jaxscale.laws import derived
from jaxscale.laws.broken import M3, M4, BrokenPower, saturated
from jaxscale.laws.names import find_law

S = np.geomspace(1e6, 1e12, 61)


def broken(x, a, b, c0, *breaks):
    """The formula as Caballero et al. print it, with (c, d, f) of every break."""
    total = b * x**-c0
    for c, d, f in breaks:
        total = total * (1 + (x / d) ** (1 / f)) ** (-c * f)
    return a + total


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_breaks_are_those_of_the_printed_formula_in_order(count):
    places = np.geomspace(3e7, 3e10, count)
    breaks = [(0.1 * (-1) ** k + 0.02 * k, d, 0.5 + 0.1 * k) for k, d in enumerate(places)]
    values = dict(a=0.2, b=7.0, c0=0.1, d1=places[0])
    for k, (c, d, f) in enumerate(breaks, 1):
        values |= {f"c{k}": c, f"f{k}": f}
        values |= {f"gap{k}": np.log(d / places[k - 2])} if k > 1 else {}
    law = BrokenPower[count](**values)
    np.testing.assert_allclose(
        jaxscale.predict(law, S=S), broken(S, 0.2, 7.0, 0.1, *breaks), rtol=1e-12
    )
    assert derived(law) == pytest.approx({f"d{k + 1}": places[k] for k in range(1, count)})


def test_a_break_without_a_width_is_a_kink_and_not_a_nan():
    law = BrokenPower(a=0.0, b=1e3, c0=0.5, c1=-0.5, d1=1e9, f1=1e-9)
    np.testing.assert_allclose(jaxscale.predict(law, S=S), 1e3 * np.minimum(S, 1e9) ** -0.5)


@pytest.mark.parametrize(
    "name", ["BrokenPower[0]", "BrokenPower[9]", "BrokenPower[two]", "BrokenPower[1,2]"]
)
def test_a_number_of_breaks_that_there_is_not_is_a_sentence(name):
    with pytest.raises(ValueError, match="1 to 8 breaks"):
        find_law(name)


@pytest.mark.parametrize("alpha", [0.02, 0.1, 0.5, 1.0, 2.0, 20.0])
def test_the_implicit_law_solves_its_equation(alpha):
    with scope(np.float64):
        t = jnp.linspace(-30, 30, 301)
        u = saturated(t, alpha)
        logit = jnp.log(u) - alpha * jnp.log1p(-u)
        near = u < 0.999  # beyond, 1 - u loses its digits
        assert near.sum() > 100
        np.testing.assert_allclose(logit[near], t[near], rtol=1e-9, atol=1e-9)
        assert np.all((u > 0) & (u <= 1)) and np.all(np.diff(u) >= 0)
        law = M4(eps_inf=0.1, b=100.0, c=0.4, alpha=alpha, eps0=0.9)
        loss = jaxscale.predict(law, S=S)
        sides = (loss - 0.1) / (0.9 - loss) ** alpha, derived(law)["beta"] * S**-0.4
        np.testing.assert_allclose(*sides, rtol=1e-9)


@pytest.mark.parametrize("alpha", [0.1, 1.0, 3.0])
def test_the_derivatives_of_the_implicit_law_are_those_of_its_equation(alpha):
    """u' = u (1 - u) / (1 - u + alpha u), and what follows from it: three orders, under vmap."""
    with scope(np.float64):
        t = jnp.linspace(-4, 4, 9)

        def by_t(t):
            u = saturated(t, alpha)
            return u * (1 - u) / (1 - u + alpha * u)

        first = jax.jit(jax.vmap(jax.grad(lambda t: saturated(t, alpha))))(t)
        np.testing.assert_allclose(first, by_t(t), rtol=1e-9, atol=1e-14)
        third = jax.grad(jax.grad(jax.grad(lambda t: saturated(t, alpha))))
        got, want = (jax.jit(jax.vmap(f))(t) for f in (third, jax.grad(jax.grad(by_t))))
        np.testing.assert_allclose(got, want, rtol=1e-7, atol=1e-9)
        by_alpha = jax.jit(jax.vmap(jax.grad(saturated, 1), (0, None)))(t, alpha)
        h = 1e-6
        want = (saturated(t, alpha + h) - saturated(t, alpha - h)) / (2 * h)
        np.testing.assert_allclose(by_alpha, want, rtol=1e-6, atol=1e-9)


def test_the_four_estimators_are_one_family():
    """M4 at small alpha is M2 below its ceiling, at alpha = 1 a logistic curve; M3 has a limit."""
    low = jaxscale.predict(M4(eps_inf=0.1, b=1e3, c=0.5, alpha=1.0, eps0=1.1), S=S)
    g = 1e3 * S**-0.5
    np.testing.assert_allclose(low, 0.1 + g / (1 + g), rtol=1e-12)
    law = M3(beta=60.0, gamma=1e-9, c=0.2)
    assert jaxscale.predict(law, S=1e30) == pytest.approx(derived(law)["limit"])
    early = jaxscale.predict(law, S=1.0)
    assert early == pytest.approx(jaxscale.predict(jaxscale.PurePowerLaw(a=60.0, b=-0.2), S=1.0))


@pytest.mark.slow
@pytest.mark.nightly  # the fit of one break is tried in every run
def test_two_breaks_are_recovered():
    law = BrokenPower[2](a=0.3, b=30.0, c0=0.15, c1=0.35, d1=5e7, f1=0.4, c2=-0.3, gap2=3.0, f2=0.5)
    x = np.geomspace(1e6, 1e11, 80)
    runs = jaxscale.Runs(x=x, loss=jaxscale.predict(law, S=x))
    fit = jaxscale.fit(BrokenPower[2](of="x"), runs, starts=512)
    np.testing.assert_allclose(fit.prediction, runs.loss, rtol=1e-7)
    assert derived(fit.law)["d2"] == pytest.approx(5e7 * np.exp(3.0), rel=1e-5)
