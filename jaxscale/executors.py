"""Independent tasks on any `concurrent.futures.Executor`, on processes of our own, or right here.

Cells of a sweep, tables of a simulation study: each is one call of one function, and no call knows
of another. Where they run (threads, processes, a `dask.distributed` cluster) is the executor's
business; here is what is left: how many are handed over at a time, what happens when a worker
dies, and that nothing runs on once nobody wants it any more.

An executor that replaces its dead workers (dask does) loses nothing. One of the standard library
takes no more tasks once a process of it has died, so that is an error; a crew that has processes
of its own starts others, and only a task that was under way at several deaths is given up.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from multiprocessing.connection import Connection
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from jaxscale.errors import JaxscaleError

IN_FLIGHT = 512
"""Tasks that an executor of unknown size holds at most."""
MEMORY = 1 << 32
"""Bytes that what these tasks bring along may take."""
PER_PROCESS = 2
"""Tasks in flight per process of our own, so that none waits for the next."""
ALONE, GIVEN_UP = 2, 4
"""Deaths at which a task runs alone, so that it takes no other down with it, and is given up."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class WorkerError(JaxscaleError):
    """The workers are at fault, not what they were given; the message says what to start anew."""


def spread(
    function: Callable[[Item], Result],
    tasks: Iterable[Item],
    *,
    executor: Executor | None = None,
    workers: int | None = None,
) -> Iterator[tuple[int, Result]]:
    """Yield (place, result) of `function` of every task, in the order in which they end.

    Args:
        function: of one task; of module level, so that other processes find it.
        tasks: what it is called with, one by one.
        executor: any `concurrent.futures.Executor`, e.g. `Client(address).get_executor()` of
            dask.distributed; default none: one task after the other, in this process.
        workers: instead of an executor, so many processes of this machine, started with spawn (a
            script then needs `if __name__ == "__main__":`); one that dies is replaced.

    Raises:
        WorkerError: the executor lost its workers.
        ValueError: both are given, or `workers` is no positive number.

    The first error of a task is raised, and what has not begun is cancelled.
    """
    rest = enumerate(tasks)
    with Crew(_with(function), executor=executor, workers=workers) as crew:
        for task in itertools.islice(rest, crew.most):
            crew.add(task)
        for (place, _), future in crew:
            yield place, future.result()
            for task in itertools.islice(rest, 1):
                crew.add(task)


def _with(function: Callable[[Item], Result]) -> Callable[[tuple[int, Item]], tuple[Any, Item]]:
    return lambda task: (function, task[1])


