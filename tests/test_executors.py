"""Tasks on executors: all come back, whatever dies, and what cannot go on says what to do."""

import pickle
import threading
import time
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import pytest

import jaxscale
from jaxscale import executors
from jaxscale.executors import ALONE, GIVEN_UP, Crew, WorkerError, spread


def tenfold(task):
    if task == "bad":
        raise jaxscale.DataError("column 'N', row 3: bad")
    return 10 * task


class Lending(Executor):
    """Stands in for processes of our own: dies of some tasks, and takes nothing after that."""

    deadly = {}  # task: how often it kills
    loads = []

    def __init__(self, count):
        self.start()

    def start(self):
        self.broken = False

    def submit(self, function, task):
        Lending.loads.append(task)
        future = Future()
        if self.broken:
            raise BrokenProcessPool("dead already")
        if self.deadly.get(task, 0) > 0:
            self.deadly[task] -= 1
            self.broken = True
            future.set_exception(BrokenProcessPool("died"))
        else:
            future.set_result(function(task))
        return future

    def end(self):
        pass


@pytest.mark.parametrize("threads", [None, 1, 3])
def test_every_result_comes_back_with_its_place(threads):
    pool = ThreadPoolExecutor(threads) if threads else None
    found = dict(spread(tenfold, range(100, 130), executor=pool))
    assert found == {k: 10 * (100 + k) for k in range(30)}


def test_without_an_executor_the_order_is_that_of_the_tasks():
    assert list(spread(tenfold, [3, 1, 2])) == [(0, 30), (1, 10), (2, 20)]


def test_a_long_list_of_tasks_is_taken_as_it_is_needed(monkeypatch):
    monkeypatch.setattr(executors, "IN_FLIGHT", 5)
    taken = []
    tasks = (taken.append(k) or k for k in range(1000))
    found = spread(tenfold, tasks, executor=ThreadPoolExecutor(2))
    next(found)
    assert len(taken) <= 6
    found.close()


@pytest.mark.parametrize("size, most", [(0, 512), (1, 512), (1 << 25, 128), (1 << 40, 2)])
def test_large_tables_are_not_all_in_flight(size, most):
    with Crew(lambda task: (tenfold, task), executor=ThreadPoolExecutor(1), size=size) as crew:
        assert crew.most == most


@pytest.mark.parametrize("threads", [None, 2])
def test_the_first_error_is_raised_as_it_is_and_ends_the_rest(threads):
    pool, ran = ThreadPoolExecutor(threads) if threads else None, []

    def noted(task):
        ran.append(task)
        time.sleep(0 if task == "bad" else 0.01)  # else all may run before the error is seen
        return tenfold(task)

    with pytest.raises(jaxscale.DataError, match="column 'N', row 3"):
        list(spread(noted, ["bad", *range(400)], executor=pool))
    assert len(ran) < 400


@pytest.mark.parametrize(
    "given, message",
    [
        ({"executor": ThreadPoolExecutor(1), "workers": 2}, "not both"),
        ({"workers": 0}, "workers must be a whole number >= 1, got 0"),
        ({"executor": "tcp://localhost:8786"}, "client.get_executor.*got str"),
        ({"executor": threading}, "got module"),
    ],
)
def test_what_is_no_executor_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        list(spread(tenfold, [1], **given))


@pytest.mark.parametrize("deaths", [{3: 1}, {0: 1, 7: 2}, {19: 3}, {5: 2, 6: 3, 18: 1}])
def test_a_worker_that_dies_loses_nothing(monkeypatch, deaths):
    monkeypatch.setattr(executors, "_Processes", Lending)
    monkeypatch.setattr(Lending, "deadly", dict(deaths))
    monkeypatch.setattr(Lending, "loads", [])
    assert dict(spread(tenfold, range(20), workers=2)) == {k: 10 * k for k in range(20)}
    assert any(Lending.loads) and not any(Lending.deadly.values())


def test_a_task_that_kills_its_workers_is_given_up_alone(monkeypatch):
    monkeypatch.setattr(executors, "_Processes", Lending)
    monkeypatch.setattr(Lending, "deadly", {4: 100})
    monkeypatch.setattr(Lending, "loads", [])
    found = {}
    with Crew(lambda task: (tenfold, task), workers=2) as crew:
        for task in range(20):
            crew.add(task)
        for task, future in crew:
            found[task] = future.exception() or future.result()
    assert f"its worker process died {GIVEN_UP} times" in str(found.pop(4))
    assert found == {k: 10 * k for k in range(20) if k != 4}
    assert Lending.loads[-2:] == [4] * (GIVEN_UP - ALONE)


def test_workers_that_die_of_anything_say_what_may_be_wrong(monkeypatch):
    monkeypatch.setattr(executors, "_Processes", Lending)
    monkeypatch.setattr(Lending, "deadly", dict.fromkeys(range(20), 100))
    with pytest.raises(WorkerError, match="before they have computed anything.*__main__"):
        list(spread(tenfold, range(20), workers=2))


class Losing(Executor):
    """An executor of somebody else's, which fails in its own way."""

    def __init__(self, failure):
        self.failure = failure

    def submit(self, function, task):
        future = Future()
        if self.failure == "dropped":
            future.cancel()
        elif isinstance(self.failure, BrokenExecutor) and task == 1:
            raise self.failure
        else:
            future.set_exception(self.failure)
        return future


@pytest.mark.parametrize(
    "failure, message",
    [
        ("dropped", "the executor dropped its tasks: it was shut down, or its scheduler was"),
        (BrokenProcessPool("died"), "takes no more tasks then; give it fewer workers, or `workers"),
        (ModuleNotFoundError("No module named 'jaxscale'"), "where the same version of jaxscale"),
    ],
)
@pytest.mark.parametrize("task", [0, 1])
def test_an_executor_that_fails_says_what_to_do(failure, message, task):
    with pytest.raises(WorkerError, match=message):
        list(spread(tenfold, [task], executor=Losing(failure)))


@pytest.mark.parametrize(
    "kind", [jaxscale.DataError, jaxscale.FitError, jaxscale.LawError, WorkerError]
)
def test_errors_travel_between_processes(kind):
    error = kind("runs.csv, row 3: loss is missing")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind and again.args == error.args and str(again) == str(error)
