"""Allocations on costs other than 6 N D: closed form, budgets in their unit, what is refused."""

import numpy as np
import pytest

import jaxscale
from jaxscale import allocate
from jaxscale.decisions.optimum import LOG_C, budgets_of
from jaxscale.decisions.question import Lifetime
from jaxscale.flops import AffineCost, PowerCost, SixND, TransformerCost

LAW = jaxscale.Chinchilla.preset("hoffmann_2022")
HOURS = PowerCost(3e-17, 0.9, 1.02, unit="gpu_hours")
COSTS = {
    "hours": HOURS,
    "power": PowerCost(40.0, 0.93, 0.98),
    "dollars": SixND(2e-17, unit="dollars"),
    "head": AffineCost(6.0, 1.0, 6e8),
    "shape": TransformerCost(50304.0),
}


SEARCHED = {"shape": [pytest.mark.slow]}  # one search stays with the fast tests


@pytest.mark.parametrize("name", [pytest.param(n, marks=SEARCHED.get(n, [])) for n in COSTS])
def test_the_best_run_of_a_cost_spends_it_and_no_other_is_better(name):
    cost = COSTS[name]
    C = float(cost(1e9, 2e10))
    best = allocate(LAW, compute=C, flops=cost)
    closed = isinstance(cost, PowerCost | SixND)
    assert best.method == ("closed form" if closed else "numeric")
    assert cost(best.N, best.D) == pytest.approx(C, rel=1e-12)
    E, A, B, alpha, beta = (float(LAW.values[p]) for p in ("E", "A", "B", "alpha", "beta"))
    along = lambda N: E + A * N**-alpha + B * float(cost.tokens(N, C)) ** -beta  # noqa: E731
    low, here, high = (along(best.N * f) for f in (0.999, 1.0, 1.001))
    assert here < min(low, high) and (high - low) / (high + low - 2 * here) < 2e-2
    again = allocate(LAW, target_loss=best.loss, flops=cost)
    assert again.compute == pytest.approx(C, rel=1e-8)


@pytest.mark.slow
def test_closed_form_and_search_agree_on_a_power_of_n_and_d():
    own = lambda N, D: HOURS(N, D)  # noqa: E731 - no form, so a search
    for C in (1.0, 1e5):
        closed, searched = (allocate(LAW, compute=C, flops=f) for f in (HOURS, own))
        assert (closed.method, searched.method) == ("closed form", "numeric")
        assert searched.N == pytest.approx(closed.N, rel=1e-9)


def test_budgets_are_looked_for_in_the_unit_of_the_cost():
    assert budgets_of(SixND()) == budgets_of(SixND(7.2)) == budgets_of(COSTS["head"]) == LOG_C
    shift = np.log(2e-17 / 6)
    assert np.array(budgets_of(COSTS["dollars"])) == pytest.approx(np.array(LOG_C) + shift)
    with pytest.raises(ValueError, match="dollars; the target is 1"):
        allocate(LAW, target_loss=1.0, flops=COSTS["dollars"])


def test_serving_that_is_counted_otherwise_than_training_is_refused():
    for lifetime in (1e12, Lifetime(1e12)):
        with pytest.raises(
            ValueError, match="serving is counted in FLOPs, and training here in gpu"
        ):
            allocate(LAW, compute=1e3, lifetime=lifetime, flops=HOURS)
