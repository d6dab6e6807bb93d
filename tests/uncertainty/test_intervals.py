"""Intervals from draws: quantiles, percentile, basic, BCa and t against independent formulas."""

import math

import numpy as np
import pytest
from scipy import stats

from jaxscale._numerics.level import check_level
from jaxscale.uncertainty.intervals import (
    KINDS,
    Interval,
    basic,
    bca,
    from_draws,
    percentile,
    quantile,
    student_t,
    symmetric,
    tail,
)

RNG = np.random.default_rng(2)
SKEWED = 3.0 * np.exp(0.5 * RNG.normal(size=999))
LEFT_OUT = 3.0 + 0.2 * RNG.gamma(0.3, size=40)


@pytest.mark.parametrize("freedom", [1, 2, 3, 7, 30, 235, 1e4, 1e6, 1e9, math.inf])
def test_student_t_is_scipys(freedom):
    p = np.array([0.001, 0.05, 0.3, 0.5, 0.55, 0.84, 0.95, 0.975, 0.9995])
    expected = stats.t.ppf(p, freedom)
    found = [student_t(float(q), freedom) for q in p]
    # From 1e6 on it is the normal quantile.
    np.testing.assert_allclose(found, expected, rtol=1e-9 if freedom < 1e6 else 3e-6, atol=1e-12)


@pytest.mark.parametrize("level", [0.5, 0.68, 0.9, 0.95])
@pytest.mark.parametrize("freedom, widening", [(math.inf, 1.0), (4.0, 1.0), (10.0, 1.2)])
def test_the_tail_is_that_of_a_wider_normal(level, freedom, widening):
    expected = stats.norm.cdf(-widening * stats.t.ppf(0.5 + level / 2, freedom))
    assert tail(level, freedom, widening) == pytest.approx(expected, rel=1e-8)
    if math.isinf(freedom) and widening == 1:
        assert tail(level) == pytest.approx((1 - level) / 2, rel=1e-12)


@pytest.mark.parametrize("draws", [SKEWED, SKEWED[:19], SKEWED[:7].reshape(7, 1) + np.arange(3)])
@pytest.mark.parametrize("p", [0.0, 0.01, 0.05, 0.31, 0.5, 0.95, 1.0])
def test_quantiles_are_weibulls(draws, p):
    expected = np.quantile(draws, p, axis=0, method="weibull")
    np.testing.assert_allclose(quantile(draws, p), expected, rtol=1e-14)
    low, high = percentile(draws, p)
    np.testing.assert_allclose(low, expected, rtol=1e-14)
    np.testing.assert_allclose(high, np.quantile(draws, 1 - p, axis=0, method="weibull"))


def test_few_draws_cover_as_many_do():
    """The k-th of B draws stands for k / (B + 1): the 5 % quantile of 19 is the lowest of them."""
    low, high = from_draws(0.0, np.arange(19.0), 0.9)
    assert (low, high) == pytest.approx((0.0, 18.0))
    inside = 0
    for draws in RNG.normal(size=(4000, 20)):  # 19 draws and a truth, exchangeable
        low, high = from_draws(0.0, draws[:19], 0.9)
        inside += low <= draws[19] <= high
    assert abs(inside / 4000 - 0.9) < 3 * math.sqrt(0.09 / 4000)


def test_infinite_draws_count_and_undefined_ones_do_not():
    draws = np.concatenate([SKEWED[:90], np.full(9, np.inf), np.full(7, np.nan)])
    low, high = from_draws(3.0, draws, 0.9)
    assert high == np.inf and low == pytest.approx(float(quantile(draws[:99], 0.05)))
    for kind in KINDS:
        some = np.concatenate([SKEWED[:90], np.full(9, np.nan)])
        options = dict(kind=kind, left_out=LEFT_OUT)
        assert from_draws(3.0, some, 0.9, **options) == from_draws(3.0, some[:90], 0.9, **options)
    assert np.isnan(from_draws(3.0, draws, 0.9, "t")).all()
    mostly = np.array([1.0, 2.0, *[np.inf] * 17])
    assert from_draws(1.0, mostly, 0.9)[1] == np.inf and quantile(mostly, 0.5) == np.inf
    assert np.isnan(
        percentile(np.array([[1.0, 1.0], [2.0, np.nan], [3.0, 3.0]]), 0.5)
    ).tolist() == [
        [False, True],
        [False, True],
    ]


@pytest.mark.parametrize("draws", [np.array([]), np.array([1.0]), np.array([np.nan, 2.0])])
@pytest.mark.parametrize("kind", KINDS)
def test_fewer_than_two_draws_state_nothing(draws, kind):
    assert np.isnan(from_draws(1.0, draws, 0.9, kind, left_out=LEFT_OUT)).all()


