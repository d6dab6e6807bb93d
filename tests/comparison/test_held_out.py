"""Splits, held-out errors and the likelihoods behind the robust losses."""

import dataclasses
import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from cases import hand_made
from scipy.integrate import quad

import jaxscale
from jaxscale.comparison.candidates import Candidate, fit_all
from jaxscale.comparison.held_out import ABSURD, cross_validate, held_out, rollout
from jaxscale.comparison.likelihood import information
from jaxscale.comparison.splits import by_folds, by_groups, by_size, identified, levels_along
from jaxscale.objective.likelihood import profile_likelihood
from jaxscale.objective.residuals import residual_named

pytestmark = pytest.mark.slow

C, K = jaxscale.Chinchilla, jaxscale.Kaplan
STARTS = 32


# Splits.


@pytest.mark.parametrize(
    "size, count, want",
    [
        ([1, 1, 2, 2, 4], 12, [0, 0, 1, 1, 2]),
        ([4, 1, 2, 1, 2], 12, [2, 0, 1, 0, 1]),
        ([1, 1.004, 2, 1.996, 4], 12, [0, 0, 1, 1, 2]),  # budgets met within 1 %
        (1.005 ** np.arange(40), 4, np.repeat(range(4), 10)),  # a chain is no level
        (2.0 ** np.arange(16), 4, range(16)),
        (2.0 ** np.arange(20), 4, np.repeat(range(4), 5)),
        ([1] * 30 + [2.0**k for k in range(1, 21)], 3, [0] * 30 + [1] * 3 + [2] * 17),
    ],
    ids=["levels", "any order", "snapped", "chain", "few", "binned", "ties stay together"],
)
def test_levels_along_a_size(size, count, want):
    got = levels_along(np.asarray(size, float), count)
    np.testing.assert_array_equal(got, list(want))


@pytest.mark.parametrize("by", ["C", "N", "D"])
@pytest.mark.parametrize("horizon", ["all", "next"])
def test_windows_expand_and_predict_larger_runs_only(noisy, by, horizon):
    split = by_size([C()], noisy, by, horizon=horizon)
    size = noisy.column(by)
    assert len(split) >= 3
    for w in range(len(split)):
        train, test = split.train[w], split.test[w]
        assert size[test].min() > size[train].max() * 1.005
        assert split.factor[w] == pytest.approx(size[test].max() / size[train].max())
        assert identified(C(), noisy, train) == ""
        assert len(np.unique(split.level[train])) >= 2
        if horizon == "all":
            assert np.all(train ^ test)
        else:
            assert len(np.unique(split.level[test])) == 1
        if w:
            assert np.all(split.train[w - 1] <= train) and train.sum() > split.train[w - 1].sum()


def test_windows_of_few_levels_do_not_count(noisy):
    split = by_size([C()], noisy, "C")
    assert int(split.level.max()) + 1 == 6
    assert split.counted.tolist() == [False, True, True, True]
    assert by_size([C()], noisy, "C", share=0.0).counted.all()


@pytest.mark.parametrize("folds", [2, 7, 60])
def test_folds_cover_every_run_once_and_every_size(noisy, folds):
    split = by_folds(noisy, folds, by="C", seed=3)
    np.testing.assert_array_equal(split.test.sum(axis=0), 1)
    np.testing.assert_array_equal(split.train, ~split.test)
    counts = split.test.sum(axis=1)
    assert counts.max() - counts.min() <= 1
    order = np.argsort(noisy.column("C"), kind="stable")
    for block in range(0, 60 - folds + 1, folds):  # each block of neighbors goes to all folds
        assert len(set(split.level[order[block : block + folds]])) == folds


def test_runs_of_weight_zero_are_neither_fitted_nor_predicted(noisy):
    weight = np.ones(60)
    weight[[0, 59]] = 0
    runs = noisy.replace(weight=weight, group=np.repeat(["a", "b", "c"], 20))
    for split in (by_size([C()], runs, "C"), by_folds(runs, 4, by="C"), by_groups(runs, True)):
        assert not split.train[:, [0, 59]].any() and not split.test[:, [0, 59]].any()


def test_groups_by_the_group_or_by_a_column(noisy):
    runs = noisy.replace(group=np.repeat(["a", "b", "c"], 20), width=np.tile([1.0, 2.0], 30))
    split = by_groups(runs, True)
    assert split.labels == ("a", "b", "c") and np.all(split.test[1] == (runs.group == "b"))
    assert by_groups(runs, "width").labels == ("1", "2")


# Held-out errors.


