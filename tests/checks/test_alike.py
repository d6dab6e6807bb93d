"""Rows that are alike, and lists of numbers that are plain: what is quick says what is slow."""

import math

import numpy as np
import pytest

from jaxscale.checks.alike import alike, distinct
from jaxscale.files.document import plain
from jaxscale.fitting import suspects


@pytest.mark.parametrize("values", [2, 10, 10_000])
def test_rows_are_grouped_as_numpy_groups_them(values):
    rng = np.random.default_rng(values)
    table = rng.integers(-values, values, (500, 3)) * 0.1
    table[rng.random(table.shape) < 0.1] = -0.0
    first, group, rows = alike(list(table.T))
    _, at, whose, count = np.unique(
        table + 0.0, axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    whose = np.ravel(whose)
    assert distinct(list(table.T)) == len(at) == len(first)
    np.testing.assert_array_equal(first, np.sort(at))
    np.testing.assert_array_equal(first[group], at[whose])
    np.testing.assert_array_equal(rows[group], count[whose])


@pytest.mark.parametrize("swapped", [[0.0, 1.0], [1e300, -1e-300]])
def test_columns_are_not_taken_for_each_other(swapped):
    a, b = swapped
    assert distinct([np.array([a, b]), np.array([b, a])]) == 2
    assert distinct([np.array([a, a]), np.array([b, b])]) == 1


@pytest.mark.parametrize(
    "given",
    [[1.0, 2.0], [1, 2.5], (1, 2), ["a", 1, True], [math.nan, 1.0], [math.inf], [np.float64(2)],
     [None, 1.0], [[1.0, math.nan], {"a": [math.inf, 1]}], []],
)  # fmt: skip
def test_a_list_is_plain_as_its_elements_are(given):
    def slow(value):
        if isinstance(value, dict):
            return {key: slow(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [slow(each) for each in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    assert plain(given) == slow(given)


@pytest.mark.parametrize("chunk", [1, 7, 64])
def test_outliers_are_the_same_however_many_are_judged_at_a_time(chunk, monkeypatch):
    rng = np.random.default_rng(5)
    found = 0
    for _ in range(40):
        slopes, r = rng.normal(size=(90, 3)), rng.standard_t(3, 90)
        slopes[:, 2] *= rng.random(90) < 0.03  # which few runs tell of
        given = (r, slopes, 87, np.zeros(90))
        whole = suspects.outliers(*given)
        with monkeypatch.context() as patch:
            patch.setattr(suspects, "CHUNK", chunk)
            np.testing.assert_array_equal(suspects.outliers(*given), whole)
        found += len(whole) > 0
    assert 5 < found < 40