@pytest.mark.parametrize("level", [0.68, 0.9, 0.95])
@pytest.mark.parametrize("freedom, widening", [(math.inf, 1.0), (6.0, 1.1)])
@pytest.mark.parametrize("logarithmic", [False, True])
def test_each_kind_follows_its_formula(level, freedom, widening, logarithmic):
    estimate, options = 2.8, dict(freedom=freedom, widening=widening, logarithmic=logarithmic)
    p = stats.norm.cdf(-widening * stats.t.ppf(0.5 + level / 2, freedom))
    low, high = np.quantile(SKEWED, [p, 1 - p], method="weibull")
    found = {
        kind: from_draws(estimate, SKEWED, level, kind, left_out=LEFT_OUT, **options)
        for kind in KINDS
    }
    assert found["percentile"] == pytest.approx((low, high), rel=1e-7)
    assert found["basic"] == pytest.approx((2 * estimate - high, 2 * estimate - low), rel=1e-7)
    z0 = stats.norm.ppf(np.mean(SKEWED < estimate))
    pull = LEFT_OUT.mean() - LEFT_OUT
    a = stats.skew(pull, bias=True) / (6 * math.sqrt(len(pull)))
    levels = [
        stats.norm.cdf(z0 + (z0 + z) / (1 - a * (z0 + z))) for z in stats.norm.ppf([p, 1 - p])
    ]
    expected = np.quantile(SKEWED, levels, method="weibull")
    assert found["bca"] == pytest.approx(tuple(expected), rel=1e-6)
    assert abs(a) > 0.03 and abs(z0) > 0.05  # the corrections are no zeros
    factor = widening * stats.t.ppf(0.5 + level / 2, freedom)
    if logarithmic:
        half = factor * np.std(np.log(SKEWED), ddof=1)
        expected = (estimate * math.exp(-half), estimate * math.exp(half))
    else:
        half = factor * np.std(SKEWED, ddof=1)
        expected = (estimate - half, estimate + half)
    assert found["t"] == pytest.approx(expected, rel=1e-8)


def test_bca_is_scipys():
    x = RNG.gamma(2.0, size=60)
    peer = stats.bootstrap(
        (x,), np.mean, confidence_level=0.9, n_resamples=4000, method="BCa", rng=3
    )
    out = np.array([np.delete(x, k).mean() for k in range(len(x))])
    low, high = bca(x.mean(), peer.bootstrap_distribution, out, 0.05)
    # SciPy's quantile is the linear one.
    assert (low, high) == pytest.approx(tuple(peer.confidence_interval), rel=2e-3)
    plain = np.quantile(peer.bootstrap_distribution, [0.05, 0.95])
    assert low > plain[0] * 1.005 and high > plain[1] * 1.005


@pytest.mark.parametrize("estimate", [-10.0, 10.0])
def test_bca_of_an_estimate_beyond_all_draws_is_one_of_them(estimate):
    draws = np.linspace(-1, 1, 99)
    low, high = bca(estimate, draws, LEFT_OUT, 0.05)
    assert -1 <= low <= high <= 1 and (low == high or (low, high) != (-1, 1))


def test_without_a_pull_bca_is_the_percentile():
    draws = np.arange(-49.0, 50.0)
    assert bca(0.0, draws, np.full(5, 2.0), 0.05) == pytest.approx(
        [float(x) for x in percentile(draws, 0.05)]
    )


def test_reflection_at_the_median_of_symmetric_draws_changes_nothing():
    draws = np.linspace(-1, 1, 99) + 5
    assert basic(5.0, draws, 0.05) == pytest.approx([float(x) for x in percentile(draws, 0.05)])


def test_a_hopeless_error_is_an_open_interval():
    assert symmetric(2.0, 1e4, 2.0, logarithmic=True) == (0.0, math.inf)
    assert symmetric(2.0, math.inf, 2.0, logarithmic=True) == (0.0, math.inf)
    assert symmetric(2.0, math.inf, 2.0, logarithmic=False) == (-math.inf, math.inf)
    assert symmetric(2.0, 0.5, 2.0, logarithmic=True) == pytest.approx((2 / math.e, 2 * math.e))


@pytest.mark.parametrize("level", [0, 1, -0.1, 90, float("nan")])
def test_a_level_lies_between_0_and_1(level):
    with pytest.raises(ValueError, match="between 0 and 1"):
        check_level(level)


def test_an_interval_reads_as_a_sentence():
    text = str(Interval("alpha", 0.35, 0.31, 0.4, 0.9, 0.02, "case percentile"))
    assert text == "alpha 0.35 [0.31, 0.4] (90 %, case percentile)"
