"""Every method of the bootstrap on every kind of design: what holds whatever the method."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest

import jaxscale
from jaxscale.datasets.synthetic import simulate
from jaxscale.uncertainty.bootstrap import CLUSTERED, bootstrap
from jaxscale.uncertainty.bootstrap import METHODS as EVERY

pytestmark = pytest.mark.slow

DESIGNS = ("balanced", "weighted runs", "clusters", "few runs", "one-scale law")
DRAWS = 30
LOUD = 17
"""The run of weight zero among the weighted ones."""


@functools.cache
def fit_of(design):
    """Fit a law to the runs of a design; each has ten clusters."""
    rng = np.random.default_rng(5)
    if design == "one-scale law":
        D = np.geomspace(1e8, 1e11, 20)
        truth = jaxscale.PowerLaw(a=30.0, b=-0.2, c=1.5, of="D")
        loss = jaxscale.predict(truth, D=D) * np.exp(0.01 * rng.normal(size=20))
        runs = jaxscale.Runs(D=D, loss=loss, group=np.arange(20) % 10)
        return jaxscale.fit(jaxscale.PowerLaw(of="D"), runs, starts=32)
    truth = jaxscale.Chinchilla(E=1.8, A=480.0, B=2100.0, alpha=0.35, beta=0.36)
    n = 10 if design == "few runs" else 40
    N, D = 10 ** rng.uniform(7, 10, n), 10 ** rng.uniform(8.5, 11.5, n)
    if design == "balanced":
        N, D = (x.ravel() for x in np.meshgrid(np.geomspace(1e7, 1e10, 8), np.logspace(9, 11, 5)))
    runs = simulate(truth, N, D, noise=0.01, seed=7)
    group, weight = np.arange(n) % 10, None
    if design == "clusters":
        runs = runs.replace(loss=runs.loss * np.exp(0.01 * rng.normal(size=10))[group])
    if design == "weighted runs":
        weight = rng.uniform(0.3, 3.0, n)
        weight[LOUD] = 0.0
    return jaxscale.fit(jaxscale.Chinchilla(), runs.replace(group=group, weight=weight), starts=32)


@functools.cache
def drawn(design, method, draws=DRAWS, seed=3):
    return bootstrap(fit_of(design), method=method, draws=draws, seed=seed)


def parameters(draws):
    """Return the free parameters [P, B] of every draw."""
    return np.array([getattr(draws.law, name) for name in draws.fit.free])


METHODS = tuple(name for name in EVERY if name != "trials")  # of counts: test_trials
CASES = [
    (design, method)
    for design in DESIGNS
    for method in METHODS
    if (design, method) != ("few runs", "shared-noise")  # ten runs in ten groups share nothing
]


@pytest.mark.parametrize("design, method", CASES)
def test_draws_are_finite_and_belong_to_their_seed(design, method):
    one = drawn(design, method)
    again = bootstrap(fit_of(design), method=method, draws=DRAWS, seed=3)
    np.testing.assert_array_equal(parameters(one), parameters(again))
    assert one.notes == again.notes and one.method == again.method != "auto"
    other = drawn(design, method, seed=4)
    assert not np.isin(parameters(one)[0], parameters(other)[0]).any()
    assert np.isfinite(parameters(one)).all()
    lost = DRAWS - len(one)
    assert lost == 0 or any(f"{lost} of {DRAWS} replicates" in note for note in one.notes)


@pytest.mark.parametrize("design, method", CASES)
def test_more_draws_extend_fewer(design, method):
    few, many = parameters(drawn(design, method, draws=10)), parameters(drawn(design, method))
    assert 2 <= few.shape[1] < many.shape[1]
    np.testing.assert_array_equal(few, many[:, : few.shape[1]])


@pytest.mark.parametrize("kind", ["percentile", "basic", "t"])
@pytest.mark.parametrize("design, method", CASES)
def test_intervals_contain_the_estimate_and_grow_with_the_level(design, method, kind):
    draws = drawn(design, method)
    wide, narrow = (draws.intervals(level=level, kind=kind) for level in (0.9, 0.5))
    for outer, inner in zip(wide, narrow, strict=True):
        assert outer.low <= outer.estimate <= outer.high, outer
        assert outer.low <= inner.low <= inner.high <= outer.high
        assert outer.error > 0 and outer.method == f"{draws.method} {kind}"


@pytest.mark.parametrize("design, method", CASES)
def test_a_new_run_is_less_certain_than_the_mean_law(design, method):
    draws = drawn(design, method)
    inputs = {name: draws.fit.runs.columns[name] for name in draws.fit.law.inputs}
    mean, new = draws.predict(**inputs), draws.predict(new_run=True, **inputs)
    assert np.all(mean.low <= mean.high) and np.isfinite([mean.low, mean.high]).all()
    assert np.median((new.high - new.low) / (mean.high - mean.low)) > 1


@pytest.mark.parametrize("method", METHODS)
def test_a_run_of_weight_zero_says_nothing(method):
    fit = fit_of("weighted runs")
    loss = fit.runs.loss.copy()
    loss[LOUD] *= 1.5
    other = dataclasses.replace(fit, runs=fit.runs.replace(loss=loss))
    changed = bootstrap(other, method=method, draws=10, seed=3)
    np.testing.assert_allclose(
        parameters(changed), parameters(drawn("weighted runs", method, draws=10)), rtol=1e-9
    )


@pytest.mark.parametrize("method", METHODS)
def test_a_method_takes_the_labels_that_it_needs_and_refuses_others_with_a_sentence(method):
    fit = fit_of("balanced")
    n = len(fit.runs)
    bare = dataclasses.replace(fit, runs=fit.runs.replace(group=None))
    if method == "shared-noise":
        with pytest.raises(jaxscale.FitError, match="2 groups of 40 runs do not tell what"):
            bootstrap(bare, method=method, draws=4, group=np.arange(n) % 2)
        with pytest.raises(jaxscale.FitError, match="10 groups of 10 runs do not tell what"):
            bootstrap(fit_of("few runs"), method=method, draws=4)
        with pytest.raises(jaxscale.DataError, match=r"group has shape \[5\], there are 40 runs"):
            bootstrap(bare, method=method, draws=4, group=np.arange(5))
        return
    if method not in CLUSTERED:
        with pytest.raises(ValueError, match=f"group goes with method=.*, not '{method}'$"):
            bootstrap(fit, method=method, draws=4, group=np.arange(n))
        assert len(bootstrap(bare, method=method, draws=4)) == 4
        return
    with pytest.raises(jaxscale.DataError, match=f"{method!r} needs to know .* give group="):
        bootstrap(bare, method=method, draws=4)
    with pytest.raises(jaxscale.FitError, match=f"3 clusters are too few for method {method!r}"):
        bootstrap(bare, method=method, draws=4, group=np.arange(n) % 3)
    with pytest.raises(jaxscale.DataError, match=r"group has shape \[5\], there are 40 runs"):
        bootstrap(bare, method=method, draws=4, group=np.arange(5))
    named = bootstrap(bare, method=method, draws=4, seed=3, group=np.arange(n) % 10)
    np.testing.assert_array_equal(parameters(named), parameters(drawn("balanced", method))[:, :4])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("draws", [1, 0, -3, 10**9])
def test_a_number_of_draws_that_makes_no_sense_is_refused_before_any_work(method, draws):
    with pytest.raises(ValueError, match=f"must be at (least 2|most [0-9,]+), got {draws}$"):
        bootstrap(fit_of("balanced"), method=method, draws=draws)
