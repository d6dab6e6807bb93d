"""Many problems of one shape solved together: each comes to what it comes to by itself.

A start is a lane of the compiled loop whoever its table is, and what a table needs besides (cells
of the exponent grid, what holds at the optimum) is one program that goes over the tables, so the
numbers are those of `fit` to the last bit. Which tables are of one shape: `shape_of`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxscale._numerics.precision import cast
from jaxscale._numerics.smallmat import MAX_ORDER
from jaxscale.engine.dispatch import Search, chunk_size
from jaxscale.engine.loop import Solution
from jaxscale.engine.meshes import Devices
from jaxscale.engine.problems import Problems
from jaxscale.engine.thinning import worth_thinning
from jaxscale.errors import FitError
from jaxscale.fitting.assembly import Found, Optimum, at_point
from jaxscale.fitting.fit import best_start, joined, near
from jaxscale.fitting.preparation import Problem
from jaxscale.objective.objective import Objective
from jaxscale.optimizers import row_of
from jaxscale.varpro.starts import best_cells, completed, grid_axes, random_starts, starts_near

TABLES = 64
"""Tables of a batch."""
ROWS = 1024
"""Runs, padding included, up to which a table shares a batch: longer ones keep a chunk busy."""
OWN = ("inputs", "target", "weight", "space")
"""Fields of an objective that differ from table to table."""


class Asked(NamedTuple):
    """How every table is searched; see `fit`."""

    optimizer: Any
    starts: int
    seed: int
    precision: str
    max_steps: int | None
    mesh: Devices | None = None


class Searched(NamedTuple):
    """A table after its search.

    Attributes:
        found: the optimum and the random starts, as a result is made of.
        every: what all starts led to, those of the grid included.
        lanes: starts of the first search.
    """

    found: Found
    every: Solution
    lanes: int


def shape_of(
    problem: Problem, asked: Asked, known: dict[Hashable, Any]
) -> tuple[Hashable, Any] | None:
    """Return what problems of one batch have in common, and the axes of its exponent grid.

    None for a problem that is to be solved by itself: a search in two precisions or under two
    losses, a long table, one that is worth thinning, or a law of very many parameters.

    Args:
        problem: of a table.
        asked: how it is searched.
        known: axes of the grid by the structure of the objective, as far as no table changes them.
    """
    objective = problem.objective
    thins = row_of(asked.optimizer).thins
    lone = asked.precision == "mixed" or bool(objective.loss.refinements())
    lone |= len(objective.space.specs) > MAX_ORDER
    if lone or len(objective.weight) > ROWS or (thins and worth_thinning(objective, asked.starts)):
        return None
    leaves, structure = jax.tree.flatten(objective)
    axes = known[structure] if structure in known else grid_axes(objective)
    if not any(spec.role == "breakpoint" for spec in objective.space.specs):
        known[structure] = axes
    sides = None if axes is None else tuple(map(len, axes))
    return (structure, tuple(np.shape(leaf) for leaf in leaves), sides), axes


class Batch:
    """Up to `TABLES` problems of one shape, and the search that solves them."""

    def __init__(self, problems: Sequence[Problem], axes: Sequence[Any], asked: Asked) -> None:
        self.problems, self.asked, self.axes = problems, asked, axes
        first = problems[0].objective
        optimizer = asked.optimizer
        steps = row_of(optimizer).steps if asked.max_steps is None else asked.max_steps
        self.search = Search(first, optimizer, asked.precision, steps, asked.mesh)
        # Always as many, so that all batches share their programs; the last ones are not solved.
        objectives = [each.objective for each in problems] + [first] * (TABLES - len(problems))
        own = [{name: getattr(each, name) for name in OWN} for each in objectives]
        self.own = cast(jax.tree.map(lambda *leaves: np.stack(leaves), *own), np.float64)

    def first(self) -> list[Searched | FitError]:
        """Search from random starts and from the grid; one entry per problem."""
        asked = self.asked
        objectives = [problem.objective for problem in self.problems]
        draws = [random_starts(each, asked.starts, asked.seed) for each in objectives]
        starts = self._completed(draws)
        extra = 0
        if self.axes[0] is not None:
            axes = tuple(_filled(values) for values in zip(*self.axes, strict=True))
            cells, _ = self._each(_cells_of, axes)
            extra = cells.shape[1]
            starts = [np.concatenate(pair) for pair in zip(cells, starts, strict=False)]
        solutions = self._solved(starts)
        samples = [
            Solution(*(leaf[extra:] for leaf in each)) if len(each.value) > extra else each
            for each in solutions
        ]
        lanes = [len(each.value) for each in solutions]
        return self._found(solutions, samples, lanes, 1)

    def second(self, earlier: Sequence[Searched]) -> list[Searched | FitError]:
        """Search once more, from fresh starts; `earlier` is what the first search came to."""
        asked = self.asked
        objectives = [problem.objective for problem in self.problems]
        fresh = [random_starts(each, asked.starts, asked.seed, search=1) for each in objectives]
        starts = [
            np.concatenate(
                [
                    more,
                    starts_near(
                        each.found.objective,
                        each.found.z.astype(each.every.z.dtype),
                        near(each.lanes, asked.starts),
                        asked.seed,
                    ),
                ]
            )
            for more, each in zip(self._completed(fresh), earlier, strict=True)
        ]
        again = self._solved(starts)
        every = [joined(one.every, two) for one, two in zip(earlier, again, strict=True)]
        samples = [
            joined(one.found.solution, two, asked.starts)
            for one, two in zip(earlier, again, strict=True)
        ]
        return self._found(every, samples, [each.lanes for each in earlier], 2)

    def _each(self, function: Any, *args: Any) -> Any:
        """Return `function` of every table; arguments and results have the axis of the tables."""
        count = np.int32(len(self.problems))
        return self.search.run(
            function, self.search.objective, self.own, count, *args, dtype=np.float64
        )

    def _completed(self, draws: list[np.ndarray]) -> list[np.ndarray]:
        """Return starts with their linear coordinates solved for where they may be negative."""
        specs = self.problems[0].objective.space.specs
        if not len(draws[0]) or not any(spec.linear and not spec.positive for spec in specs):
            return draws
        count, size = len(draws[0]), chunk_size(len(draws[0]))
        parts = []
        for first in range(0, count, size):
            part = [z[first : first + size] for z in draws]
            rest = size - len(part[0])
            part = [np.concatenate([z, np.repeat(z[:1], rest, axis=0)]) for z in part]
            parts.append(self._each(_completed_of, _filled(part))[:, : size - rest])
        return list(np.concatenate(parts, axis=1)[: len(draws)])

    def _solved(self, starts: list[np.ndarray]) -> list[Solution]:
        """Solve every table from its starts [S, P]; the leaders go on."""
        counts = [len(z) for z in starts]
        problems = Problems(self.own, np.repeat(np.arange(len(starts)), counts))
        patient = self.asked.max_steps is None
        solution = self.search.solve(np.concatenate(starts), None, problems, patient)
        ends = np.cumsum(counts)[:-1]
        leaves = [np.split(leaf, ends) for leaf in solution]
        return [Solution(*each) for each in zip(*leaves, strict=True)]

    def _found(
        self,
        every: Sequence[Solution],
        samples: Sequence[Solution],
        lanes: Sequence[int],
        searches: int,
    ) -> list[Searched | FitError]:
        objectives = [problem.objective for problem in self.problems]
        best: list[int | FitError] = []
        for objective, solution in zip(objectives, every, strict=True):
            try:
                best.append(best_start(objective, solution))
            except FitError as error:
                best.append(error)
        points = [
            (each.z[0 if isinstance(k, FitError) else k]).astype(float)
            for each, k in zip(every, best, strict=True)
        ]
        optima = self._each(_optima_of, _filled(points))
        found: list[Searched | FitError] = []
        for k, which in enumerate(best):
            if isinstance(which, FitError):
                found.append(which)
                continue
            optimum: Optimum = jax.tree.map(lambda leaf, k=k: leaf[k], optima)
            status = int(every[k].status[which])
            here = Found(
                self.problems[k],
                objectives[k],
                samples[k],
                points[k],
                status,
                optimum,
                optimum,
                searches,
            )
            found.append(Searched(here, every[k], lanes[k]))
        return found


def _filled(tables: Sequence[Any]) -> np.ndarray:
    """Return arrays stacked, and as many more as a batch has."""
    return np.stack([*tables, *[tables[0]] * (TABLES - len(tables))])


def _cells_of(objective: Objective, own: Any, count: Any, axes: Any) -> Any:
    """Return `best_cells` of every table; pure."""
    return _over(lambda own, axes: best_cells(_with(objective, own), axes), count, own, axes)


def _completed_of(objective: Objective, own: Any, count: Any, z: Any) -> Any:
    """Return `completed` of every table at its starts z [T, S, P]; pure."""
    return _over(lambda own, z: completed(_with(objective, own), z), count, own, z)


def _optima_of(objective: Objective, own: Any, count: Any, z: Any) -> Any:
    """Return `at_point` of every table at its point z [T, P]; pure."""
    return _over(lambda own, z: at_point(_with(objective, own), z), count, own, z)


def _with(objective: Objective, own: Any) -> Objective:
    return dataclasses.replace(objective, **own)


def _over(function: Callable[..., Any], count: Any, *trees: Any) -> Any:
    """Return `function` of the first `count` entries of `trees`, one after the other; 0 after."""

    def one(k: Any) -> Any:
        return function(*jax.tree.map(lambda leaf: leaf[k], trees))

    size = len(jax.tree.leaves(trees)[0])
    shapes = jax.eval_shape(one, 0)
    blank = jax.tree.map(lambda leaf: jnp.zeros((size, *leaf.shape), leaf.dtype), shapes)

    def step(k: Any, found: Any) -> Any:
        return jax.tree.map(lambda all_, part: all_.at[k].set(part), found, one(k))

    return jax.lax.fori_loop(0, count, step, blank)
