"""Costs: their inverses, the best size on them, fits of them to what runs did cost."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxscale import Chinchilla, Runs, Skaling, allocate
from jaxscale.errors import DataError
from jaxscale.flops import (
    AffineCost,
    PowerCost,
    SixND,
    TransformerCost,
    check_cost,
    complete,
    fit_cost,
    parameters_for,
    power_form,
    stated_cost,
    tokens_for,
    unit_of,
)

N = np.repeat(np.geomspace(2e7, 5e9, 8), 5)
D = np.tile(np.geomspace(1e9, 1e12, 5), 8)
COSTS = {
    "6 N D": SixND(),
    "7.2 N D": SixND(7.2),
    "hours": PowerCost(3e-17, 0.9, 1.02, unit="hours"),
    "by N alone": PowerCost(5.0, 0.8, 1.0),
    "a head": AffineCost(6.0, 1.0, 6e8),
    "dollars": AffineCost(2e-17, 0.95, 1e-9, unit="dollars"),
    "untied": TransformerCost(50304.0, embeddings=2.0),
    "long": TransformerCost(128256.0, context=32768.0, aspect=96.0, embeddings=2.0),
}
of_all = pytest.mark.parametrize("name", COSTS)


@of_all
def test_a_cost_and_its_inverses_agree_to_rounding(name):
    cost = COSTS[name]
    C = cost(N, D)
    np.testing.assert_allclose(tokens_for(cost, N, C), D, rtol=1e-13)
    np.testing.assert_allclose(parameters_for(cost, D, C), N, rtol=1e-12)
    plain = lambda N, D: cost(N, D)  # noqa: E731 - a user's function, inverted by bisection
    np.testing.assert_allclose(tokens_for(plain, N, C), D, rtol=1e-12)
    np.testing.assert_allclose(parameters_for(plain, D, C), N, rtol=1e-11)
    assert complete(N=1e9, C=cost(1e9, 2e10), flops=cost)[1] == pytest.approx(2e10, rel=1e-13)


@of_all
def test_a_cost_is_one_of_its_values_and_traces(name):
    cost = COSTS[name]
    check_cost(cost)
    again = type(cost)(**cost.coefficients, unit=cost.unit)
    assert again == cost and hash(again) == hash(cost) and again != SixND(1.23)
    assert jax.tree.leaves(cost) == []
    with jax.enable_x64(True):
        traced = jax.jit(lambda n: cost(n, 2e10))(jnp.asarray(1e9))
        slope = jax.grad(lambda n: tokens_for(cost, n, 1e21))(1e9)
        high, low = (tokens_for(cost, 1e9 * f, 1e21) for f in (1 + 1e-6, 1 - 1e-6))
    assert float(traced) == pytest.approx(float(cost(1e9, 2e10)), rel=1e-12)
    assert float(slope) == pytest.approx((high - low) / 2e3, rel=1e-6)


def test_costs_differ_by_form_value_and_unit():
    assert SixND(6.0) == SixND() != SixND(6.0, unit="hours") != PowerCost(6.0)
    assert (
        unit_of(COSTS["hours"]) == "hours" and unit_of(lambda N, D: N) == unit_of(None) == "FLOPs"
    )
    assert stated_cost(SixND(7.2)) == 7.2 and stated_cost(lambda N, D: N * D) == "user"
    assert stated_cost(COSTS["hours"]) == dict(form="power", k=3e-17, a=0.9, b=1.02, unit="hours")


@pytest.mark.parametrize("made", [(SixND, -6.0), (PowerCost, 1.0, 0.0), (AffineCost, 1.0, 1.0, -5)])
def test_a_cost_that_does_not_rise_is_refused(made):
    with pytest.raises(ValueError, match="must be a positive number"):
        made[0](*made[1:])


NO_COSTS = {
    "falls in N": (lambda N, D: D * 1e30 / N, "does not increase in N"),
    "ignores D": (lambda N, D: N + 0 * D, "does not increase in D"),
    "negative": (lambda N, D: N * D - 1e12, "is -.*a run costs a positive number"),
    "infinite": (lambda N, D: N**40 * D, "is inf; a run costs"),
    "one number": (lambda N, D: 6.0, r"shape \(\) for N and D"),
}


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("name", NO_COSTS)
def test_a_function_that_is_no_cost_is_named(name):
    function, said = NO_COSTS[name]
    with pytest.raises(ValueError, match="mine.*" + said):
        check_cost(function, "mine")


@pytest.mark.parametrize("name", ["6 N D", "7.2 N D", "hours", "by N alone"])
def test_the_best_size_on_a_power_of_n_and_d_is_where_the_loss_is_least(name):
    cost = COSTS[name]
    (A, alpha), (B, beta), C = (406.4, 0.336), (410.7, 0.283), cost(1e9, 2e10)
    law = Chinchilla(E=1.7, A=A, B=B, alpha=alpha, beta=beta)
    best = float(allocate(law, compute=C, flops=cost).N)
    k, a, b = power_form(cost)
    tokens = cost.tokens(best, C)
    # Lagrange's condition: what a term falls by per logarithm of cost is the same for both.
    falls = alpha * A * best**-alpha / a, beta * B * tokens**-beta / b
    assert falls[0] == pytest.approx(falls[1], rel=1e-12)
    more = float(allocate(law, compute=2 * C, flops=cost).N)
    for each in (law, Skaling(E=1.7, A=A, B=B, alpha=alpha, beta=beta, k=0.6)):
        grown = each.replace(flops=cost).derived()["a"]
        assert math.log(more / best) / math.log(2) == pytest.approx(grown, rel=1e-9)
    assert power_form(COSTS["a head"]) is None


NOISE = np.exp(0.03 * np.random.default_rng(0).normal(size=N.shape))


@pytest.mark.parametrize("name", [n for n in COSTS if not isinstance(COSTS[n], TransformerCost)])
def test_a_cost_is_found_again_from_what_runs_cost(name):
    true = COSTS[name]
    exact = fit_cost({"N": N, "D": D, "C": true(N, D)}, unit=true.unit)
    want = SixND(true.k) if power_form(true) == (true.k, 1, 1) else true
    form = "power" if name == "by N alone" else want.form
    assert exact.cost.form == form and exact.cost.unit == true.unit and exact.notes == ()
    for key, value in want.coefficients.items():
        assert exact.cost.coefficients[key] == pytest.approx(value, rel=1e-9)
    noisy = fit_cost({"N": N, "D": D, "C": true(N, D) * NOISE}, form=form)
    for key, value in want.coefficients.items():
        off = abs(noisy.cost.coefficients[key] - value)
        assert off < 3.5 * noisy.chosen.errors[key] or key == "k" and form != "product"
    assert noisy.chosen.rmse == pytest.approx(0.03, rel=0.4) and noisy.chosen.r2 > 0.99


def test_standard_errors_of_a_fitted_cost_are_what_they_say():
    draws, rng = [], np.random.default_rng(1)
    for form, true in (("power", COSTS["hours"]), ("affine", COSTS["a head"])):
        fits = [
            fit_cost({"N": N, "D": D, "C": true(N, D) * np.exp(0.05 * e)}, form=form)
            for e in rng.normal(size=(200, len(N)))
        ]
        for key in true.coefficients:
            spread = np.std([np.log(fit.cost.coefficients[key]) for fit in fits])
            said = [fit.chosen.errors[key] / fit.cost.coefficients[key] for fit in fits]
            draws.append(float(np.median(said) / spread))
    assert all(0.85 < ratio < 1.15 for ratio in draws), draws


def table(rows=slice(None), **columns):
    return {name: np.asarray(c)[rows] for name, c in dict(N=N, D=D, C=6 * N * D, **columns).items()}


REFUSED = {
    "two runs": (table(slice(2)), None, "2 runs, and 3 are needed"),
    "four runs": (table(slice(4)), "power", "4 runs, and 5 are needed"),
    "one ray": (dict(N=N, D=20 * N, C=120 * N**2), "power", "on one line"),
    "one budget": (dict(N=N, D=1e21 / N, C=6e21 + 0 * N), "power", "on one line"),
    "one size": (dict(N=1e9 + 0 * N, D=D, C=6e9 * D), "affine", "N hardly varies"),
    "one length": (dict(N=N, D=1e9 + 0 * N, C=6e9 * N), "power", "D hardly varies"),
    "three sizes": (table(slice(15)), "affine", "3 sizes N, and 4 are needed"),
    "no constant": (table(), "affine", "no constant per token"),
    "no D": (dict(N=N, C=N), None, "there is no column 'D'"),
    "a zero": (table() | {"C": np.where(N == N[0], 0, N * D)}, None, "row 1: column 'C' is 0"),
    "no number": (table() | {"C": np.full(N.shape, np.nan)}, None, "row 1: column 'C' is nan"),
    "no form": (table(), "cubic", "no cost of the form 'cubic'; there are product, power, affine"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_runs_that_cannot_tell_a_cost_are_refused_with_the_reason(name):
    given, form, said = REFUSED[name]
    with pytest.raises(ValueError, match=said):
        fit_cost(given, form=form)


@pytest.mark.parametrize("name", ["one ray", "one budget", "one size", "one length"])
def test_what_such_runs_do_tell_is_fitted(name):
    found = fit_cost(REFUSED[name][0])
    assert isinstance(found.cost, SixND) and found.cost.k == pytest.approx(6)
    assert sum(bool(each.reason) for each in found.tried) == 2


def test_units_and_rows_are_those_of_the_table():
    C = np.where(np.arange(len(N)) == 7, 3.0, 1.0) * 2e-17 * N * D
    runs = Runs(N=N, D=D, gpu_hours=C * NOISE, loss=1 / N, rows=np.arange(2, len(N) + 2))
    found = fit_cost(runs, column="gpu_hours")
    assert found.cost.unit == "gpu_hours" and "in gpu_hours, 40 runs" in str(found)
    assert len(found.notes) == 1 and "(row '9': " in found.notes[0]
    renamed = Runs(N=N, D=D, C=C, loss=1 / N, names={"C": "train_flops"})
    assert fit_cost(renamed).cost.unit == "FLOPs"
    with pytest.raises(DataError, match="no column 'dollars'"):
        fit_cost(runs, column="dollars")
