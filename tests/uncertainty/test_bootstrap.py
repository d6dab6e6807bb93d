"""Bootstraps and the jackknife: one batched solve equals slow loops, and says what it assumes."""

import dataclasses
import math

import numpy as np
import pytest
from cases import data_folder, needs_data
from scipy import stats

import jaxscale
from jaxscale.datasets.synthetic import simulate
from jaxscale.fitting.linearized import linearize
from jaxscale.fitting.refit import Refits
from jaxscale.uncertainty.bootstrap import (
    METHODS,
    _doubts,
    _failures,
    bootstrap,
)
from jaxscale.uncertainty.covariance import covariance
from jaxscale.uncertainty.intervals import KINDS, bca, from_draws, tail
from jaxscale.uncertainty.jackknife import jackknife
from jaxscale.uncertainty.quantities import Best, ComputeFor, Prediction
from jaxscale.uncertainty.resampling import case_weights, residual_losses
from jaxscale.uncertainty.trends import noise_trend, rank_correlation

GROUPS = np.repeat(np.arange(12), 5)
DRAWS = 40
PLAIN = [method for method in METHODS[1:] if method != "trials"]
"""Methods of losses; counts of right answers have one of their own."""
ASKED = ["alpha", "A", "a", Best(1e22), Prediction({"N": 1e10, "D": 2e11})]


def fitted_to(runs, **options):
    return jaxscale.fit(jaxscale.Chinchilla(), runs, **{"starts": 32, **options})


def with_runs(fit, **changes):
    """The fit to runs with other weights or groups; nothing is solved."""
    return dataclasses.replace(fit, runs=fit.runs.replace(**changes))


def drawn(fit, method="residual", draws=DRAWS, **options):
    return bootstrap(fit, method=method, draws=draws, **options)


@pytest.fixture(scope="module")
def grouped(fitted):
    return with_runs(fitted, group=GROUPS)


@pytest.fixture(scope="module")
def draws_of(grouped):
    return {method: drawn(grouped, method, seed=3) for method in PLAIN}


@pytest.fixture(scope="module")
def calm(noisy):
    """Least squares on Gaussian noise."""
    truth = jaxscale.Chinchilla(E=1.8, A=480.0, B=2100.0, alpha=0.35, beta=0.36)
    runs = simulate(truth, noisy.columns["N"], noisy.columns["D"], noise=0.005, seed=1)
    return fitted_to(runs, loss=jaxscale.Square())


@pytest.mark.slow
@pytest.mark.parametrize("method", PLAIN)
def test_every_method_draws_laws_that_extend_fewer(grouped, draws_of, method):
    many = draws_of[method]
    assert (many.method, len(many), many.seed) == (method, DRAWS, 3)
    few, other = drawn(grouped, method, 10, seed=3), drawn(grouped, method, 10, seed=4)
    for name in many.law.parameters:
        values = getattr(many.law, name)
        assert values.shape == (DRAWS,) and np.isfinite(values).all()
        # Ten run in a chunk of another size.
        np.testing.assert_array_equal(getattr(few.law, name), values[:10])
        assert not np.array_equal(getattr(other.law, name), values[:10])
    assert abs(np.median(many.law.alpha) - grouped.law.alpha) < 3 * many.error("alpha")
    G, freedom = 12, 11 if "cluster" in method else 55
    widening = {"case": 60 / 55, "bayesian": 60 / 55, "cluster": G / (G - 1)}.get(method, 1.0)
    assert many.freedom == freedom and many.widening == pytest.approx(math.sqrt(widening))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["residual", "case", "cluster"])
def test_every_kind_states_what_its_formula_says(grouped, draws_of, method, kind):
    draws = draws_of[method]
    out = jackknife(grouped, leave_groups=method == "cluster") if kind == "bca" else None
    found = draws.intervals(ASKED, level=0.8, kind=kind)
    for q, interval in zip(ASKED, found, strict=True):
        values = draws.values(q)
        expected = from_draws(
            interval.estimate,
            values,
            0.8,
            kind,
            freedom=draws.freedom,
            widening=draws.widening,
            logarithmic=q == "A" or isinstance(q, Best),
            left_out=None if out is None else out.values(q),
        )
        assert (interval.low, interval.high) == expected and expected[0] < expected[1]
        assert interval.error == pytest.approx(values.std(ddof=1), rel=1e-12)
        assert draws.error(q) == interval.error and interval.method == f"{method} {kind}"
    alone = draws.interval("alpha", level=0.8, kind=kind)
    assert (alone.low, alone.high) == (found[0].low, found[0].high)


