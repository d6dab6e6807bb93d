"""Many tables at once: metrics, families, sweeps, simulated data, each with its own certificate.

Every table comes to the answer of its own `fit`: the same starts, the same second search where the
first leaves a doubt, the same certificate. Tables of one shape are searched together (`batch`)
while the host prepares the next ones and judges the last ones. What is wrong with one table is
kept as its refusal, and ends no other.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jaxscale._numerics.precision import host
from jaxscale.data.runs import Runs
from jaxscale.engine.dispatch import Progress
from jaxscale.engine.meshes import Devices
from jaxscale.errors import FitError, JaxscaleError
from jaxscale.fitting.assembly import check, judged
from jaxscale.fitting.batch import TABLES, Asked, Batch, Searched, shape_of
from jaxscale.fitting.fit import Stated, fit_problem
from jaxscale.fitting.informed import left_open_of
from jaxscale.fitting.many_result import ManyFits, Solved
from jaxscale.fitting.preparation import Problem
from jaxscale.laws.names import Given
from jaxscale.objective.fractions import BetaBinomial
from jaxscale.objective.losses import Loss
from jaxscale.objective.residuals import Residual
from jaxscale.optimizers import name_of, row_of, transformation
from jaxscale.varpro.starts import MAX_STARTS

if TYPE_CHECKING:  # importing it takes as long as a fit
    import optax


@host()
def fit_many(
    law: Given,
    tables: Mapping[Any, Any] | Sequence[Any] | Runs,
    *,
    loss: Loss | None = None,
    residual: str | Residual = "log",
    optimizer: str | optax.GradientTransformation | None = None,
    starts: int = 1024,
    seed: int = 0,
    precision: str = "float64",
    max_steps: int | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    tie: Mapping[str, str] | None = None,
    error: str | None = None,
    progress: Progress | None = None,
    mesh: Devices | None = None,
) -> ManyFits:
    """Fit one law to each of many tables of runs, as `fit` fits it to one.

    Args:
        law: see `fit`.
        tables: what `fit` takes as runs, by name; or a sequence of them, named "0", "1", ...; or
            `Runs` with a group, a table for each of its labels.
        loss: see `fit`.
        residual: see `fit`.
        optimizer: see `fit`.
        starts: how many random starts each table has; see `fit`.
        seed: of the starts: the same for every table, as if it were fitted alone.
        precision: see `fit`.
        max_steps: see `fit`.
        bounds: see `fit`.
        tie: see `fit`.
        error: the name of the column of standard errors.
        progress: called with (tables done, tables in all).
        mesh: see `fit`.

    Returns:
        A mapping from the names of the tables to their `FitResult`; `refused` says why a table
        has none.

    Raises:
        TypeError: law, loss, optimizer or the tables are of another kind.
        ValueError: an option is not one of those allowed, or there is no table.

    Cost: per table a sixth of what `fit` takes, and less (`python -m benchmarks.many`).

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> halves = {"even": runs.select(runs.rows % 2 == 0, "odd row"), "all": runs}
        >>> many = jaxscale.fit_many("Chinchilla", halves, starts=64)
        >>> {name: round(fit.law.alpha, 2) for name, fit in many.items()}
        {'even': 0.39, 'all': 0.42}
    """
    begin = time.perf_counter()
    stated = Stated.of(law, loss, residual, bounds=bounds, tie=tie, precision=precision)
    if isinstance(stated.residual, BetaBinomial):
        raise ValueError(
            "beta-binomial residuals take two fits of a table: fit one at a time, or all with "
            "residual='binomial' (--residual binomial), whose errors allow for overdispersion too"
        )
    if isinstance(starts, bool) or not isinstance(starts, int | np.integer):
        raise TypeError(f"starts must be a number of them, got {type(starts).__name__}")
    if not 0 <= starts <= MAX_STARTS:
        raise ValueError(f"starts must be between 0 and {MAX_STARTS:,}, got {starts}")
    asked = Asked(transformation(optimizer), int(starts), seed, precision, max_steps, mesh)
    work = _Work(asked, named(tables), progress)
    with ThreadPoolExecutor(1) as pool:
        work.run(pool, lambda runs: stated.on(runs, error))
    seconds = {**work.seconds, "total": time.perf_counter() - begin}
    return ManyFits(work.names, work.solved, work.refused, seconds)


def named(tables: Any) -> dict[str, Any]:
    """Return tables by name.

    Args:
        tables: a mapping, a sequence, or runs with a group.

    Raises:
        TypeError: it is none of them.
        ValueError: there is no table, or two have one name.
    """
    if isinstance(tables, Runs):
        return dict(tables.by_group())
    if isinstance(tables, Mapping):
        pairs = [(str(name), table) for name, table in tables.items()]
    elif isinstance(tables, Iterable) and not isinstance(tables, str | bytes):
        pairs = [(str(k), table) for k, table in enumerate(tables)]
    else:
        raise TypeError(f"tables must be a mapping or a sequence, got {type(tables).__name__}")
    found = dict(pairs)
    if not found:
        raise ValueError("there is no table to fit")
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"two tables are called {twice!r}; names are compared as text")
    return found


class _Pending(NamedTuple):
    """A batch that is being searched."""

    shape: Hashable
    names: Sequence[str]
    batch: Batch
    future: Future[list[Searched | FitError]]


class _Work:
    """The tables on their way: prepared, gathered to batches, searched, judged."""

    def __init__(self, asked: Asked, tables: dict[str, Any], progress: Progress | None) -> None:
        self.asked, self.tables, self.progress = asked, tables, progress
        self.names = tuple(tables)
        self.solved: dict[str, Solved] = {}
        self.refused: dict[str, str] = {}
        self.axes: dict[Hashable, Any] = {}
        self.doubted: dict[Hashable, list[tuple[str, Any, Searched]]] = {}
        self.seconds = {"compile": 0.0, "solve": 0.0}
        self.steps = row_of(asked.optimizer).steps
        self.steps = self.steps if asked.max_steps is None else int(asked.max_steps)

    def run(self, pool: ThreadPoolExecutor, prepared: Callable[[Any], Problem]) -> None:
        """Do all of it; the pool searches a batch while this thread prepares and judges others."""
        pending: deque[_Pending] = deque()
        waiting: dict[Hashable, list[tuple[str, Problem, Any]]] = {}

        def submit(shape: Hashable) -> None:
            names, problems, axes = zip(*waiting.pop(shape), strict=True)
            batch = Batch(problems, axes, self.asked)
            pending.append(_Pending(shape, names, batch, pool.submit(batch.first)))

        for name, table in self.tables.items():
            for shape, *one in self.prepared(name, prepared, table):
                waiting.setdefault(shape, []).append((name, *one))
                if len(waiting[shape]) == TABLES:
                    submit(shape)
            while pending and pending[0].future.done():
                self.judge(pending.popleft())
        for shape in list(waiting):
            submit(shape)
        while pending:
            self.judge(pending.popleft())
        self.again(pool)

    def prepared(
        self, name: str, prepared: Callable[[Any], Problem], table: Any
    ) -> Iterator[tuple[Hashable, Problem, Any]]:
        """Yield (shape, problem, axes) of a table; nothing if it is refused or solved already."""
        try:
            problem = prepared(table)
        except JaxscaleError as error:
            self.refuse(name, error)
            return
        shared = shape_of(problem, self.asked, self.axes)
        if shared is None:
            self.alone(name, problem)
            return
        if shared[1] is None and self.asked.starts == 0:
            raise ValueError("starts=0 needs a law with linear parameters; give starts >= 1")
        yield shared[0], problem, shared[1]

    def alone(self, name: str, problem: Problem) -> None:
        """Solve a table that shares no batch."""
        asked = self.asked
        try:
            result = fit_problem(
                problem,
                optimizer=asked.optimizer,
                starts=asked.starts,
                seed=asked.seed,
                precision=asked.precision,
                max_steps=asked.max_steps,
                mesh=asked.mesh,
            )
        except JaxscaleError as error:
            self.refuse(name, error)
            return
        for key in self.seconds:
            self.seconds[key] += result.seconds[key]
        self.keep(name, result)

    def again(self, pool: ThreadPoolExecutor) -> None:
        """Search a second time where the first search left a doubt."""
        pending: deque[_Pending] = deque()
        for shape, tables in self.doubted.items():
            for first in range(0, len(tables), TABLES):
                names, axes, earlier = zip(*tables[first : first + TABLES], strict=True)
                batch = Batch([one.found.problem for one in earlier], axes, self.asked)
                future = pool.submit(batch.second, earlier)
                pending.append(_Pending(shape, names, batch, future))
        while pending:
            self.judge(pending.popleft())

    def judge(self, done: _Pending) -> None:
        """Keep what was found with its certificate, or for a second search."""
        names, search, found = done.names, done.batch.search, done.future.result()
        good: list[tuple[int, Searched]] = []
        for k, one in enumerate(found):
            try:
                if isinstance(one, FitError):
                    raise one
                check(one.found)
                good.append((k, one))
            except JaxscaleError as error:
                self.refuse(names[k], error)
        here = [one.found for _, one in good]
        exact = [bool(each.optimum.local.value <= each.optimum.local.floor) for each in here]
        open_ = left_open_of([e.problem for e in here], [e.z for e in here], exact)
        self.seconds["compile"] += search.compile
        self.seconds["solve"] += search.work
        share = {"compile": search.compile / len(names), "solve": search.work / len(names)}
        share["total"] = share["compile"] + share["solve"]
        for (k, one), weaknesses in zip(good, open_, strict=True):
            certificate = judged(one.found, weaknesses)
            if certificate.unsettled:  # never of two searches
                doubt = (names[k], done.batch.axes[k], one)
                self.doubted.setdefault(done.shape, []).append(doubt)
                continue
            self.keep(names[k], Solved(one.found, certificate, self.settings(), share))

    def settings(self) -> dict[str, Any]:
        """Return what a result says of how it was searched."""
        asked = self.asked
        return {
            "optimizer": name_of(asked.optimizer),
            "max_steps": self.steps,
            "seed": asked.seed,
            "precision": asked.precision,
        }

    def keep(self, name: str, solved: Any) -> None:
        """Keep the answer of a table."""
        self.solved[name] = solved
        self.tell()

    def refuse(self, name: str, error: Exception) -> None:
        """Keep why a table has no answer."""
        self.refused[name] = str(error)
        self.tell()

    def tell(self) -> None:
        """Report progress."""
        if self.progress is not None:
            self.progress(len(self.solved) + len(self.refused), len(self.tables))
