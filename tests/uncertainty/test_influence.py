"""Influence against refits: derivatives by differences, leave-one-out by leaving out."""

import dataclasses
import json

import numpy as np
import pytest
from cases import TRUTH, data_folder, needs_data
from scipy.stats import spearmanr

import jaxscale
from jaxscale._numerics import programs
from jaxscale.datasets.synthetic import isoflop_design, simulate
from jaxscale.uncertainty.influence import influence
from jaxscale.uncertainty.quantities import Best, evaluate

pytestmark = pytest.mark.slow

N_STAR = Best(compute=1e24)


def log_of(what, law):
    return np.log(evaluate([what], law)[:, 0])


def fit_of(runs, loss, law=None):
    return jaxscale.fit(law or jaxscale.Chinchilla(), runs, loss=loss, starts=128)


@pytest.fixture(scope="module")
def wide(noisy):
    return fit_of(noisy, jaxscale.Huber(1e-2))


@pytest.fixture(scope="module")
def pinned(noisy):
    weight = np.random.default_rng(0).uniform(0.5, 2.0, len(noisy))
    return fit_of(noisy.replace(weight=weight), jaxscale.Huber(1e-2), jaxscale.Chinchilla(E=1.75))


SOME = [0, 17, 25, 41, 59]


def test_derivatives_in_everything(pinned, noisy):
    found = influence(pinned, N_STAR)
    assert found.log and found.quantity == "N*(C=1e24)" and len(found) == 60
    loss, weight = np.tile(pinned.runs.loss, (22, 1)), np.tile(pinned.runs.weight, (22, 1))
    E = np.full(22, 1.75)
    for k, i in enumerate(SOME):
        loss[[k, k + 5], i] *= [1.001, 0.999]
        weight[[k + 10, k + 15], i] *= [1.001, 0.999]
    E[20:] = [1.7501, 1.7499]
    law = jaxscale.refit(pinned, losses=loss, weights=weight, fixed={"E": E}, guards=0).law
    value = log_of(N_STAR, law)
    want = (value[:5] - value[5:10]) / (2e-3 * pinned.runs.loss[SOME])
    np.testing.assert_allclose(found.loss[SOME], want, atol=0.02 * np.abs(want).max())
    want = (value[10:15] - value[15:20]) / (2e-3 * pinned.runs.weight[SOME])
    np.testing.assert_allclose(found.weight[SOME], want, atol=0.02 * np.abs(want).max())
    assert found.fixed["E"] == pytest.approx((value[20] - value[21]) / 2e-4, rel=1e-3)

    def refitted(factor, k, delta):
        N = pinned.runs.columns["N"] * np.where(np.arange(60) == k, factor, 1.0)
        runs = jaxscale.Runs(N=N, D=noisy.columns["D"], loss=noisy.loss, weight=pinned.runs.weight)
        fit = fit_of(runs, jaxscale.Huber(delta), jaxscale.Chinchilla(E=1.75))
        return log_of(N_STAR, fit.law)[0]

    k = int(np.argmax(np.abs(found.inputs["N"])))
    slope = (refitted(np.exp(1e-3), k, 1e-2) - refitted(np.exp(-1e-3), k, 1e-2)) / 2e-3
    assert found.inputs["N"][k] == pytest.approx(slope, rel=0.02)
    slope = (refitted(1.0, k, 1.001e-2) - refitted(1.0, k, 0.999e-2)) / 2e-5
    assert found.delta == pytest.approx(slope, rel=0.05)


def test_outliers_have_no_derivative_but_an_effect(wide):
    found = influence(wide, N_STAR)
    outside = np.abs(found.residual) > 1e-2
    assert outside[[3, 17, 30, 44]].all()
    assert (found.loss[outside] == 0).all() and (found.leverage[outside] == 0).all()
    assert (found.without[outside] != 0).all()
    # A trace: as many degrees of freedom as parameters, but for the bends of the residuals.
    assert found.leverage.sum() == pytest.approx(5.0, abs=0.5)


@pytest.mark.parametrize(
    "loss, rounds, bar",
    [
        (jaxscale.Square(), 1, 0.99),
        (jaxscale.Huber(1e-2), 1, 0.99),
        (jaxscale.Huber(1e-2), 3, 0.999),
        (jaxscale.Huber(1e-3), 1, 0.9),
        (jaxscale.Huber(1e-3), 2, 0.95),
    ],
    ids=lambda x: str(getattr(x, "delta", x)),
)
def test_leave_one_out_against_refits(noisy, loss, rounds, bar):
    fit = fit_of(noisy, loss)
    exact = log_of(N_STAR, jaxscale.refit(fit, weights=1 - np.eye(60)).law)
    exact = exact - log_of(N_STAR, fit.law)
    found = influence(fit, N_STAR, rounds=rounds)
    assert spearmanr(found.without, exact)[0] >= bar
    assert np.sign(found.without) @ np.sign(exact) > 40
    assert list(found.largest(3)) == list(np.argsort(-np.abs(found.without))[:3])


