"""The benchmarks: every method solves a small problem, and the problem grades it."""

import json

import numpy as np
import pytest

pytest.importorskip("scipy")

from benchmarks import __main__ as command
from benchmarks import methods, problems, report
from benchmarks.measure import measure

NEAR = np.array([6.2, 7.6, 0.55, 0.35, 0.35])
SETTINGS = {"rounds": 2, "rival_starts": 4, "full": False, "precision": "float64"}


@pytest.fixture(scope="module")
def problem():
    spread = np.random.default_rng(0).normal(0.0, 0.02, (6, 5))
    return problems.synthetic(60, seed=1, starts=NEAR + spread)


@pytest.fixture(scope="module")
def records(problem):
    return measure(problem, rounds=2, rival_starts=4)


@pytest.fixture(scope="module")
def result(problem, records):
    return report.document(problem, records, SETTINGS)


def test_value_is_the_huber_sum_of_log_residuals(problem):
    a, b, e, alpha, beta = NEAR
    prediction = np.exp(e) + np.exp(a) * problem.N**-alpha + np.exp(b) * problem.D**-beta
    size = np.abs(np.log(prediction / problem.loss))
    delta = problem.delta
    huber = np.where(size <= delta, size**2 / 2, delta * (size - delta / 2))
    assert problem.value(NEAR) == pytest.approx(huber.sum(), rel=1e-12)
    assert problem.value(np.stack([NEAR, NEAR])).shape == (2,)


def test_value_is_finite_or_infinite_at_extreme_starts(problem):
    assert not np.isnan(problem.value(problems.classic_starts())).any()


def test_rivals_get_the_right_gradient(problem):
    value, grad = methods.value_and_grad(NEAR, problem)
    assert value == pytest.approx(float(problem.value(NEAR)), rel=1e-12)
    for k, step in enumerate(1e-6 * np.eye(5)):
        slope = (problem.value(NEAR + step) - problem.value(NEAR - step)) / 2e-6
        assert grad[k] == pytest.approx(slope, rel=1e-4, abs=1e-8)


def test_classic_grid_is_the_published_one():
    starts = problems.classic_starts()
    assert starts.shape == (4500, 5)
    assert len(np.unique(starts, axis=0)) == 4500
    np.testing.assert_array_equal(starts.min(axis=0), [0, 0, -1, 0, 0])
    np.testing.assert_array_equal(starts.max(axis=0), [25, 25, 1, 2, 2])


def test_theta_and_law_are_inverse(problem):
    law = methods.law_of(problem.starts)
    np.testing.assert_allclose(methods.theta_of(law), problem.starts, rtol=1e-12)


def test_every_method_solves_it(problem, records):
    best = min(float(record.values.min()) for record in records)
    assert [r.name for r in records] == [m.name for m in (*methods.OWN, *methods.RIVALS)]
    for record in records:
        # SciPy on the plain sum stops early: that is what the benchmark is to show.
        assert record.answer == pytest.approx(best, rel=0.1), record.name
        assert len(record.cpu) == len(record.wall) == 2
        assert min(record.wall) > 0
        if record.family == "jaxscale":
            assert problem.success(record.answer, best), record.name


def test_the_problem_agrees_with_what_the_fit_reports(records):
    for record in records[:3]:
        if record.reported is not None:
            np.testing.assert_allclose(record.values, record.reported, rtol=1e-9)


def test_document_has_the_promised_keys(result):
    loaded = json.loads(json.dumps(result, allow_nan=False))
    assert set(loaded) == {
        "schema_version", "created", "settings", "problem", "environment", "methods", "ratios",
    }  # fmt: skip
    assert {"device", "dtype", "cpu_count", "versions", "commit"} <= set(loaded["environment"])
    for method in loaded["methods"]:
        assert {"share_successful", "median_steps", "cpu_s", "wall_s", "cpu_ms_per_success",
                "ns_per_start_run_step", "extrapolated", "first_call"} <= set(method)  # fmt: skip
        assert method["extrapolated"] == (method["family"] == "scipy")
    assert [r["target"] for r in loaded["ratios"] if r["target"]] == [50, 20, 1000]


def test_table_states_device_dtype_and_extrapolation(result):
    text = report.table(result)
    assert "float64 on " in text
    assert "extrapolated" in text


def test_bad_options_are_refused(capsys):
    with pytest.raises(SystemExit):
        command.main(["--rounds", "0"])
    assert "at least 1" in capsys.readouterr().err
