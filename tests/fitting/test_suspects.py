"""Runs are suspect where chance does not do it: at few runs as at many, and not for rounding."""

import dataclasses

import numpy as np
import pytest

import jaxscale
from benchmarks import flags
from jaxscale import Absolute, Huber, Square
from jaxscale._numerics.digits import decimal_unit
from jaxscale.fitting.passing import passed_through
from jaxscale.fitting.suspects import outliers

SIGMA = 0.004


def slopes(n, parameters, rng):
    """Slopes [n, P] of E + A N^-alpha + B D^-beta, or of a line, at random sizes."""
    x, y = rng.normal(size=(2, n))
    A, B = 0.4 * np.exp(-0.7 * x), 0.3 * np.exp(-0.7 * y)
    columns = [np.ones(n), x] if parameters == 2 else [np.ones(n), A, B, A * x, B * y]
    return np.column_stack(columns)


def table(n, parameters, seed, off=()):
    """Residuals of least squares on noise with errors `off` in the first rows, and the slopes."""
    rng = np.random.default_rng([n, parameters, seed])
    X = slopes(n, parameters, rng)
    error = SIGMA * rng.normal(size=n)
    error[: len(off)] += off
    return error - X @ np.linalg.lstsq(X, error, rcond=None)[0], X


def found(n, parameters, seed, off=()):
    r, X = table(n, parameters, seed, off)
    return outliers(r, X, n - parameters, np.zeros(n))


@pytest.mark.parametrize("parameters", [2, 5])
@pytest.mark.parametrize("more", [1, 2, 3, 5, 15, 60])
def test_few_clean_tables_have_a_suspect(more, parameters):
    hits = sum(len(found(more + parameters, parameters, seed)) > 0 for seed in range(120))
    assert hits <= 9  # of 120: 5 % are 6


@pytest.mark.parametrize(
    "n, parameters, off, share",
    [
        (8, 2, (2.3,), 0.9),
        (8, 5, (2.3,), 0.5),
        (12, 5, (2.3,), 0.85),
        (12, 2, (0.03,), 0.75),
        (20, 5, (-0.03,), 0.7),
        (50, 5, (0.03,), 0.9),
        (50, 5, (0.03, -0.03, 0.03, 0.03, -0.03), 0.75),
        (50, 5, (2.3, 2.3, 2.3, 2.3, 2.3), 0.95),
        (200, 5, (0.03,) * 20, 0.8),
    ],
)
def test_wrong_runs_are_found_also_several_at_once(n, parameters, off, share):
    seen = [np.isin(np.arange(len(off)), found(n, parameters, k, off)).mean() for k in range(40)]
    assert np.mean(seen) >= share


def test_the_others_are_not_suspect_beside_them():
    others = [np.sum(found(50, 5, seed, (2.3, 0.03, -2.3)) > 2) for seed in range(40)]
    assert np.mean(others) < 0.1


@pytest.mark.parametrize("n, parameters", [(2, 2), (3, 2), (6, 5)])
def test_with_one_spare_run_nobody_can_tell(n, parameters):
    assert all(len(found(n, parameters, seed, (5.0,))) == 0 for seed in range(20))


@pytest.mark.parametrize("unit", [1e-12, 1.0, 3e9])
@pytest.mark.parametrize("scale", [1e-6, 1e8])
def test_units_and_order_change_nothing(unit, scale):
    r, X = table(20, 5, 3, (0.05, -0.05))
    order = np.random.default_rng(0).permutation(20)
    assert list(outliers(r, X, 15, np.zeros(20))) == [0, 1]
    moved = outliers(unit * r[order], scale * X[order], 15, np.zeros(20))
    assert sorted(order[moved]) == [0, 1]


def test_a_run_that_alone_decides_a_parameter_is_not_suspect():
    r, X = table(12, 2, 0)
    X = np.column_stack([X, np.arange(12) == 4])  # nobody else tells of the third parameter
    r[4] = 7.0
    assert 4 not in outliers(r, X, 9, np.zeros(12))


@pytest.mark.parametrize("slope", [0.0, np.nan, np.inf])
def test_slopes_that_say_nothing_raise_nothing(slope):
    r, X = table(12, 2, 0, (1.0,))
    X[:, 1] = slope
    assert set(outliers(r, X, 10, np.zeros(12))) <= {0}


@pytest.mark.parametrize("decimals", [1, 2, 3, 6, 9])
@pytest.mark.parametrize("n", [7, 8, 12, 30])
def test_losses_that_are_rounded_are_not_suspect_for_that(decimals, n):
    for seed in range(10):
        rng = np.random.default_rng([n, seed])
        X = slopes(n, 5, rng)
        y = 1.8 + X[:, 1] + X[:, 2]
        error = np.round(y, decimals) - y
        r = error - X @ np.linalg.lstsq(X, error, rcond=None)[0]
        assert len(outliers(r, X, n - 5, decimal_unit(np.round(y, decimals)) / 2)) == 0


def test_a_rounded_loss_that_is_wrong_is_suspect():
    rng = np.random.default_rng(0)
    X = slopes(20, 5, rng)
    y = np.round(1.8 + X[:, 1] + X[:, 2], 2)
    error = y - (1.8 + X[:, 1] + X[:, 2])
    y[6] += 0.15
    error[6] += 0.15
    r = error - X @ np.linalg.lstsq(X, error, rcond=None)[0]
    assert list(outliers(r, X, 15, decimal_unit(y) / 2)) == [6]


