"""The optimum of every group of a sweep: a parabola, or a surface, in the logarithms."""

import numpy as np
import pandas
import pytest
from cases import data_folder, needs_data

import jaxscale
from jaxscale.data.optima import ALONE, EDGE, FEW, FLAT, INSIDE, optima

T90 = 1.746
"""Quantile of t with 16 degrees of freedom, as the groups below have or more."""


def one_group(x, loss):
    x = np.asarray(x, float)
    return optima(np.zeros(len(x), int), x[:, None] if x.ndim == 1 else x, np.asarray(loss, float))


X = np.log(2) * np.arange(-3, 4)
KINDS = {
    "inside": (X, 3 + 0.02 * (X - 0.3) ** 2, INSIDE),
    "three points": (X[2:5], 3 + 0.02 * (X[2:5] - 0.1) ** 2, INSIDE),
    "negative losses": (X, -5 + 0.02 * (X - 0.3) ** 2, INSIDE),
    "all at the upper edge": (X, 3 - 0.02 * X + 0.001 * X**2, EDGE),
    "all at the lower edge": (X, 3 + 0.02 * X + 0.001 * X**2, EDGE),
    "bent down": (X, 3 - 0.02 * X**2, FLAT),
    "no slope at all": (X, 3 + 0 * X, FLAT),
    "one value": (np.zeros(5), 3 + 0.1 * np.arange(5), FEW),
    "two values": (np.array([0.0, 0, 1, 1]), [3, 3.01, 2.9, 2.91], FEW),
    "two values that are nearly one": (np.array([0.0, 1e-9, 1]), [3, 3.01, 2.9], FEW),
    "two points": (X[:2], [3, 2.9], FEW),
    "one point": (X[:1], [3.0], ALONE),
    "one that is left of three": (X[:3], [np.nan, 3.0, np.inf], ALONE),
    "diverged beside the minimum": (X[:4], [3.1, 3.0, 4.2, 9.0], FEW),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_group_has_an_optimum_or_a_reason(name):
    x, loss, kind = KINDS[name]
    found = one_group(x, loss)
    assert found.kind[0] == kind
    assert np.isfinite(found.log_at).all() == (kind == INSIDE)
    if kind == INSIDE:
        assert found.loss[0] <= np.min(loss) + 1e-12
    else:
        assert found.loss[0] == np.nanmin(loss)


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e12])
@pytest.mark.parametrize("spacing", [1.1, 2.0, 10.0])
def test_a_parabola_is_found_in_any_unit_and_at_any_spacing(unit, spacing):
    x = np.log(unit) + np.log(spacing) * np.arange(-2, 3)
    best = np.log(unit) + 0.3 * np.log(spacing)
    found = one_group(x, 3 + 0.01 * ((x - best) / np.log(spacing)) ** 2)
    assert found.kind[0] == INSIDE
    assert found.log_at[0, 0] == pytest.approx(best, abs=1e-6)
    assert found.loss[0] == pytest.approx(3, rel=1e-9)


def test_a_surface_of_two_quantities_is_found_where_they_trade_off():
    x = np.array([(a, b) for a in X for b in X])
    bend, best = np.array([[0.02, -0.008], [-0.008, 0.01]]), np.array([0.2, -0.4])
    found = one_group(x, 3 + np.einsum("ni,ij,nj->n", x - best, bend, x - best))
    np.testing.assert_allclose(found.log_at[0], best, atol=1e-9)
    ridge = one_group(x, 3 + 0.01 * (x[:, 0] - x[:, 1]) ** 2)  # any pair along it is as good
    assert ridge.kind[0] == FLAT


def test_runs_that_diverge_bend_no_parabola():
    clean = 3 + 0.02 * (X - 0.3) ** 2
    spoiled = np.concatenate([clean, [7.0, np.nan, np.inf]])
    far = np.concatenate([X, X[-1] + np.log(2) * np.arange(1, 4)])
    assert one_group(far, spoiled).log_at == pytest.approx(one_group(X, clean).log_at)