def test_bca_of_clusters_leaves_out_clusters(grouped, draws_of):
    draws = draws_of["cluster"]
    out = jackknife(grouped, leave_groups=True).values("alpha")
    p = tail(0.9, draws.freedom, draws.widening)
    expected = bca(grouped.law.alpha, draws.values("alpha"), out, p)
    found = draws.interval("alpha", kind="bca")
    assert (found.low, found.high) == pytest.approx(expected, rel=1e-12) and len(out) == 12


@pytest.mark.parametrize("method", ["residual", "case"])
def test_draws_equal_a_slow_loop_of_fits(fitted, draws_of, method):
    found = drawn(fitted, method, seed=3)
    if method == "case":
        weights = case_weights(fitted.runs, 3, 0, 2)
        tables = [fitted.runs.replace(weight=w) for w in weights]
    else:
        losses = residual_losses(linearize(fitted), fitted.prediction, 3, 0, 2)
        tables = [fitted.runs.replace(loss=y) for y in losses]
    for b, runs in enumerate(tables):
        one = fitted_to(runs)
        for name in ("E", "alpha", "beta"):
            assert getattr(found.law, name)[b] == pytest.approx(getattr(one.law, name), rel=1e-4)


def test_a_change_of_units_moves_only_what_has_the_unit(fitted):
    alpha = fitted.law.alpha
    runs = fitted.runs.replace(N=fitted.runs.columns["N"] * 1e6)
    other = dataclasses.replace(
        fitted, runs=runs, law=fitted.law.replace(A=fitted.law.A * 1e6**alpha)
    )
    base, scaled = drawn(fitted), drawn(other)
    for name in ("E", "alpha", "beta"):
        np.testing.assert_allclose(getattr(scaled.law, name), getattr(base.law, name), rtol=1e-5)
    np.testing.assert_allclose(scaled.law.A, base.law.A * 1e6**base.law.alpha, rtol=1e-3)
    a, b = base.interval("alpha"), scaled.interval("alpha")
    assert (a.low, a.high) == pytest.approx((b.low, b.high), rel=1e-5)


def noisy_like(noisy, scale, seed):
    truth = jaxscale.Chinchilla(E=1.8, A=480.0, B=2100.0, alpha=0.35, beta=0.36)
    error = np.random.default_rng(seed).normal(size=60) * scale
    mean = jaxscale.predict(truth, **noisy.columns)
    return noisy.replace(loss=mean * np.exp(error))


def test_auto_draws_cases_where_the_noise_has_a_trend_and_residuals_where_not(noisy):
    N = noisy.columns["N"]
    steep = 0.02 * (N / N.min()) ** -0.4
    uneven = fitted_to(noisy_like(noisy, steep, 1))
    even = fitted_to(noisy_like(noisy, 0.01, 1))
    found = drawn(uneven, "auto", 10)
    assert found.method == "case" and "shrink with N" in found.notes[0]
    assert "allows for it" in found.notes[0]
    forced = drawn(uneven, "residual", 10)
    assert "use method='case'" in forced.notes[0]
    calm = drawn(even, "auto", 10)
    assert calm.method == "residual" and calm.notes == ()
    # Weights that know of the trend take it away.
    weighted = with_runs(uneven, weight=(0.02 / steep) ** 2)
    assert noise_trend(weighted, linearize(weighted)).said == ""


def test_rank_correlations_are_spearmans_with_ties_in_any_order():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=60).round(1), np.repeat(np.arange(6.0), 10) + 0.0 * rng.normal(size=60)
    expected = stats.spearmanr(x, y)[0]
    assert rank_correlation(x, y) == pytest.approx(expected, rel=1e-12)
    order = rng.permutation(60)
    assert rank_correlation(x[order], y[order]) == pytest.approx(expected, rel=1e-12)
    assert rank_correlation(x, np.ones(60)) == 0.0


def test_a_run_of_weight_zero_is_no_run(fitted):
    weight = np.ones(60)
    weight[[3, 17, 30, 44]] = 0
    found = drawn(with_runs(fitted, weight=weight), "case", 10)
    assert found.freedom == 51 and found.widening == pytest.approx(math.sqrt(56 / 51))
    left = jackknife(with_runs(fitted, weight=weight))
    assert len(left.labels) == 56 and not {3, 17, 30, 44} & set(left.labels)


