"""Chunks of starts through the compiled engine, on every core, device or process there is.

A chunk has one of a few sizes, so that few programs are compiled. Chunks are independent: on a
CPU they run in as many threads as there are cores, over the devices of a mesh they are split
evenly, and the processes of `jax.distributed` share them out. None of that changes a bit of a
result, except that several devices in one process may differ by 1e-12. The number of lanes in
flight is planned from the compiler's own memory figure, and halved when memory runs out all the
same.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from jaxscale import engine
from jaxscale._numerics import programs
from jaxscale._numerics.precision import cast
from jaxscale.engine import planning
from jaxscale.engine.laps import limited
from jaxscale.engine.leaders import LEADERS, leaders
from jaxscale.engine.limits import MAX_STEPS, Limits
from jaxscale.engine.loop import VECTOR, Solution, Status
from jaxscale.engine.meshes import Devices, mesh_of
from jaxscale.engine.problems import Problems, padded
from jaxscale.engine.processes import local_part, merge, share
from jaxscale.engine.tall import departures, distinct, sample, spread
from jaxscale.engine.thinning import thinned, worth_thinning
from jaxscale.objective.losses import Loss
from jaxscale.objective.objective import Objective
from jaxscale.optimizers import method, row_of

FEW = 4
"""Lanes that a tall table is solved on in, where they are enough."""

ALIKE = 272
"""Starts with problems of their own that a chunk holds at least: one program for few and many."""
Progress = Callable[[int, int], None]


def chunk_size(total: int) -> int:
    """Return the starts of a chunk on one device: the smallest that holds all, or the largest."""
    return planning.plan().chunk(total)


class Search:
    """One objective with its optimizer and precision; counts compile time, work and rounds.

    Of a tall table, the optima of its sample that were solved on on all runs (`solved_on`) too.
    """

    def __init__(
        self,
        objective: Objective,
        optimizer: Any,
        precision: str = "float64",
        steps: int | None = None,
        mesh: Devices | None = None,
    ) -> None:
        self.objective = cast(objective, np.float64)
        self.optimizer = optimizer
        self.polished = precision == "mixed"
        self.dtype = np.dtype(np.float64 if precision == "float64" else np.float32)
        steps = row_of(optimizer).steps if steps is None else steps
        self.limits = Limits.for_dtype(self.dtype, steps)
        self.mesh = mesh_of(mesh)
        self.rounds = 1
        self.solved_on = 0
        self.compile = 0.0
        self.work = 0.0

    def run(self, function: Any, *args: Any, dtype: Any, **static: Any) -> Any:
        """Call a pure function compiled, and count the seconds it takes.

        Args:
            function: as of `programs.run`.
            args: its arguments, pytrees of arrays.
            dtype: the precision that it runs in.
            static: its keyword arguments, hashable.
        """
        begin = time.perf_counter()
        result, seconds = programs.run(function, *args, dtype=dtype, **static)
        self.compile += seconds
        self.work += time.perf_counter() - begin - seconds
        return result

    @functools.cached_property
    def sample(self) -> Objective | None:
        """The objective on those runs of a tall table that the starts are searched on."""
        return sample(self.objective)

    @property
    def sampled(self) -> tuple[int, int]:
        """Return the runs of the sample and the optima of it that were solved on; 0 without it."""
        return (0 if self.sample is None else len(self.sample.weight)), self.solved_on

    @property
    def searched(self) -> Objective:
        """What the starts are searched on: a sample of a tall table, or all runs."""
        return self.objective if self.sample is None else self.sample

    def each(self, function: Any, z: np.ndarray) -> np.ndarray:
        """Return `function(searched, z)` of the starts z [S, P] in float64, chunk by chunk."""
        size = chunk_size(len(z))
        parts = []
        for first in range(0, len(z), size):
            part = z[first : first + size]
            found = self.run(function, self.searched, padded(part, size), dtype=np.float64)
            parts.append(found[: len(part)])
        return np.concatenate(parts)

    def solve(
        self,
        z: np.ndarray,
        progress: Progress | None = None,
        problems: Problems | None = None,
        patient: bool = False,
    ) -> Solution:
        """Solve from every start; values plain, in float64.

        Of a tall table the starts are searched on a sample; see `tall` for what a start of that
        is given.

        Args:
            z: starts [S, P].
            progress: called after each chunk with how many starts are done, and S.
            problems: which of B problems each start belongs to; None where there is one. Its
                `which` is sorted, where patient.
            patient: whether the lanes in the lead go on where the best of all met the limit of
                steps: so a narrow valley is followed to its end, and no lane holds the others up.
        """
        job = _Job(cast(self.objective, self.dtype), self.optimizer, self.limits, self.mesh)
        if problems is not None:
            solution = self._run(job, z, progress, problems)
            return self._finished(job, solution, None, problems) if patient else solution
        early, late = _halves(progress, len(z))
        if self.sample is not None:
            part = dataclasses.replace(job, objective=cast(self.sample, self.dtype))
            rough = self._run(part, z, early, None)
            rough = self._finished(part, rough) if patient else rough
            found = distinct(rough)
            few_z, which = departures(z, rough, found)
            # Four lanes cost a quarter of the sixteen of a chunk.
            size = FEW if self.mesh is None and len(few_z) <= FEW else None
            few = self._run(job, few_z, late, None, size)
            if np.isfinite(few.value).any() or not np.isfinite(rough.value).any():
                few = self._finished(job, few, size) if patient else few
                self.solved_on += len(found.lanes)
                return spread(rough, found, which, few)
            progress = late  # the law is finite on the sample only: all starts on all runs
        elif row_of(self.optimizer).thins and worth_thinning(self.objective, len(z)):
            part = dataclasses.replace(job, objective=thinned(job.objective))
            rough = self._run(part, z, early, None)
            arrived = rough.status <= Status.CONVERGED_STEP
            solution = self._run(job, np.where(arrived[:, None], rough.z, z), late, None)
            solution = solution._replace(steps=solution.steps + rough.steps)
            return self._finished(job, solution) if patient else solution
        solution = self._run(job, z, progress, None)
        return self._finished(job, solution) if patient else solution

    def _finished(
        self,
        job: _Job,
        solution: Solution,
        size: int | None = None,
        problems: Problems | None = None,
    ) -> Solution:
        """Let the lanes in the lead go on where the best of all met the limit of steps; else as is.

        It is the program of the search that goes on, so nothing is compiled. Each problem has its
        own lead.
        """
        row, steps = row_of(self.optimizer), int(self.limits.max_steps)
        if row.patience == 1:
            return solution
        starts, order = solution.z.shape
        if problems is None and steps == row.lap(order) < row.steps:  # see `Optimizer.first`
            lead, steps = limited(solution, max(starts // 8, LEADERS), starts // 8), row.steps
            solution = self._followed(job.longer(steps // 2), solution, lead, size)
        which = np.zeros(starts, int) if problems is None else problems.which
        job = job.longer(steps * row.patience)
        return self._followed(job, solution, leaders(solution, which), size, problems)

    def _followed(
        self,
        job: _Job,
        solution: Solution,
        lead: np.ndarray,
        size: int | None,
        problems: Problems | None = None,
    ) -> Solution:
        """Return a solution whose lanes `lead` have gone on."""
        if len(lead) == 0:
            return solution
        size = job.size(len(solution.value)) if size is None else size
        own = None if problems is None else problems._replace(which=problems.which[lead])
        more = self._run(job, solution.z[lead], None, own, size)
        more = more._replace(steps=solution.steps[lead] + more.steps)
        joined = Solution(*(leaf.copy() for leaf in solution))
        for leaf, part in zip(joined, more, strict=True):
            leaf[lead] = part
        return joined

    def polish(self, z: np.ndarray, loss: Loss) -> Solution:
        """Solve from a few points in float64 with Newton steps under a given loss."""
        objective = cast(dataclasses.replace(self.objective, loss=loss), np.float64)
        row = row_of(method())
        limits = Limits.for_dtype(np.float64, row.steps * row.patience)
        job = _Job(objective, method(), limits, None)
        return self._run(job, z, None, None)

    def _run(
        self,
        job: _Job,
        z: np.ndarray,
        progress: Progress | None,
        problems: Problems | None,
        size: int | None = None,
    ) -> Solution:
        begin, before = time.perf_counter(), self.compile
        total = len(z)
        if size is None:
            size = job.size(total if problems is None else max(total, ALIKE))
        firsts = share(range(0, total, size), self.mesh)
        parts: dict[int, list[np.ndarray]] = {}
        done = 0
        for first, solution, seconds in _each(
            lambda first: job.chunk(z, slice(first, first + size), size, problems),
            firsts,
            1 if job.mesh is not None else _threads(),
        ):
            self.compile += seconds
            count = min(size, total - first)
            parts[first] = [np.asarray(leaf)[:count] for leaf in solution]
            done += count
            if progress is not None:
                progress(done, total)
        merged = merge(parts, z[:0].astype(job.objective.target.value.dtype), self.mesh)
        self.work += time.perf_counter() - begin - (self.compile - before)
        scale = np.asarray(job.objective.loss.scale, float)
        if problems is not None and "loss" in problems.fields:
            scale = np.asarray(problems.fields["loss"].scale, float)[problems.which]
        return merged._replace(value=merged.value.astype(float) * scale)


@dataclasses.dataclass
class _Job:
    """What every chunk of one solve has in common."""

    objective: Objective
    optimizer: Any
    limits: Limits
    mesh: Mesh | None

    def longer(self, steps: int) -> _Job:
        """Return the same with another limit of steps, which is no other program."""
        limits = dataclasses.replace(self.limits, max_steps=min(steps, MAX_STEPS))
        return dataclasses.replace(self, limits=limits)

    @property
    def rows(self) -> int:
        return int(self.objective.weight.shape[-1])

    @property
    def devices(self) -> int:
        return 1 if self.mesh is None else len(self.mesh.local_devices)

    def size(self, total: int) -> int:
        """Return the starts of a chunk, over all devices of this process."""
        each = -(-total // (1 if self.mesh is None else self.mesh.size))
        return self.devices * chunk_size(each)

    def chunk(
        self, z: np.ndarray, which: slice, size: int, problems: Problems | None
    ) -> tuple[Solution, float]:
        """Solve one chunk; returns the solution and the seconds spent compiling."""
        dtype = self.objective.target.value.dtype
        part = z[which]
        left = len(part) - np.arange(self.devices) * (size // self.devices)
        count = np.clip(left, 0, size // self.devices).astype(np.int32)
        args: list[Any] = [self.objective, padded(part, size).astype(dtype), count, self.limits]
        static: dict[str, Any] = {"optimizer": self.optimizer, "mesh": local_part(self.mesh)}
        if problems is not None:
            own = cast(problems.part(which, size), dtype, copy=False)
            args[0] = dataclasses.replace(self.objective, **own)
            static["axes"] = tuple(own)
        width, program, seconds = self._planned(args, static)
        while True:
            try:
                return programs.call(program, *args), seconds
            except jax.errors.JaxRuntimeError as error:
                if "RESOURCE_EXHAUSTED" not in str(error) or width == 1:
                    raise
                width = max(1, width // 2)
                program, more = programs.program(_solve, *args, dtype=dtype, width=width, **static)
                seconds += more

    def _planned(
        self, args: list[Any], static: dict[str, Any]
    ) -> tuple[int, programs.Program, float]:
        """Return the lanes in flight that fit into memory, their program, compile seconds."""
        dtype, plan = args[1].dtype, planning.plan()
        width = plan.width(self.rows, len(self.objective.space.specs))
        program, seconds = programs.program(_solve, *args, dtype=dtype, width=width, **static)
        for _ in range(2):  # the figure is nearly proportional to the width
            if program.memory <= plan.memory or width == 1:
                break
            fitting = int(width * plan.memory / program.memory)
            width = fitting // VECTOR * VECTOR or max(1, fitting)  # whole vectors where they fit
            program, more = programs.program(_solve, *args, dtype=dtype, width=width, **static)
            seconds += more
        return width, program, seconds


def _solve(
    objective: Objective,
    starts: Any,
    count: Any,
    limits: Limits,
    *,
    optimizer: Any,
    width: int,
    mesh: Mesh | None,
    axes: tuple[str, ...] = (),
) -> Solution:
    """Solve a chunk, split over the devices of a mesh; each device runs a loop of its own."""

    def one(own: dict[str, Any], starts: Any, count: Any, limits: Limits) -> Solution:
        here = dataclasses.replace(objective, **own)
        solution = engine.solve(
            here,
            optimizer,
            starts,
            problem=jax.numpy.arange(len(starts)) if axes else None,
            axes=axes,
            count=count[0],
            limits=limits,
            width=width,
        )
        return engine.classify(here, solution, axes=axes)

    own = {name: getattr(objective, name) for name in axes}
    if mesh is None:
        return one(own, starts, count, limits)
    split, same = PartitionSpec(mesh.axis_names), PartitionSpec()
    return jax.shard_map(
        one, mesh=mesh, in_specs=(split, split, split, same), out_specs=split, check_vma=False
    )(own, starts, count, limits)


def _halves(progress: Progress | None, total: int) -> tuple[Progress | None, Progress | None]:
    """Return the progress of a search of two stages, of so many starts in all."""
    if progress is None:
        return None, None
    return (
        lambda done, of: progress(total * done // (2 * of), total),
        lambda done, of: progress(total * (of + done) // (2 * of), total),
    )


def _threads() -> int:
    """Return how many chunks run at a time: XLA's CPU loop keeps little more than one core busy."""
    if jax.default_backend() != "cpu":
        return 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _each(
    work: Callable[[int], tuple[Solution, float]], firsts: list[int], threads: int
) -> Iterator[tuple[int, Solution, float]]:
    """Yield (first, solution, compile seconds) of every chunk, in the order of completion."""
    if threads == 1 or len(firsts) <= 1:
        for first in firsts:
            yield (first, *work(first))
        return
    with ThreadPoolExecutor(min(threads, len(firsts))) as pool:
        waiting = {pool.submit(work, first): first for first in firsts}
        try:
            for future in as_completed(waiting):
                yield (waiting.pop(future), *future.result())
        finally:
            for future in waiting:
                future.cancel()
