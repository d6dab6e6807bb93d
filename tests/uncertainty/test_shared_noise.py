"""Noise that runs share is seen without being told, where it is there, and drawn as what it is."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

import jaxscale
from jaxscale.data.sizes import equal_sizes
from jaxscale.datasets.synthetic import isoflop_design
from jaxscale.fitting.linearized import linearize
from jaxscale.shown.blocks import full_text
from jaxscale.uncertainty.bootstrap import bootstrap
from jaxscale.uncertainty.components import Model, components, model, p_values
from jaxscale.uncertainty.groupings import groupings
from jaxscale.uncertainty.quantities import Prediction
from jaxscale.uncertainty.shared import LEVELS, find_sharing, level_of, own_part

TRUTH = jaxscale.Chinchilla(E=1.8, A=480.0, B=2100.0, alpha=0.35, beta=0.36)
BUDGETS, SIZES = 6, 10
BUDGET = np.repeat(np.arange(BUDGETS), SIZES)
PLACE = np.tile(np.arange(SIZES), BUDGETS)


def rows_of(N, D):
    """Slopes [n, 5] of the logarithm of Chinchilla's law."""
    a, b = TRUTH.A * N**-TRUTH.alpha, TRUTH.B * D**-TRUTH.beta
    columns = [np.ones_like(N), a, b, a * np.log(N), b * np.log(D)]
    return np.column_stack(columns) / (TRUTH.E + a + b)[:, None]


def linear(residual, rows):
    basis = np.linalg.qr(rows)[0]
    return Model(np.ones(len(residual), bool), rows, residual, basis)


def table(share, seed, sizes=1.0, group=None):
    """Runs of six budgets: of the variance of .01, `share` is the budget's."""
    N, D = isoflop_design(np.logspace(18, 21, BUDGETS), sizes=SIZES)
    rng = np.random.default_rng(seed)
    noise = np.sqrt(1 - share) * rng.normal(size=len(N))
    noise += np.sqrt(share) * rng.normal(size=BUDGETS)[BUDGET]
    loss = jaxscale.predict(TRUTH, N=N, D=D) * np.exp(0.01 * noise * sizes)
    return jaxscale.Runs(N=N, D=D, loss=loss, group=group)


ROWS = rows_of(*isoflop_design(np.logspace(18, 21, BUDGETS), sizes=SIZES))


@pytest.fixture(scope="module")
def together():
    return jaxscale.fit(jaxscale.Chinchilla(), table(0.6, 1), starts=32)


@pytest.mark.parametrize(
    "size, level",
    [
        ([1e18, 1e19, 1e18, 1e20], [0, 1, 0, 2]),
        ([1e18, 1.02e18, 0.99e18, 3e18, 3.05e18], [0, 0, 0, 1, 1]),  # met within 3 %
        ([1e9, 1e9 * (1 + 1e-12), 2e9], [0, 0, 1]),
        (1e9 * 1.015 ** np.arange(20), np.arange(20)),  # within 3 %, but a chain without end
        (1e9 * 1.005 ** np.arange(40), np.arange(40)),  # the same within 1 %
        (np.repeat(1e9 * 1.025 ** np.arange(9), 2), np.repeat(np.arange(9), 2)),
    ],
)
def test_sizes_are_equal_within_rounding_and_no_chain_of_them_is(size, level):
    assert equal_sizes(np.array(size)).tolist() == list(level)


def test_budgets_sizes_and_groups_are_found_once_each(together):
    assert [each.of for each in groupings(together)] == ["budget", "N", "D"]
    grouped = together.runs.replace(group=PLACE, names={"group": "family"})
    found = groupings(dataclasses.replace(together, runs=grouped))
    assert [each.of for each in found] == ["family", "budget", "N", "D"]
    same = together.runs.replace(group=BUDGET.astype(str), names={"group": "sweep"})
    found = groupings(dataclasses.replace(together, runs=same))
    assert [each.of for each in found] == ["sweep", "N", "D"]
    assert found[0].each == "one sweep" and found[1].each == "equal N"


