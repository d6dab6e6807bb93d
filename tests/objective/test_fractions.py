"""Residuals of fractions: the binomial likelihood as a sum of squares, finite to its ends."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxscale._numerics.positive import Positive
from jaxscale._numerics.precision import scope
from jaxscale.objective.fractions import EDGE, BetaBinomial, Binomial, Logit
from jaxscale.objective.losses import Huber, Square, usual_loss
from jaxscale.objective.residuals import RESIDUALS, residual_named

PREDICTED = np.array([1e-4, 0.02, 0.3, 0.5, 0.77, 0.999])


@pytest.fixture(autouse=True)
def float64():
    with scope(np.float64):
        yield


@pytest.mark.parametrize("n", [1, 7, 200])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_half_the_weighted_square_is_the_binomial_likelihood(n, share):
    k = np.round(share * n)
    y = np.full(len(PREDICTED), k / n)
    best = stats.binom.logpmf(k, n, k / n)
    lost = best - stats.binom.logpmf(k, n, PREDICTED)
    np.testing.assert_allclose(
        0.5 * n * Binomial().between(PREDICTED, y) ** 2, lost, rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("residual", [Logit(), Binomial(), BetaBinomial()], ids=str)
@pytest.mark.parametrize("p", [-0.4, 0.0, EDGE / 2, 0.3, 1 - EDGE / 2, 1.0, 1.7])
@pytest.mark.parametrize("y", [0.0, 1e-9, 0.3, 1.0])
def test_it_is_finite_everywhere_and_rises_with_the_prediction(residual, p, y):
    y = Positive(jnp.asarray([y]), jnp.asarray([0.0]))
    r, slope, bend = residual.link(jnp.asarray([p]), y, 1.0)
    step = 1e-9
    ahead = residual.link(jnp.asarray([p + step]), y, 1.0)[0]
    assert np.isfinite([float(r[0]), float(slope[0]), float(bend[0])]).all()
    assert float(slope[0]) > 0
    assert float((ahead - r)[0]) == pytest.approx(float(slope[0]) * step, rel=2e-3)
    if not EDGE < p < 1 - EDGE:
        assert float(bend[0]) == 0.0


@pytest.mark.parametrize("apart", [0.0, 1e-14, 1e-10, 1e-7, 1e-4, 0.049, 0.051])
def test_a_small_difference_loses_no_digits(apart):
    y = 0.4
    p = y * (1 + apart)
    exact = (p - y) / np.sqrt(y * 0.6)  # of the first order; of the second below
    r = float(Binomial().between(np.array([p]), np.array([y]))[0])
    third = (1 - 2 * y) / (6 * (y * 0.6) ** 1.5) * 2
    assert r == pytest.approx(exact - third * (p - y) ** 2, rel=1e-13 + 8 * apart**2)


@pytest.mark.parametrize("r", [-9.0, -0.9, 0.0, 0.4, 9.0])
def test_losses_of_residuals_are_fractions(r):
    y = Binomial().losses(PREDICTED, np.full(len(PREDICTED), r))
    assert ((y >= 0) & (y <= 1)).all()
    inner = (y > 0) & (y < 1)
    again = Binomial().between(PREDICTED, y)
    np.testing.assert_allclose(again[inner], r, atol=1e-9)
    assert (np.abs(again[~inner]) <= abs(r)).all()
    if abs(r) == 9.0:
        assert (y == (0.0 if r > 0 else 1.0)).all()


def test_fractions_are_fitted_by_least_squares_and_others_as_before():
    losses = {name: usual_loss(residual) for name, residual in RESIDUALS.items()}
    assert {name for name, loss in losses.items() if isinstance(loss, Square)} == {
        "logit",
        "binomial",
        "beta-binomial",
    }
    assert losses["log"].document() == Huber(1e-3).document()


@pytest.mark.parametrize(
    "name, ends, others",
    [("logit", False, True), ("binomial", True, True), ("log", [False, True], True)],
)
def test_a_residual_says_what_it_can_be_of(name, ends, others):
    residual = residual_named(name)
    np.testing.assert_array_equal(residual.allows(np.array([0.0, 1.0])), ends)
    assert residual.allows(np.array([0.5])).all() == others
    assert residual.allows(np.array([1.2]))[0] == (not residual.fraction)
    assert not residual.allows(np.array([-0.2]))[0]