class Crew(Generic[Item]):
    """Tasks on their way through an executor: `add` them, then iterate over (item, its future).

    More may be added meanwhile. Leaving the context cancels what is not done.
    """

    def __init__(
        self,
        call: Callable[[Item], tuple[Callable[[Any], Any], Any]],
        *,
        executor: Executor | None = None,
        workers: int | None = None,
        size: int = 1,
    ) -> None:
        """Take an executor.

        Args:
            call: gives the function and the argument of an item, when its turn has come.
            executor: as in `spread`.
            workers: as in `spread`.
            size: bytes that a task brings along at most, about.
        """
        if executor is not None and workers is not None:
            raise ValueError("give an executor or a number of workers, not both")
        if workers is not None and workers < 1:
            raise ValueError(f"workers must be a whole number >= 1, got {workers}")
        if executor is not None and not isinstance(executor, Executor):
            raise ValueError(
                "executor must be a concurrent.futures.Executor (of a dask client: "
                f"client.get_executor()), got {type(executor).__name__}"
            )
        self.call = call
        self.own = None if workers is None else _Processes(workers)
        self.executor: Executor = executor or self.own or _Here()
        self.most = PER_PROCESS * workers if workers else 1
        if executor is not None:
            self.most = max(2, min(IN_FLIGHT, MEMORY // max(size, 1)))
        self.waiting: collections.deque[Item] = collections.deque()
        self.suspects: collections.deque[Item] = collections.deque()
        self.flying: dict[Future[Any], Item] = {}
        self.ended: SimpleQueue[Future[Any]] = SimpleQueue()
        self.deaths: dict[int, int] = collections.Counter()  # by the id of an item
        self.breaks = self.successes = 0  # an error of a task is one: its worker lives

    def add(self, item: Item, *, first: bool = False) -> None:
        """Add a task, behind all others or before them."""
        self.waiting.appendleft(item) if first else self.waiting.append(item)

    def __iter__(self) -> Iterator[tuple[Item, Future[Any]]]:
        while self.waiting or self.suspects or self.flying:
            self._launch()
            future = self.ended.get()
            if future not in self.flying:  # of a pool that is no more
                continue
            error = _error_of(future)
            if isinstance(error, BrokenExecutor):
                yield from self._replace(error)
                continue
            item = self.flying.pop(future)
            self.deaths.pop(id(item), None)
            self.successes += 1
            yield item, future

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for future in self.flying:
            future.cancel()
        if self.own is not None:
            self.own.end()

    def _launch(self) -> None:
        """Hand over as many tasks as may be in flight."""
        while self.waiting and len(self.flying) < self.most:
            if not self._submit(self.waiting):
                return
        if self.suspects and not self.flying:
            self._submit(self.suspects)

    def _submit(self, queue: collections.deque[Item]) -> bool:
        """Hand over the first of a queue, unless a worker has died since the last result."""
        function, argument = self.call(queue[0])
        try:
            future = self.executor.submit(function, argument)
        except BrokenExecutor as error:
            if self.flying:  # theirs is to be dealt with first
                return False
            self._start_again(error)
            return self._submit(queue)
        self.flying[future] = queue.popleft()
        future.add_done_callback(self.ended.put)
        return True

    def _start_again(self, error: BrokenExecutor) -> None:
        """Go on with other processes.

        Raises:
            WorkerError: the pool is not ours, or its processes die whatever they are given.
        """
        if self.own is None:
            raise WorkerError(
                "a worker process died (killed, or out of memory), and this executor takes no "
                "more tasks then; give it fewer workers, or `workers=`, which replaces them"
            ) from error
        self.breaks += 1
        if self.breaks >= GIVEN_UP and not self.successes:
            raise WorkerError(
                "the worker processes die before they have computed anything (stderr may say "
                'why); a script that starts some needs `if __name__ == "__main__":`'
            ) from error
        self.own.start()

    def _replace(self, error: BrokenExecutor) -> Iterator[tuple[Item, Future[Any]]]:
        """Take back what was under way when a worker died; yields what is given up."""
        lost = [f for f in self.flying if not f.done() or isinstance(_error_of(f), BrokenExecutor)]
        self._start_again(error)
        for future in reversed(lost):
            item = self.flying.pop(future)
            self.deaths[id(item)] += 1
            count = self.deaths[id(item)]
            if count >= GIVEN_UP:
                del self.deaths[id(item)]
                yield item, _given_up()
            else:
                (self.suspects if count >= ALONE else self.waiting).appendleft(item)


def _error_of(future: Future[Any]) -> BaseException | None:
    """Return the error of a task that has ended; what says that its worker failed is ours.

    Raises:
        WorkerError: the executor dropped it, or a worker cannot import what it takes.
    """
    if future.cancelled():
        raise WorkerError("the executor dropped its tasks: it was shut down, or its scheduler was")
    error = future.exception()
    if isinstance(error, ImportError):
        raise WorkerError(
            f"a worker cannot compute this ({error}); start workers where the same version of "
            "jaxscale is installed"
        ) from error
    return error


def _given_up() -> Future[Any]:
    future: Future[Any] = Future()
    text = f"its worker process died {GIVEN_UP} times (killed, or out of memory)"
    future.set_exception(JaxscaleError(text))
    return future


def killed(error: BaseException | None) -> bool:
    """Return whether dask gave a task up because one worker after the other died of it."""
    dask = sys.modules.get("distributed")
    return dask is not None and isinstance(error, dask.KilledWorker)


class _Here(Executor):
    """Runs a task in this process as soon as it is handed over."""

    def submit(self, function: Any, /, *args: Any, **options: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(function(*args, **options))
        except JaxscaleError as error:  # the others end all at once
            future.set_exception(error)
        return future


class _Processes(Executor):
    """Processes of this machine, which end as soon as nobody needs them, however this one ends."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.pool: ProcessPoolExecutor | None = None
        self.start()

    def start(self) -> None:
        """Replace the processes."""
        if self.pool is not None:
            self.end()
        context = multiprocessing.get_context("spawn")  # XLA's threads do not survive a fork
        reader, self.lifeline = context.Pipe(duplex=False)
        given = (reader, max(1, (os.cpu_count() or 1) // self.count))
        self.pool = ProcessPoolExecutor(
            self.count, mp_context=context, initializer=_begin, initargs=given
        )

    def submit(self, function: Any, /, *args: Any, **options: Any) -> Future[Any]:
        assert self.pool is not None
        with _uninterrupted():  # this may start the processes
            return self.pool.submit(function, *args, **options)

    def end(self) -> None:
        """End the processes, whatever they are at."""
        assert self.pool is not None
        self.lifeline.close()
        self.pool.shutdown(wait=True, cancel_futures=True)


def _begin(lifeline: Connection, cores: int) -> None:
    """Make this process a worker: Ctrl-C goes to all of a terminal, and only the first decides."""
    os.environ.setdefault("NPROC", str(cores))  # XLA's threads, which it has not begun
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()


def _end_with(lifeline: Connection) -> None:
    """End this process when the other end of a pipe is closed, as it is when its owner dies."""
    with contextlib.suppress(EOFError, OSError):
        lifeline.poll(None)
    os._exit(1)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Start processes that Ctrl-C does not reach while they begin."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def within(seconds: float, function: Callable[[Item], Result], argument: Item) -> Result:
    """Return `function(argument)` of a process of its own, which has so long and no longer.

    Args:
        seconds: from now, the start of the process included; then it is ended.
        function: of module level, so that the process finds it.
        argument: what it is called with.

    Raises:
        TimeoutError: it was not done by then.
        WorkerError: the process died of it.
    """
    own = _Processes(1)
    try:
        return own.submit(function, argument).result(seconds)  # type: ignore[no-any-return]
    except BrokenExecutor as error:
        raise WorkerError("its process died (it ended itself, or ran out of memory)") from error
    finally:
        own.end()