@pytest.mark.parametrize("labels, q", [(BUDGET, 5), (PLACE, 9)])
def test_components_are_those_of_the_analysis_of_variance(labels, q):
    y = np.random.default_rng(0).normal(size=len(labels))
    found = components(linear(y, ROWS), labels)
    dummies = (labels[:, None] == np.unique(labels)).astype(float)
    law, both = ROWS, np.hstack([ROWS, dummies])
    left = [y - x @ np.linalg.lstsq(x, y, rcond=None)[0] for x in (law, both)]
    among = left[0] @ left[0] - left[1] @ left[1]
    assert len(found.square) <= q  # what the law absorbs all but wholly tells nothing
    np.testing.assert_allclose(found.square.sum(), among, rtol=1e-6)
    np.testing.assert_allclose(found.own * found.freedom, left[1] @ left[1], rtol=1e-6)
    projector = np.eye(len(y)) - law @ np.linalg.pinv(law)
    np.testing.assert_allclose(
        found.loading.sum(), np.trace(dummies.T @ projector @ dummies), rtol=1e-6
    )
    assert found.leverage.sum() == pytest.approx(len(y) - found.freedom)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.8])
def test_the_intraclass_correlation_is_right_on_average(share):
    rng = np.random.default_rng(3)
    own, shared = [], []
    for _ in range(1000):
        y = np.sqrt(1 - share) * rng.normal(size=60)
        y += np.sqrt(share) * rng.normal(size=BUDGETS)[BUDGET]
        found = components(linear(y, ROWS), BUDGET)
        surplus = found.loading @ found.square - found.own * found.loading.sum()
        own.append(found.own)
        shared.append(surplus / (found.loading**2).sum())
        assert found.ratio == pytest.approx(max(0, shared[-1] / found.own))
    error = np.std([own, shared], axis=1) / np.sqrt(1000)
    assert abs(np.mean(own) - (1 - share)) < 3.5 * error[0]
    assert abs(np.mean(shared) - share) < 3.5 * error[1]


NOISES = {
    "normal": lambda rng: rng.normal(size=60),
    "of other sizes": lambda rng: rng.normal(size=60) * 6.0 ** np.linspace(1, 0, 60),
    "heavy tails": lambda rng: np.clip(rng.standard_t(2, size=60), -4, 4),
}


@pytest.mark.parametrize("noise", NOISES)
def test_noise_of_any_kind_that_is_not_shared_raises_no_more_alarms_than_it_may(noise, monkeypatch):
    monkeypatch.setattr("jaxscale.uncertainty.components.SIGNS", 199)
    rng, draw, tables = np.random.default_rng(4), NOISES[noise], 1000
    p = [p_values(linear(draw(rng), ROWS), [BUDGET, PLACE])[1] for _ in range(tables)]
    for level in LEVELS:
        least, most = stats.binom.ppf([0.001, 0.999], tables, level)
        assert least <= np.sum(np.array(p) <= level) <= most + 0.02 * tables, level


def test_noise_that_is_shared_is_seen(monkeypatch):
    monkeypatch.setattr("jaxscale.uncertainty.components.SIGNS", 199)
    rng, seen = np.random.default_rng(5), 0
    for _ in range(200):
        y = rng.normal(size=60) + 1.2 * rng.normal(size=BUDGETS)[BUDGET]
        single, p = p_values(linear(y, ROWS), [PLACE, BUDGET], np.array([0.5, 0.5]))
        seen += p <= 0.1 and single[1] < single[0]
    assert seen > 150


def test_the_posterior_of_equal_loadings_gives_students_t():
    """A sum of group means, whose variance is known on q numbers only."""
    found = components(
        linear(np.random.default_rng(6).normal(size=60), ROWS[:, :1] * 0 + 1), BUDGET
    )
    q = len(found.square)
    assert np.ptp(found.loading) < 1e-9 and q == 5
    large = found._replace(square=found.square * 1e3)  # own noise is next to nothing
    ratio, below = large.ratios()
    rng = np.random.default_rng(7)
    drawn = ratio[np.searchsorted(below, rng.random(200_000))]
    draws = np.sqrt(drawn) * rng.normal(size=len(drawn))
    scale = np.sqrt(large.square.mean() / large.own / large.loading[0])
    expected = stats.t.ppf([0.6, 0.9, 0.95], q) * scale
    np.testing.assert_allclose(np.quantile(draws, [0.6, 0.9, 0.95]), expected, rtol=0.03)