@pytest.mark.parametrize("law", [C(), K()], ids=["Chinchilla", "Kaplan"])
def test_a_window_equals_a_separate_fit_of_its_runs(noisy, law):
    held = rollout([law], noisy, starts=STARTS)
    columns = {name: noisy.column(name) for name in law.inputs}
    for w in (0, len(held.split) - 1):
        few = noisy.replace(weight=held.split.train[w].astype(float))
        if isinstance(law, C) and w == 0:  # a table of its own takes another program
            few = noisy.select(held.split.train[w], "later")
        one = jaxscale.fit(law, few, starts=STARTS)
        error = np.log(one.predict(**columns)) - np.log(noisy.loss)
        test = held.split.test[w]
        np.testing.assert_allclose(held.error[0, w, test], error[test], atol=2e-5)
        assert np.isnan(held.error[0, w, ~test]).all()


def test_a_law_with_a_break_is_fitted_window_by_window(fitted, monkeypatch):
    """A refit would leave the break where it is: each window is a fit of its own runs."""
    S = np.logspace(0, 3, 40)
    law = jaxscale.Piecewise(of="S")
    whole = law.replace(a1=-0.1, b1=5.0, a2=6.0, b2=-0.4, c2=1.0, S0=10.0)
    runs = jaxscale.Runs(S=S, loss=jaxscale.predict(whole, S=S))
    result = dataclasses.replace(fitted, law=whole, runs=runs)
    seen = []

    def fit(problem, **options):
        seen.append(problem.runs.weight)
        return dataclasses.replace(result, law=whole.replace(c2=float(len(seen))))

    monkeypatch.setattr("jaxscale.comparison.held_out.fit_problem", fit)
    split = by_size([law], runs, "S", levels=5)
    held = held_out([Candidate("law", law, result)], [split])[0]
    assert len(split) == len(seen) == 3
    np.testing.assert_array_equal(seen, split.train)
    for w in range(3):
        own = jaxscale.predict(whole.replace(c2=w + 1.0), S=S)
        test = split.test[w]
        want = np.log(own[test] / runs.loss[test])
        np.testing.assert_allclose(held.error[0, w, test], want, atol=1e-12)


def test_a_dead_term_comes_back_in_a_refit(noisy, fitted):
    """As after a fit whose optimum has E = 0: from there no gradient leads to E > 0."""
    without = jaxscale.fit(C(E=0.0), noisy, starts=STARTS).law
    dead = dataclasses.replace(
        fitted,
        law=without,
        certificate=dataclasses.replace(fitted.certificate, at_bound=("E",)),
    )
    weights = np.ones((2, 60))
    unaware = dataclasses.replace(dead, certificate=fitted.certificate)
    stuck = jaxscale.refit(unaware, weights=weights, guards=0)
    alive = jaxscale.refit(dead, weights=weights, guards=0)
    assert np.all(stuck.value > fitted.value * 1.001)
    np.testing.assert_allclose(alive.value, fitted.value, rtol=1e-8)


def test_scores_count_runs_once_and_shared_windows_only():
    nan = np.nan
    held = hand_made(
        [[[nan, 0.1, -0.3], [nan, nan, 0.1]], [[nan, nan, nan], [nan, nan, 0.5]]],
        test=[[False, True, True], [False, False, True]],
    )
    assert held.shared.tolist() == [False, True]  # b was not fitted to the first window
    np.testing.assert_allclose(held.score(), [0.1, 0.5])
    assert held.order() == [0, 1]
    alone = hand_made([held.error[0]], test=held.split.test)
    np.testing.assert_allclose(alone.score(), [(0.1 + (0.3 + 0.1) / 2) / 2])
    none = hand_made([held.error[0], np.full((2, 3), nan)], test=held.split.test)
    np.testing.assert_allclose(none.score(), [0.15, nan])  # one that has none hinders nobody
    assert none.order() == [0, 1]


def test_a_prediction_that_is_not_positive_counts_as_100_percent(noisy, monkeypatch):
    below = np.where(np.arange(60) == 59, -1.0, noisy.loss)
    monkeypatch.setattr("jaxscale.comparison.held_out.predict", lambda law, **columns: below)
    held = rollout([C()], noisy, starts=STARTS)
    assert np.all(held.error[0, :, 59] == ABSURD) and np.nanmax(held.error[0, :, :59]) == 0
    assert held.score()[0] == pytest.approx(1 / held.split.test[1].sum())
    assert "1 prediction that is not positive counts as 100 % off" in " ".join(held.notes[0])


