"""Fits of more than a dozen parameters: certified, with errors, and honest about what is open."""

import numpy as np
import pytest
from wide_laws import Grouped5, Grouped9, family_law, grouped, grouped_runs

import jaxscale
from jaxscale.engine.laps import limited
from jaxscale.engine.loop import Solution, Status
from jaxscale.optimizers.named import OPTIMIZERS


def solution(values, statuses):
    count = len(values)
    return Solution(
        np.zeros((count, 13)), np.array(values), np.array(statuses), np.zeros(count, int)
    )


@pytest.mark.parametrize(
    "values, stopped, most, among, want",
    [
        ([3.0, 1.0, 2.0], [1, 1, 1], 2, 1, [1, 2]),
        ([3.0, 1.0, 2.0], [1, 0, 1], 2, 1, []),
        ([3.0, 1.0, 2.0], [1, 0, 1], 2, 2, [2, 0]),
        ([np.inf, np.nan, 2.0], [0, 0, 1], 2, 0, [2]),
    ],
)
def test_the_best_lanes_that_were_stopped_go_on(values, stopped, most, among, want):
    ended = [Status.STEP_LIMIT if stop else Status.CONVERGED for stop in stopped]
    assert list(limited(solution(values, ended), most, among)) == want


def test_only_many_parameters_have_a_short_first_lap():
    row = OPTIMIZERS["newton"]
    assert row.lap(12) == row.steps and row.lap(13) < row.steps
    assert OPTIMIZERS["adam"].lap(100) == OPTIMIZERS["adam"].steps


def test_more_parameters_than_a_fit_takes_are_refused_with_a_cure():
    law = family_law(127)
    with pytest.raises(ValueError, match=r"257 free parameters; a fit takes up to 256.*--fix E1"):
        jaxscale.fit(law(), grouped_runs(grouped(5)))


@pytest.mark.slow
@pytest.mark.parametrize("count", [5, 9])
def test_the_truth_is_recovered_within_its_errors(count):
    law = grouped(count)
    found = jaxscale.fit(type(law)(), grouped_runs(law, noise=0.005), starts=64)
    certificate = found.certificate
    assert certificate.trusted and certificate.share_at_best > 0.5
    off = [
        (float(value) - float(law.values[name])) / found.errors[name]
        for name, value in found.law.values.items()
    ]
    assert np.sqrt(np.mean(np.square(off))) < 2
    exact = jaxscale.fit(type(law)(), grouped_runs(law), starts=64)
    for name, value in exact.law.values.items():
        assert float(value) == pytest.approx(float(law.values[name]), rel=1e-4)


@pytest.mark.slow
def test_resampling_and_influence_take_many_parameters():
    law = grouped(5)
    found = jaxscale.fit(Grouped5(), grouped_runs(law, noise=0.005), starts=64)
    spread = jaxscale.bootstrap(found, draws=64).law.alpha.std()
    assert 0.3 < spread / found.errors["alpha"] < 3
    assert np.isfinite(jaxscale.covariance(found).matrix).all()


@pytest.mark.slow
def test_parameters_that_no_run_tells_of_are_named():
    runs = grouped_runs(grouped(9), noise=0.005)
    some = np.flatnonzero(runs.columns["family"] < 9)
    columns = {name: runs.columns[name][some] for name in ("N", "D", "family")}
    without = jaxscale.Runs(**columns, loss=runs.loss[some])
    found = jaxscale.fit(Grouped9(), without, starts=32)
    assert not found.certificate.trusted
    assert any("E9" in reason and "A9" in reason for reason in found.certificate.reasons)