@pytest.mark.parametrize(
    "losses, units",
    [
        ([3.21, 2.5, 4.4], [0.01] * 3),
        ([3.21, 2.5, 12.3], [0.01, 0.01, 0.1]),  # three digits
        ([9.99, 10.01], [0.01] * 2),
        ([0.0, 1.5, -2.25], [0.01] * 3),
        ([120.0, 1300.0, 90.0], [10.0, 100.0, 10.0]),
        ([3.0e-7, 2.1e-7], [1e-8] * 2),
    ],
)
def test_the_unit_of_the_last_digit_is_read_from_the_losses(losses, units):
    np.testing.assert_allclose(decimal_unit(np.array(losses)), units, rtol=1e-9)


@pytest.mark.parametrize("losses", [[np.pi, np.e], [0.1 + 0.2, 1 / 3], [1e300 / 3, 1.0], [0.0]])
def test_losses_in_full_precision_have_no_such_unit(losses):
    y = np.array(losses)
    assert np.all(decimal_unit(y) <= 1e-10 * np.abs(y).max())


@pytest.mark.parametrize(
    "loss, inside, used, free, said",
    [
        (Huber(), 5, 8, 5, "the default loss all but passes through 5 of 8 runs"),
        (Huber(), 3, 5, 3, "5 runs and takes only the side of the others; Square()"),
        (Huber(0.01), 4, 6, 3, "the loss huber (delta 0.01) all but"),
        (Absolute(), 5, 12, 5, "the loss absolute all but passes through 5 of 12 runs"),
        (Huber(), 7, 8, 5, ""),  # narrow noise: nearly least squares
        (Huber(), 8, 8, 5, ""),
        (Huber(), 5, 16, 5, ""),
        (Square(), 8, 8, 5, ""),
    ],
)
def test_what_a_loss_near_the_absolute_one_does_to_few_runs_is_said(loss, inside, used, free, said):
    notes = passed_through(loss, inside, used, free)
    assert said in " ".join(notes) and len(notes) == (said != "")


@pytest.mark.parametrize(
    "absent, lines",
    [
        ((), ("R²              0.40000 on log loss, 0.50000 on loss", "0.20000 on log loss")),
        (
            ("r2_log", "rmse_log"),
            ("R²              0.50000 on loss", "RMSE            0.10000 on loss"),
        ),
        (("r2_log", "rmse_log", "r2"), ("RMSE            0.10000 on loss",)),
    ],
)
def test_statistics_that_do_not_exist_are_left_out(fitted, absent, lines):
    known = dict(r2=0.5, r2_log=0.4, rmse=0.1, rmse_log=0.2)
    fit = dataclasses.replace(fitted, statistics=known | dict.fromkeys(absent, np.nan))
    text, written = str(fit), fit.to_dict()["statistics"]
    assert all(line in text for line in lines) and "nan" not in text
    assert ("R²" in text) == ("r2" not in absent)
    assert {name for name, value in written.items() if value is None} == set(absent)


@pytest.mark.parametrize("wrong", flags.WRONG)
def test_the_benchmark_counts_what_it_says(wrong):
    """One compiled shape: what is counted holds of a small sample too."""
    cell = flags.Cell("PurePowerLaw", "huber", 20, wrong)
    runs, planted = flags.table(cell, flags.truth(cell.law), np.random.default_rng(0))
    assert len(runs) == 20 and len(planted) == dict(nothing=0, tenth=2).get(wrong, 1)
    counted = flags.run_cell(cell, 10)
    assert counted["flagged"] <= 0.2 if wrong == "nothing" else counted["found"] >= 0.7


@pytest.mark.slow
def test_a_law_of_five_parameters_on_eight_runs_is_rarely_flagged():
    cell = flags.Cell("Chinchilla", "huber", 8, "nothing")
    assert flags.run_cell(cell, 25)["flagged"] <= 0.12  # before there was a rule of chance: 70 %


def test_a_run_without_weight_is_not_suspect(noisy):
    weight = np.ones(len(noisy))
    weight[[3, 44]] = 0.0
    fit = jaxscale.fit(jaxscale.Chinchilla(), noisy.replace(weight=weight))
    assert {17, 30} <= set(fit.suspects) and not {3, 44} & set(fit.suspects)


@pytest.mark.parametrize(("questions", "seed"), [(200, 46), (1000, 44), (5000, 55)])
def test_counts_are_not_suspect_for_what_counts_scatter_by(questions, seed):
    compute = np.geomspace(1e18, 1e23, 12)
    right = 0.25 + 0.75 * np.exp(-0.1 - 3 * (compute / 1e19) ** -0.35)
    share = np.random.default_rng(seed).binomial(questions, right) / questions
    table = {"C": compute, "accuracy": share, "trials": np.full(12, questions)}
    law = jaxscale.DirectAccuracy(Q_min=0.25)
    fit = jaxscale.fit(law, table, residual="binomial", starts=64)
    assert list(fit.suspects) == []
    table["accuracy"] = share + np.where(np.arange(12) == 6, 8 * (0.25 / questions) ** 0.5, 0)
    table["accuracy"] = np.round(table["accuracy"] * questions) / questions
    assert list(jaxscale.fit(law, table, residual="binomial", starts=64).suspects) == [6]