def test_a_law_that_cannot_be_fitted_to_a_window_is_skipped_with_a_note(noisy):
    weight = np.ones(60)
    weight[:20] = 0
    weight[[0, 9, 10, 14, 19]] = 1  # five runs at the first two levels
    held = rollout([C(), K()], noisy.replace(weight=weight), starts=STARTS, share=0.0)
    assert held.skipped[0][0].startswith("5 runs for 5 free parameters")
    assert held.skipped[1][0] == "" and not any(held.skipped[0][1:])
    assert held.shared.tolist() == [False, True, True, True]
    assert np.isnan(held.error[0, 0]).all() and np.isfinite(held.error[1, 0]).any()
    assert any("not fitted, 5 runs" in note for note in held.notes[0])
    assert np.isfinite(held.score()).all()


def test_cross_validation_predicts_every_run(noisy):
    held = cross_validate([C()], noisy, folds=5, starts=STARTS)
    np.testing.assert_array_equal(np.isfinite(held.error[0]).sum(axis=0), 1)
    clean = np.delete(held.by_run()[0], [3, 17, 30, 44])
    assert 0.005 < clean.mean() < 0.012  # 1 % normal noise has a mean of .8 %


# Likelihoods.


def numeric_log_likelihood(fit, s):
    """By quadrature for Z and by differences for the Jacobian: nothing of the closed forms."""
    name, delta = fit.loss.name, fit.loss.threshold

    def rho(r):
        if name == "square":
            return r * r / 2
        if name == "absolute":
            return abs(r)
        return r * r / 2 if abs(r) <= delta else delta * (abs(r) - delta / 2)

    def residual(y):
        p = fit.prediction
        return {"log": np.log(p / y), "relative": (p - y) / y, "absolute": p - y}[fit.residual.name]

    width = np.sqrt(s) if name == "square" else s if name == "absolute" else max(s / delta, s**0.5)
    edges = [0.0, *([delta] if delta else []), *(width * np.array([1, 3, 10, 40.0]))]
    edges = sorted(edges)
    Z = 2 * sum(
        quad(lambda r: np.exp(-rho(r) / s), a, b, epsabs=0, epsrel=1e-12)[0]
        for a, b in itertools.pairwise(edges)
    )
    y = fit.runs.loss
    slope = np.abs(residual(y * (1 + 1e-6)) - residual(y * (1 - 1e-6))) / (2e-6 * y)
    return sum(-rho(r) / s for r in residual(y)) - len(y) * np.log(Z) + np.log(slope).sum()


def judged(fit, loss, residual):
    """The same law with the value of another loss: the likelihood asks for no optimum."""
    p, y = fit.prediction, fit.runs.loss
    r = {"log": np.log(p / y), "relative": (p - y) / y, "absolute": p - y}[residual]
    value = float(np.sum(np.asarray(loss.rho(r), float)))
    return dataclasses.replace(fit, value=value, loss=loss, residual=residual_named(residual))


@pytest.mark.parametrize("residual", ["log", "relative", "absolute"])
@pytest.mark.parametrize(
    "loss",
    [jaxscale.Square(), jaxscale.Huber(1e-3), jaxscale.Huber(2e-2), jaxscale.Absolute(1e-12)],
    ids=["square", "huber", "wide", "absolute"],
)
def test_likelihood_against_quadrature(fitted, residual, loss):
    fit = judged(fitted, loss, residual)
    got = information(fit)
    assert got.log_likelihood == pytest.approx(numeric_log_likelihood(fit, got.scale), abs=2e-3)
    for factor in (0.9, 1.1):  # the scale is at its maximum
        assert numeric_log_likelihood(fit, got.scale * factor) < got.log_likelihood - 1e-3
    assert (got.parameters, got.n) == (6, 60)
    assert got.aicc == pytest.approx(12 - 2 * got.log_likelihood + 2 * 6 * 7 / 53)
    assert got.bic == pytest.approx(6 * np.log(60) - 2 * got.log_likelihood)


def test_square_loss_has_the_gaussian_closed_form(fitted):
    got = information(judged(fitted, jaxscale.Square(), "absolute"))
    rss = np.sum((fitted.prediction - fitted.runs.loss) ** 2)
    want = -30 * (np.log(2 * np.pi * rss / 60) + 1)
    assert got.log_likelihood == pytest.approx(want, rel=1e-5)
    assert got.scale == pytest.approx(rss / 60, rel=1e-5)