def test_no_group_knows_of_another():
    some = [(X, 3 + 0.02 * (X - 0.3) ** 2), (X[:1], [2.0]), (X[:5], 1 + 0.01 * (X[:5] + 1) ** 2)]
    groups = np.repeat(np.arange(3), [len(x) for x, _ in some])
    x, loss = (np.concatenate([each[k] for each in some]) for k in (0, 1))
    shuffled = np.random.default_rng(1).permutation(len(x))
    found = optima(groups[shuffled], x[shuffled, None], loss[shuffled])
    for k, each in enumerate(some):
        alone = one_group(*each)
        assert found.kind[k] == alone.kind[0]
        np.testing.assert_allclose(found.log_at[k], alone.log_at[0], atol=1e-9)
        np.testing.assert_allclose(found.loss[k], alone.loss[0])


def planted(rng, groups, points, noise, d):
    """Sweeps with a true optimum: log positions, losses, optima [G, d], lowest losses [G]."""
    axis = np.log(2) * (np.arange(points) - (points - 1) / 2)
    grid = np.stack(np.meshgrid(*[axis] * d, indexing="ij"), -1).reshape(-1, d)
    best, least = rng.normal(0, 0.3, (groups, d)), 3 + rng.random(groups)
    bend = np.array([[0.02, -0.008], [-0.008, 0.01]])[:d, :d]
    number = np.repeat(np.arange(groups), len(grid))
    x = np.tile(grid, (groups, 1))
    away = x - best[number]
    loss = least[number] * (1 + np.einsum("ni,ij,nj->n", away, bend, away))
    loss += least[number] * noise * rng.standard_normal(len(loss))
    return number, x, loss, best, least


SIMULATED = [(12, 5, 0.001, 1), (12, 7, 0.004, 1), (12, 9, 0.002, 1), (10, 5, 0.002, 2)]


@pytest.mark.slow
@pytest.mark.parametrize(("groups", "points", "noise", "d"), SIMULATED)
def test_planted_optima_lie_within_their_errors_at_the_nominal_rate(groups, points, noise, d):
    rng = np.random.default_rng(7)
    at, low = [], []
    for _ in range(200):
        number, x, loss, best, least = planted(rng, groups, points, noise, d)
        found = optima(number, x, loss)
        inside = found.kind == INSIDE
        at.append((np.abs(found.log_at - best) / found.log_error)[inside].ravel())
        low.append((np.abs(found.loss - least) / found.error)[inside])
    for errors in (np.concatenate(at), np.concatenate(low)):
        assert len(errors) > 1500
        assert 0.87 < np.mean(errors < T90) < 0.95


@needs_data
def test_parabolas_in_the_size_find_the_published_optima_of_every_budget():
    folder = data_folder() / "porian"
    found = jaxscale.read_runs(
        folder / "porian_isoflop.csv", best_of="config,C", over="N", map={"loss": "N_opt"}
    )
    configs = pandas.read_csv(folder / "porian_isoflop.csv")["config"].to_numpy()
    ours = pandas.DataFrame({"config": configs[found.rows - 2], "flops": found.column("C")})
    published = pandas.read_csv(folder / "porian_optimal.csv")
    both = ours.assign(N=found.loss).merge(published, on=["config", "flops"])
    both = both.dropna(subset=["params_opt", "log_params_opt_std"])
    away = np.abs(np.log(both["N"] / both["params_opt"]))
    assert len(found) == 172 and len(both) > 160
    assert np.median(away) < 0.1 and np.mean(away < 2 * both["log_params_opt_std"]) > 0.95


@needs_data
def test_optima_of_step_law_follow_power_laws_more_closely_than_its_lowest_runs():
    path = data_folder() / "steplaw" / "steplaw_dense.csv"
    found = jaxscale.read_runs(path).tuning("N", "D", over="lr,batch")
    assert (found.optima.kind == INSIDE).all() and len(found) == 17
    N, D = np.log(found.labels["N"]), np.log(found.labels["D"])
    design = np.column_stack([np.ones(17), N, D])
    rates = {"optimum": found.optima.log_at[:, 0], "lowest": np.log(found.values[:, 0])}
    rates["lowest"] = rates["lowest"][found.optima.lowest]
    laws = {name: np.linalg.lstsq(design, y, rcond=None)[0] for name, y in rates.items()}
    scatter = {name: np.std(y - design @ laws[name]) for name, y in rates.items()}
    assert scatter["optimum"] < 0.6 * scatter["lowest"]
    np.testing.assert_allclose(laws["optimum"][1:], [-0.713, 0.307], atol=0.1)  # published