def test_more_rounds_come_closer_under_a_narrow_loss():
    N, D = isoflop_design(np.logspace(18, 21, 6), sizes=10)
    errors = {1: [], 3: []}
    for seed in (4, 5, 7):
        runs = simulate(TRUTH, N, D, noise=0.01, seed=seed)
        fit = fit_of(runs, jaxscale.Huber(1e-3))
        exact = log_of(N_STAR, jaxscale.refit(fit, weights=1 - np.eye(60)).law)
        exact = exact - log_of(N_STAR, fit.law)
        for rounds, found in errors.items():
            without = influence(fit, N_STAR, rounds=rounds).without
            found.append(np.abs(without - exact).mean() / np.abs(exact).mean())
    assert np.mean(errors[3]) < 0.5 * np.mean(errors[1])


def test_a_run_of_weight_zero_is_out_already(noisy):
    weight = np.where(np.arange(60) == 7, 0.0, 1.0)
    fit = fit_of(noisy.replace(weight=weight), jaxscale.Huber(1e-2))
    found = influence(fit, "alpha")
    assert abs(found.without[7]) < 1e-9 < np.abs(found.without).max()
    assert found.loss[7] == 0 and found.weight[7] != 0


def test_a_parameter_is_asked_plainly_and_a_function_too(wide):
    alpha = influence(wide, "alpha")
    assert not alpha.log and alpha.value == pytest.approx(wide.law.alpha, rel=1e-12)

    def double(law):
        return 2 * law.alpha

    logged = influence(wide, double, log=True)
    np.testing.assert_allclose(logged.loss, alpha.loss / wide.law.alpha, rtol=1e-9)
    want = np.log1p(alpha.without / wide.law.alpha)
    np.testing.assert_allclose(logged.without, want, rtol=1e-6, atol=1e-12)


def test_another_budget_compiles_nothing(wide):
    influence(wide, N_STAR)
    before = programs.compiled
    other = influence(wide, Best(compute=1e22))
    assert programs.compiled == before
    assert other.value < influence(wide, N_STAR).value


def test_the_table_names_rows_as_the_source_does(noisy):
    runs = noisy.replace(rows=np.arange(60) + 100)
    found = influence(fit_of(runs, jaxscale.Huber(1e-3)), N_STAR, rounds=1)
    lines = found.text().splitlines()
    assert "N*(C=1e24)" in lines[0] and lines[1].split()[:3] == ["row", "N", "D"]
    assert [int(line.split()[0]) - 100 for line in lines[2:12]] == list(found.largest(10))
    zeros = not found.loss[found.largest(10)].all()
    assert ("beyond delta" in lines[12]) == zeros
    assert "d log N*(C=1e24) / d delta" in lines[12 + zeros]
    assert ("rounds=3" in found.text()) == bool((found.leverage > 0.9).any())
    assert influence(fit_of(runs, jaxscale.Huber(1e-3)), N_STAR).rounds == 2
    assert len(found.text(3).splitlines()) == len(lines) - 7


@pytest.mark.parametrize(
    "loss, options, error, message",
    [
        (jaxscale.Absolute(), {}, ValueError, "kinks"),
        (jaxscale.Huber(1e-2), {"rounds": 0}, ValueError, "rounds"),
        (jaxscale.Huber(1e-2), {"what": lambda law: -law.alpha, "log": True}, ValueError, "posit"),
        (jaxscale.Huber(1e-2), {"what": "gamma"}, ValueError, "gamma"),
        (jaxscale.Huber(1e-12), {}, jaxscale.FitError, "singular"),
    ],
    ids=["absolute", "rounds", "negative", "name", "singular"],
)
def test_what_has_no_answer(wide, loss, options, error, message):
    fit = wide
    # At the optimum of a wider loss: no run lies within a width of 1e-12.
    fit = dataclasses.replace(wide, loss=loss)
    with pytest.raises(error, match=message):
        influence(fit, options.pop("what", N_STAR), **options)


@needs_data
@pytest.mark.parametrize("loss", [jaxscale.Huber(1e-3), jaxscale.Huber(1e-2)], ids=repr)
def test_leave_one_out_on_the_digitized_runs(loss):
    entry = json.loads((data_folder() / "gold.json").read_text())["huber_log_chinchilla"]
    entry = entry["chinchilla_epoch_240"]
    table = data_folder() / entry["file"]
    runs = jaxscale.read_runs(table, map=entry.get("columns"), where=entry["filter"])
    fit = fit_of(runs, loss)
    exact = log_of(N_STAR, jaxscale.refit(fit, weights=1 - np.eye(240), guards=0).law)
    exact = exact - log_of(N_STAR, fit.law)
    found = influence(fit, N_STAR, rounds=1)
    assert spearmanr(found.without, exact)[0] >= 0.99
    assert np.corrcoef(found.without, exact)[0, 1] >= 0.98
    top = set(np.argsort(-np.abs(exact))[:10].tolist())
    assert len(top & set(found.largest(10).tolist())) >= 7