def test_few_groups_may_raise_more_alarms():
    levels = [level_of(groups) for groups in (1.5, 2, 4, 5, 50)]
    assert levels == pytest.approx([0.25, 0.25, 0.0625, 0.05, 0.05])
    assert (levels[-1], levels[0]) == LEVELS


@pytest.mark.parametrize(
    "labels",
    [
        np.arange(60) % 30,  # two runs each
        np.arange(60) % 2,  # the law leaves one group
        np.arange(60),
        np.zeros(60, int),
    ],
)
def test_groups_that_tell_nothing_are_not_tested(labels):
    assert components(linear(np.random.default_rng(0).normal(size=60), ROWS), labels) is None


def test_tables_without_shared_noise_are_drawn_as_ever(fitted):
    at = linearize(fitted)
    assert find_sharing(fitted, at, np.ones(60)) is None
    found = bootstrap(fitted, draws=40, seed=5)
    same = bootstrap(fitted, method=found.method, draws=40, seed=5)
    assert found.method in ("residual", "case") and found.sharing is None and found.notes == ()
    np.testing.assert_array_equal(found.law.alpha, same.law.alpha)


@pytest.mark.parametrize("scale", [1.0, 1e-9])
def test_residuals_that_are_rounding_share_nothing(together, scale):
    at = linearize(together)
    small = dataclasses.replace(at, residual=at.residual * scale)
    assert (model(small, np.ones(60)) is None) == (scale < 1)
    assert (find_sharing(together, small, np.ones(60)) is None) == (scale < 1)


def test_the_default_draws_what_a_budget_shares_and_says_so(together):
    found = bootstrap(together, draws=40, seed=5)
    assert found.method == "shared-noise" and found.sharing.of == "budget"
    np.testing.assert_array_equal(np.unique(found.labels, return_inverse=True)[1], BUDGET)
    assert found.sharing.p < 0.05 and 0.2 < found.sharing.icc < 0.95
    assert found.notes[0] == full_text(found.sharing)
    assert found.notes[0].startswith("residuals of one budget move together (intraclass corr")
    again, few = bootstrap(together, draws=40, seed=5), bootstrap(together, draws=9, seed=5)
    np.testing.assert_array_equal(found.law.alpha, again.law.alpha)
    np.testing.assert_array_equal(found.law.alpha[:9], few.law.alpha)
    # What lies along the budgets is less certain than of runs that err apart; N* is not.
    at = Prediction({"N": 1e10, "D": 2e11})
    apart = bootstrap(together, method="residual", draws=40, seed=5)
    assert found.error(at) > 1.3 * apart.error(at)
    named = bootstrap(together, method="shared-noise", group=BUDGET, draws=40, seed=5)
    np.testing.assert_array_equal(named.law.alpha, found.law.alpha)
    assert np.isnan(named.sharing.p) and "what runs of one group share" in named.notes[0]
    new, mean = (found.predict(new_run=x, N=1e10, D=2e11) for x in (True, False))
    assert new.high - new.low > mean.high - mean.low


def test_a_run_of_weight_zero_tells_nothing_of_its_group(together):
    weight = np.ones(60)
    weight[:SIZES] = 0
    loss = together.runs.loss.copy()
    loss[:SIZES] *= 1.5
    found = []
    for runs in (together.runs, together.runs.replace(loss=loss)):
        fit = dataclasses.replace(together, runs=runs.replace(weight=weight))
        found.append(find_sharing(fit, linearize(fit), np.ones(60)))
    assert found[0].icc == pytest.approx(found[1].icc, rel=1e-9) and found[0].p == found[1].p


def test_own_noise_is_what_a_budget_leaves(together):
    own = own_part(linearize(together), BUDGET)
    shift = [abs(own.residual[BUDGET == k].mean()) for k in range(BUDGETS)]
    assert max(shift) < 0.3 * own.residual.std()
    assert own.leverage.sum() == pytest.approx(5 + len(shift) - 1, abs=1.1)


@pytest.mark.slow
def test_noise_that_differs_in_size_as_well_draws_cases():
    sizes = 12.0 ** np.linspace(1, 0, 60)
    fit = jaxscale.fit(jaxscale.Chinchilla(), table(0.7, 3, sizes), starts=32)
    found = bootstrap(fit, draws=40)
    assert found.method == "shared-noise" and found.widening == pytest.approx((60 / 55) ** 0.5)
    assert any("runs were drawn as cases" in note for note in found.notes)