def test_notes_say_what_speaks_against_the_numbers(fitted, grouped, draws_of):
    assert any("the runs have groups" in note for note in draws_of["case"].notes)
    assert not any("groups" in note for note in draws_of["cluster"].notes)
    stuck = dataclasses.replace(fitted.certificate, at_bound=("E",))
    found = drawn(dataclasses.replace(fitted, certificate=stuck), draws=10)
    assert any("E is at its bound" in note for note in found.notes)
    assert any("take the fit for least squares" in note for note in draws_of["wild"].notes)
    least_squares = dataclasses.replace(fitted, loss=jaxscale.Square())
    assert _doubts(least_squares, "wild", "") == [] == _doubts(fitted, "case", "")
    value = np.array([1.0, np.inf, 2.0, 3.0])
    guarded = np.array([True, False, False, False])
    refits = Refits(fitted.law, value, np.zeros(4, int), guarded, {})
    lost, mixed = _failures(refits)
    assert lost.startswith("1 of 4 replicates") and mixed.startswith("25 % of the replicates")
    assert _failures(dataclasses.replace(refits, value=np.ones(4), guarded=guarded & False)) == []


def test_the_table_shows_intervals_and_notes(draws_of):
    text = str(draws_of["case"])
    title = text.splitlines()[0]
    assert title.startswith("40 draws") and "case bootstrap" in title and "90 % from" in text
    assert all(f"\n  {name} " in text for name in ("E", "A", "alpha", "b"))
    assert "\n! the runs have groups" in text


@pytest.mark.parametrize(
    "options, error, message",
    [
        (dict(method="parametric"), ValueError, "method must be one of auto, residual, case"),
        (dict(draws=1), ValueError, "draws must be at least 2, got 1"),
        (dict(method="cluster"), jaxscale.DataError, "which runs move together"),
        (dict(method="cluster", group=GROUPS % 7), jaxscale.FitError, "7 clusters are too few"),
        (dict(method="wild-cluster", group=GROUPS % 4), jaxscale.FitError, "which takes 5"),
        (dict(method="case", group=GROUPS), ValueError, "group goes with method='cluster'"),
        (dict(group=GROUPS), ValueError, "not 'auto'"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_a_sentence(fitted, options, error, message):
    with pytest.raises(error, match=message):
        bootstrap(fitted, **options)


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(kind="normal"), "kind must be one of percentile, bca, basic, t"),
        (dict(level=95), "between 0 and 1"),
        (dict(what=["gamma"]), "no quantity 'gamma'"),
    ],
)
def test_intervals_refuse_with_a_sentence(draws_of, options, message):
    with pytest.raises(ValueError, match=message):
        draws_of["case"].intervals(**options)


def test_a_budget_that_some_draws_never_reach_has_no_upper_end(fitted, draws_of):
    draws = draws_of["residual"]
    reach = np.quantile(draws.law.E, 0.8) * 1.0001  # a fifth of the draws never come below
    values = draws.values(ComputeFor(reach))
    assert 4 <= np.isinf(values).sum() <= 8 and not np.isnan(values).any()
    interval = draws.interval(ComputeFor(reach))
    assert interval.high == np.inf and np.isfinite(interval.low) and math.isnan(interval.error)


def test_bands_follow_the_law_and_widen_with_the_noise_of_a_run(fitted, draws_of):
    draws, columns = draws_of["residual"], fitted.runs.columns
    mean, new = draws.predict(**columns), draws.predict(new_run=True, **columns)
    assert (mean.of, new.of) == ("the mean law", "a new run")
    np.testing.assert_allclose(mean.center, fitted.prediction, rtol=1e-12)
    assert mean.low.shape == (60,) and np.all(mean.low < mean.high)
    widths = (new.high - new.low) / (mean.high - mean.low)
    assert np.median(widths) > 1.5 and np.mean(widths > 1) > 0.9
    inside = (new.low <= fitted.runs.loss) & (fitted.runs.loss <= new.high)
    assert 0.8 <= inside.mean() <= 1.0
    one = draws.interval(Prediction({"N": 1e10, "D": 2e11}))
    same = draws.predict(N=1e10, D=2e11)
    assert (same.low, same.high) == pytest.approx((one.low, one.high), rel=1e-12)


def test_bands_take_a_budget_and_any_shape(draws_of):
    draws = draws_of["residual"]
    C = np.array([[1e21], [1e22]])
    N = np.array([1e9, 1e10, 1e11])
    band = draws.predict(C=C, N=N, level=0.5)
    assert band.center.shape == band.low.shape == (2, 3) and band.level == 0.5
    again = draws.predict(N=N, D=C / (6 * N), level=0.5)
    np.testing.assert_allclose(band.low, again.low, rtol=1e-12)
    wide = draws.predict(C=C, N=N, level=0.9)
    assert np.all(wide.low < band.low) and np.all(wide.high > band.high)
    new = draws.predict(N=1e10, D=2e11, new_run=True)
    # One run per draw, the same at every place and in every call.
    again = draws.predict(N=np.full(3, 1e10), D=2e11, new_run=True)
    np.testing.assert_array_equal(again.low, np.full(3, new.low))


