"""The vectorised logarithm against NumPy's."""

import jax
import numpy as np
import pytest

from jaxscale._numerics import programs
from jaxscale._numerics.logarithm import log


def call(x):
    return programs.run(log, x, dtype=x.dtype)[0]


def test_one_unit_in_the_last_place():
    rng = np.random.default_rng(0)
    x = np.concatenate(
        [
            np.exp(rng.uniform(-700, 700, 20_000)),
            1 + rng.normal(0, 1e-3, 20_000),
            2.0 ** np.arange(-1022, 1023),
            np.nextafter(np.sqrt(0.5) * 2.0 ** np.arange(-40, 40), 0),
        ]
    )
    exact = np.log(x)
    assert np.max(np.abs(call(x) - exact) / np.spacing(np.abs(exact))) <= 1.5


@pytest.mark.parametrize("x", [0.0, -1.0, np.inf, np.nan, -np.inf, 5e-324])
def test_anything_but_a_normal_positive_number_is_nan(x):
    assert np.isnan(call(np.array([x]))).all()


def test_float32_is_the_compilers_own():
    x = np.array([0.5, 1.0, 3.0], np.float32)
    np.testing.assert_allclose(call(x), np.log(x), rtol=1e-6)


def second(x):
    return jax.grad(jax.grad(lambda t: log(t)))(x)


def test_derivatives():
    found, _ = programs.run(second, np.float64(3.0), dtype=np.float64)
    assert found == pytest.approx(-1 / 9)