def test_huber_goes_over_into_gauss_and_laplace():
    value, weight = np.array([0.3, 7.0]), np.ones(50)
    wide = profile_likelihood(value, weight, jaxscale.Huber(100.0))
    gauss = profile_likelihood(value, weight, jaxscale.Square())
    np.testing.assert_allclose(wide[0], gauss[0], rtol=1e-9)
    delta = 1e-6  # rho = delta |r|, so the scale is delta times that of |r|
    narrow = profile_likelihood(value * delta, weight, jaxscale.Huber(delta))
    laplace = profile_likelihood(value, weight, jaxscale.Absolute())
    np.testing.assert_allclose(narrow[0], laplace[0], rtol=1e-4)


def test_the_scale_of_the_weights_does_not_matter():
    weight = np.random.default_rng(0).uniform(0.1, 3, 20)
    for loss in (jaxscale.Huber(0.1), jaxscale.Square(), jaxscale.Absolute()):
        one = profile_likelihood(2.0, weight, loss)[0]
        ten = profile_likelihood(20.0, 10 * weight, loss)[0]
        assert one == pytest.approx(ten, rel=1e-12)
        padded = np.append(weight, [0.0, 0.0])
        assert profile_likelihood(2.0, padded, loss)[0] == pytest.approx(one)


def test_held_out_takes_several_splits_at_once(noisy):
    found = fit_all({"Chinchilla": C()}, noisy, starts=STARTS)
    splits = [by_size([C()], noisy, "C"), by_folds(noisy, 3, by="C")]
    together = held_out(found, splits, starts=STARTS)
    for split, held in zip(splits, together, strict=True):
        alone = held_out(found, [split], starts=STARTS)[0]
        np.testing.assert_allclose(held.error, alone.error, atol=1e-7)


class OfKind(jaxscale.Law):
    """E + A N^-alpha + B D^-beta, and shift where kind is 1."""

    E: jaxscale.Scalar = jaxscale.offset("irreducible loss")
    A: jaxscale.Scalar = jaxscale.coefficient("size", per=dict(N="alpha"))
    B: jaxscale.Scalar = jaxscale.coefficient("data", per=dict(D="beta"))
    alpha: jaxscale.Scalar = jaxscale.exponent("of size")
    beta: jaxscale.Scalar = jaxscale.exponent("of data")
    shift: jaxscale.Scalar = jaxscale.offset("of kind 1")
    input_kinds = {"kind": "raw"}

    def __call__(self, N, D, kind):
        chinchilla = self.E + self.A * N**-self.alpha + self.B * D**-self.beta
        return chinchilla + jnp.where(kind == 1, self.shift, 0.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("law", "first", "said"),
    [
        (OfKind(), 24, "no run that it would be fitted to depends on 'shift'"),
        (jaxscale.Grouped("Chinchilla", by="arch", own=("E",)), 24, "'late' has 0 runs at 0 sett"),
        (
            jaxscale.Grouped("Chinchilla", by="arch", own=("E", "A")),
            24,
            "'late' has 0 runs at 0 sett",
        ),
        (
            jaxscale.Grouped("Chinchilla", by="arch", own=("E", "A")),
            20,
            "'late' has 1 run at 1 sett",
        ),
    ],
)
def test_what_a_window_has_not_seen_is_not_known_from_the_fit_to_all(law, first, said):
    """A refit begins at the fit to all runs; what no run moves would be predicted from there."""
    N, D = (x.ravel() for x in np.meshgrid(np.geomspace(1e7, 3e9, 6), np.geomspace(2e8, 6e10, 6)))
    rank = np.argsort(np.argsort(N * D))
    kind = np.where(rank >= first, 1.0, rank % 2 * 2.0)
    loss = (1.7 + 400 * N**-0.34 + 900 * D**-0.33) * np.where(kind == 1, 1.1, 1.0)
    loss *= np.exp(0.003 * np.random.default_rng(0).normal(size=36))
    arch = np.array(["a", "late", "b"])[kind.astype(int)]
    held = jaxscale.rollout(
        [law, "Chinchilla"], dict(N=N, D=D, kind=kind, loss=loss, arch=arch), by="C", starts=64
    )
    late = held.split.train.astype(int) @ (kind == 1)
    need = len(getattr(law, "own", "1")) + 1 if isinstance(law, jaxscale.Grouped) else 1
    blind, known = late < need, late >= need
    assert blind.sum() >= 3 and known.sum() >= 2
    assert np.isnan(held.error[0, blind]).all() and any(said in why for why in held.skipped[0])
    assert np.isfinite(held.error[0, known]).any(axis=1).all()
    assert np.isfinite(held.error[1, blind]).any()