def test_a_parameter_that_is_held_stays_held_in_every_draw(noisy):
    runs = jaxscale.Runs(N=noisy.columns["N"], loss=noisy.loss)
    pinned = jaxscale.fit(jaxscale.PurePowerLaw(of="N", b=-0.1), runs, starts=16)
    left, draws = jackknife(pinned), drawn(pinned, "case", DRAWS)
    for sample, size in ((left, 60), (draws, DRAWS)):
        assert sample.law.b == -0.1 and np.shape(sample.law.a) == (size,)
        assert [i.name for i in sample.intervals()] == ["a"]
        held, free = sample.intervals(["b", "a"])
        assert (held.low, held.high) == pytest.approx((-0.1, -0.1), rel=1e-12)
        assert free.low < pinned.law.a < free.high
    band = draws.predict(N=np.array([1e9, 1e10]))
    np.testing.assert_allclose(band.low[1] / band.low[0], 10**-0.1, rtol=1e-9)


def test_the_jackknife_equals_a_loop_of_fits(fitted, noisy):
    left = jackknife(fitted)
    assert len(left.law.alpha) == len(left.value) == 60
    for k in (3, 20):
        one = fitted_to(noisy.select(np.arange(60) != k, "test"))
        assert left.value[k] == pytest.approx(one.value, rel=1e-9)
        assert left.law.alpha[k] == pytest.approx(one.law.alpha, rel=1e-4)
    groups = jackknife(fitted, group=GROUPS, leave_groups=True)
    assert groups.labels.tolist() == list(range(12))
    one = fitted_to(noisy.select(GROUPS != 7, "test"))
    assert groups.value[7] == pytest.approx(one.value, rel=1e-9)
    assert groups.law.beta[7] == pytest.approx(one.law.beta, rel=1e-4)


@pytest.mark.parametrize("groups", [False, True])
def test_the_jackknife_error_follows_its_formula(grouped, groups):
    left = jackknife(grouped, leave_groups=groups)
    G = 12 if groups else 60
    alpha, log_A = left.values("alpha"), np.log(left.values("A"))
    error = math.sqrt((G - 1) / G * np.sum((alpha - alpha.mean()) ** 2))
    spread = math.sqrt((G - 1) / G * np.sum((log_A - log_A.mean()) ** 2))
    t = stats.t.ppf(0.975, G - 1)
    one, other = left.intervals(["alpha", "A"], level=0.95)
    center = grouped.law.alpha
    assert one.error == pytest.approx(error, rel=1e-12)
    assert (one.low, one.high) == pytest.approx((center - t * error, center + t * error), rel=1e-9)
    assert other.error == pytest.approx(spread * grouped.law.A, rel=1e-12)
    assert math.log(other.high / grouped.law.A) == pytest.approx(t * spread, rel=1e-9)
    assert left.interval("alpha", level=0.95) == one


def test_a_budget_that_is_out_of_reach_without_some_run_has_no_error(fitted):
    left = jackknife(fitted)
    reach = np.sort(left.law.E)[-2] * 1.0001  # without one run the law never comes below
    interval = left.interval(ComputeFor(reach))
    assert (interval.low, interval.high) == (0.0, np.inf) and np.isinf(interval.error)


def test_for_least_squares_the_jackknife_is_close_to_the_sandwich(calm):
    left, sandwich = jackknife(calm), covariance(calm)
    for name in ("alpha", "beta", "E"):
        assert left.interval(name).error == pytest.approx(sandwich.error(name), rel=0.25)


@pytest.mark.parametrize(
    "options, error, message",
    [
        (dict(leave_groups=True), jaxscale.DataError, "which runs move together"),
        (dict(leave_groups=True, group=GROUPS * 0), jaxscale.FitError, "too few"),
        (dict(group=GROUPS), ValueError, "leave_groups=True"),
    ],
)
def test_the_jackknife_refuses_with_a_sentence(fitted, options, error, message):
    with pytest.raises(error, match=message):
        jackknife(fitted, **options)


@needs_data
@pytest.mark.slow
def test_the_published_standard_errors_of_the_epoch_table():
    """Besiroglu et al. 2024: 4,000 case draws of 240 runs give .0154 and .0206."""
    path = data_folder() / "chinchilla_epoch" / "chinchilla_fig4.csv"
    names = {"N": "params", "D": "tokens", "loss": "loss"}
    runs = jaxscale.read_runs(path, map=names, where="excluded_by_paper == 0")
    assert len(runs) == 240
    draws = bootstrap(fitted_to(runs), method="case", draws=4000)
    assert draws.error("alpha") == pytest.approx(0.0154, rel=0.1)
    assert draws.error("beta") == pytest.approx(0.0206, rel=0.1)
