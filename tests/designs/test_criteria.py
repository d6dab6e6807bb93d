"""What a batch is worth, and which one is best: rules of matrices, without a law."""

import dataclasses

import numpy as np
import pytest

from jaxscale.designs.criteria import CRITERIA, Criterion
from jaxscale.designs.selection import Limits, choose, exhaustive, grown, in_order


def problem(kind, seed, m=12, order=3, robust=True):
    """Random slopes of candidates, and of ten runs that are there; two answers for V."""
    rng = np.random.default_rng(seed)
    there, rows = rng.normal(size=(10, order)), rng.normal(size=(m, order))
    bend, pull = np.ones(m), np.full(m, 0.5)
    if robust:  # noise of its own for every candidate
        bend, pull = rng.uniform(0.2, 2, m), rng.uniform(0.2, 2, m)
    asked = rng.normal(size=({"c": 1, "V": 2, "D": 0}[kind], order))
    made = Criterion(
        kind=kind, rows=rows, bend=bend, pull=pull, known=there.T @ there,
        scored=0.5 * there.T @ there, asked=asked, scale=np.ones(len(asked)),
    )  # fmt: skip
    cost = 10 ** rng.uniform(0, 2, m)
    return made, cost


@pytest.mark.parametrize("kind", CRITERIA)
@pytest.mark.parametrize("seed", range(3))
def test_an_update_by_one_run_is_the_whole_matrix_worked_out_anew(kind, seed):
    criterion, _ = problem(kind, seed)
    for batch in ([], [3], [3, 3, 7]):
        each = criterion.with_each(criterion.after(batch))
        anew = [criterion.after([*batch, k]).level for k in range(len(each))]
        np.testing.assert_allclose(each, anew, rtol=1e-9, atol=1e-9)


def test_the_level_of_one_answer_is_the_log_of_its_sandwich_variance():
    criterion, _ = problem("c", 5)
    rows = criterion.rows[[1, 4]]
    A = criterion.known + (rows.T * criterion.bend[[1, 4]]) @ rows
    B = criterion.scored + (rows.T * criterion.pull[[1, 4]]) @ rows
    h = np.linalg.solve(A, criterion.asked[0])
    assert criterion.after([1, 4]).level == pytest.approx(np.log(h @ B @ h), rel=1e-12)


@pytest.mark.parametrize("rows", [np.zeros((4, 3)), np.ones((4, 3))], ids=["none", "one direction"])
def test_runs_that_do_not_span_the_parameters_determine_nothing(rows):
    criterion, _ = problem("c", 0, m=4)
    lost = dataclasses.replace(
        criterion, rows=rows, known=np.zeros((3, 3)), scored=np.zeros((3, 3))
    )
    state = lost.after([0, 1, 2, 3])
    assert not state.determined and np.isinf(state.variance).all()


@pytest.mark.parametrize("kind", CRITERIA)
@pytest.mark.parametrize("seed", range(8))
def test_the_batch_found_is_within_five_percent_of_the_best_of_all(kind, seed):
    criterion, cost = problem(kind, seed, robust=seed % 2 == 0)
    limits = Limits(cost, float(np.quantile(cost, 0.8)), 4)
    best, found = exhaustive(criterion, limits), choose(criterion, limits)
    levels = [criterion.after(batch).level for batch in (found, best)]
    assert np.exp(0.5 * (levels[0] - levels[1])) < 1.05


@pytest.mark.parametrize(
    ("budget", "most", "repeats"), [(1e9, 3, 1), (5.0, 9, 1), (30.0, 20, 3), (0.5, 4, 1)]
)
def test_a_batch_keeps_to_its_limits(budget, most, repeats):
    criterion, cost = problem("c", 2)
    found = choose(criterion, Limits(cost, budget, most, repeats))
    assert cost[found].sum() <= budget * (1 + 1e-9) and len(found) <= most
    assert np.bincount(found, minlength=12).max(initial=0) <= repeats


def test_a_run_so_noisy_that_a_fit_would_be_worse_with_it_is_left_out():
    criterion, cost = problem("c", 1)
    noisy = dataclasses.replace(criterion, pull=np.full(12, 1e6))
    assert grown(noisy, Limits(cost, 1e9, 12), [], per_cost=True) == []
    assert noisy.with_each(noisy.after([])).min() > noisy.after([]).level


def test_the_order_begins_with_what_pays_most_per_cost():
    criterion, cost = problem("c", 3)
    limits = Limits(cost, 1e9, 4)
    order = in_order(criterion, limits, choose(criterion, limits))
    gain = criterion.after([]).level - criterion.with_each(criterion.after([]))
    assert order[0] == max(order, key=lambda k: gain[k] / cost[k])


def test_too_many_batches_are_not_all_tried():
    criterion, cost = problem("c", 0, m=60)
    with pytest.raises(ValueError, match="too many"):
        exhaustive(criterion, Limits(cost, 1e9, 8))
