"""Refits: one batched solve equals one fit per replicate."""

import dataclasses

import numpy as np
import pytest

import jaxscale
from jaxscale._numerics import programs
from jaxscale._numerics.precision import cast, scope
from jaxscale.engine.dispatch import Search
from jaxscale.fitting.preparation import prepare
from jaxscale.fitting.refit import _guards
from jaxscale.varpro.grid import cells, replicate_cells


def objective_of(runs):
    prepared = prepare(jaxscale.Chinchilla(), runs, jaxscale.Huber(1e-3), "log")
    return cast(prepared.objective, np.float64)


@pytest.fixture(scope="module")
def resampled(noisy):
    rng = np.random.default_rng(0)
    return rng.multinomial(len(noisy), np.full(len(noisy), 1 / len(noisy)), size=5).astype(float)


def refitted(fitted, **changes):
    columns = dict(fitted.runs.columns, loss=fitted.runs.loss) | changes
    runs = jaxscale.Runs(**columns)
    law = fitted.law.replace(**dict.fromkeys(fitted.law.parameters))
    return jaxscale.fit(law, runs, starts=32)


def test_weights_equal_a_fit_of_each_reweighted_table(fitted, resampled):
    got = jaxscale.refit(fitted, weights=resampled)
    assert len(got) == 5 and got.law.alpha.shape == (5,)
    for b in range(5):
        one = refitted(fitted, weight=resampled[b])
        assert got.value[b] == pytest.approx(one.value, rel=1e-10)
        assert got.law.alpha[b] == pytest.approx(one.law.alpha, rel=1e-5)


def test_losses_equal_a_fit_of_each_table(fitted):
    rng = np.random.default_rng(1)
    losses = fitted.prediction * np.exp(0.01 * rng.normal(size=(3, len(fitted.runs))))
    got = jaxscale.refit(fitted, losses=losses)
    for b in range(3):
        one = refitted(fitted, loss=losses[b])
        assert got.value[b] == pytest.approx(one.value, rel=1e-9)
        assert got.law.beta[b] == pytest.approx(one.law.beta, rel=1e-4)


def test_fixed_values_trace_a_profile(noisy, fitted):
    pinned = jaxscale.fit(jaxscale.Chinchilla(E=fitted.law.E), noisy, starts=32)
    E = fitted.law.E + np.array([-0.1, 0.0, 0.1])
    got = jaxscale.refit(pinned, fixed={"E": E})
    np.testing.assert_allclose(got.law.E, E)
    assert got.value[1] == pytest.approx(fitted.value, rel=1e-9)
    assert got.value[0] > got.value[1] < got.value[2]
    for b in (0, 2):
        one = jaxscale.fit(jaxscale.Chinchilla(E=E[b]), noisy, starts=32)
        assert got.value[b] == pytest.approx(one.value, rel=1e-9)


def test_a_replicate_does_not_depend_on_the_others(fitted, resampled):
    many = jaxscale.refit(fitted, weights=resampled)
    few = jaxscale.refit(fitted, weights=resampled[:2])
    np.testing.assert_array_equal(many.value[:2], few.value)
    np.testing.assert_array_equal(many.law.A[:2], few.law.A)


def test_a_guard_finds_the_better_basin(noisy):
    """A power law fitted with the wrong sign crawls in a basin of its own; guards see the other."""
    runs = jaxscale.Runs(N=noisy.columns["N"], loss=noisy.loss)
    good = jaxscale.fit(jaxscale.PowerLaw(of="N"), runs, starts=32)
    wrong = good.law.replace(a=-0.01 * good.law.c, b=0.01, c=2 * good.law.c)
    stuck = dataclasses.replace(good, law=wrong)
    weights = np.ones((3, len(runs)))
    alone = jaxscale.refit(stuck, weights=weights, guards=0)
    guarded = jaxscale.refit(stuck, weights=weights, guards=8)
    assert not alone.guarded.any() and np.all(alone.value > good.value * (1 + 1e-3))
    assert guarded.guarded.all()
    np.testing.assert_allclose(guarded.value, good.value, rtol=1e-9)


def test_the_scan_sees_a_minimum_elsewhere_and_only_there(noisy, fitted, resampled):
    """At the optimum of each replicate nothing else shows; away from it, the optimum does."""
    search = Search(objective_of(noisy), jaxscale.newton())
    fields = {"weight": np.pad(resampled, ((0, 0), (0, len(search.objective.weight) - 60)))}
    got = jaxscale.refit(fitted, weights=resampled, guards=0)
    with scope(np.float64):
        z = np.stack(search.objective.space.coordinates(got.law.values), -1)
    assert len(_guards(search, fields, z, guards=1, seed=0)[1]) == 0
    away = z + np.array([0, 0, 0, 0.8, 0.8])
    starts, which = _guards(search, fields, away, guards=1, seed=0)
    assert list(which) == list(range(5))
    assert np.all(np.abs(starts[:, 3:] - z[:, 3:]) < 0.3)


def test_one_product_for_all_replicates_equals_one_grid_each(noisy, resampled):
    one = objective_of(noisy)
    axes = tuple(np.linspace(0.05, 1.2, 6) for _ in range(2))
    weights = np.pad(resampled, ((0, 0), (0, len(one.weight) - 60)))
    z, value = programs.run(replicate_cells, one, axes, weights, dtype=np.float64)[0]
    for b in range(5):
        own = dataclasses.replace(one, weight=weights[b])
        alone = programs.run(cells, own, axes, dtype=np.float64)[0]
        np.testing.assert_allclose(value[b], alone[1], rtol=1e-9)
        np.testing.assert_allclose(z[b], alone[0], atol=1e-9)


@pytest.mark.parametrize(
    "options, message",
    [
        ({}, "nothing varies"),
        ({"weights": np.ones(3)}, r"weights must have shape \[B, 60\], got \[3\]"),
        ({"weights": np.ones((2, 59))}, r"got \[2, 59\]"),
        ({"weights": -np.ones((2, 60))}, r"weights\[0, 0\] is -1: must be 0 or more"),
        ({"losses": np.zeros((2, 60))}, "positive and finite"),
        ({"losses": np.full((1, 60), np.nan)}, "is nan"),
        ({"fixed": {"E": [1.0]}}, "'E' is not fixed in the original fit"),
        ({"weights": np.ones((2, 60)), "losses": np.ones((3, 60))}, "weights 2, losses 3"),
        ({"weights": np.ones((2, 60)), "guards": -1}, "guards must be 0 or more"),
        ({"weights": np.ones((2, 60)), "precision": "half"}, "precision must be"),
    ],
)
def test_bad_input_is_refused_with_a_sentence(fitted, options, message):
    with pytest.raises(ValueError, match=message):
        jaxscale.refit(fitted, **options)
