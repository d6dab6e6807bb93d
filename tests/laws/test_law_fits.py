"""Every law of the catalogue is fitted: what was planted is found, without noise and with it.

The tests of one law stand together, since they run the same compiled programs.
"""

import numpy as np
import pytest
from cases import inputs, law_class, residual_for

import jaxscale
from jaxscale.laws import CATALOGUE, predict

pytestmark = pytest.mark.slow
NOISE = 1e-3
HUBER = 0.9
"""Efficiency of Huber's loss at a width of one standard deviation of Gaussian noise."""


OFTEN = {
    "AdditiveMixture", "BrokenPower", "Chinchilla", "Composed", "Kaplan", "M4", "Piecewise",
    "Translog",
}  # fmt: skip
"""Laws of every kind: of one scale and several, affine and not, implicit, with breaks, arguments,
shares, of a logarithm. The others are tried by night."""
LAWS = [
    pytest.param(name, marks=() if name in OFTEN else pytest.mark.nightly)
    for name in sorted(CATALOGUE)
]


@pytest.fixture(scope="module", params=LAWS)
def planted(request):
    """A law at the values of its example, its inputs, and what it gives there."""
    law = law_class(request.param)(**CATALOGUE[request.param].example.values)
    xs = inputs(law)
    return law, xs, predict(law, **xs)


def fitted(law, xs, loss):
    of = {"of": law.of} if law.of else {}
    runs = jaxscale.Runs(loss=loss, **xs)
    return jaxscale.fit(type(law)(**of), runs, starts=256, residual=residual_for(loss))


def test_the_truth_is_recovered_without_noise(planted):
    law, xs, loss = planted
    fit = fitted(law, xs, loss)
    np.testing.assert_allclose(fit.prediction, loss, rtol=1e-7)
    for key, value in law.values.items():
        if key in fit.intervals:
            low, high = fit.intervals[key]
            assert low <= value <= high
        else:
            np.testing.assert_allclose(getattr(fit.law, key), value, rtol=2e-5, err_msg=key)


def expected_errors(law, xs, free):
    """Relative standard errors of free parameters by least squares, at the planted values.

    And those of predictions [n], both of the residuals' unit.
    """
    loss = predict(law, **xs)
    unit = loss if residual_for(loss) == "log" else np.ones_like(loss)

    def moved(name, h):
        return predict(law.replace(**{name: getattr(law, name) * (1 + h)}), **xs)

    slopes = [(moved(name, 1e-5) - moved(name, -1e-5)) / 2e-5 / unit for name in free]
    q, r = np.linalg.qr(np.transpose(slopes))
    return np.linalg.norm(np.linalg.inv(r), axis=1), np.linalg.norm(q, axis=1)


def test_the_truth_is_within_the_noise_and_the_fit_comes_back_from_its_file(planted, tmp_path):
    law, xs, loss = planted
    log = residual_for(loss) == "log"
    drawn = NOISE * np.random.default_rng(5).normal(size=len(loss))
    fit = fitted(law, xs, loss * np.exp(drawn) if log else loss + drawn)
    breaks = [k for k, spec in law.parameters.items() if spec.role == "breakpoint"]
    free = [k for k in type(law)().free if k not in breaks]
    sizes, lines = expected_errors(law, xs, free)
    off = (np.log(fit.prediction / loss) if log else fit.prediction - loss) / NOISE
    assert np.all(np.abs(off) < 4.5 * lines / np.sqrt(HUBER) + 0.1)
    for key, size in zip(free, NOISE * sizes / np.sqrt(HUBER), strict=True):
        if size < 0.05:  # else the law is bent within the interval
            assert abs(getattr(fit.law, key) / getattr(law, key) - 1) < 4 * size, key
    fit.save(tmp_path / "fit.json")
    again = jaxscale.load(tmp_path / "fit.json")
    assert type(again.law) is type(fit.law) and again.law.values == fit.law.values
    np.testing.assert_allclose(again.prediction, fit.prediction, rtol=1e-12)
