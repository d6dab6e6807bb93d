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
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from jaxscale import engine
from jaxscale._numerics import programs
from jaxscale._numerics.precision import cast, scope
from jaxscale._numerics.smallmat import MAX_ORDER
from jaxscale.engine.loop import MAX_STEPS, VECTOR, Limits, Solution, Status
from jaxscale.engine.thinning import thinned, worth_thinning
from jaxscale.objective.losses import Loss
from jaxscale.objective.objective import BLOCK, Objective
from jaxscale.optimizers import method, row_of

CHUNKS = (16, 64, 272, 528)
"""Sizes of a compiled chunk of starts on a CPU; the last is repeated."""
ACCELERATOR_CHUNKS = (16, 64, 1040, 16384)
MEMORY = 1 << 29
"""Bytes that the lanes of one program may take, by the compiler's figure."""
LEADERS = 16
"""Lanes that may go on beyond the limit of steps, where the best of all has not arrived there."""

Progress = Callable[[int, int], None]


def chunk_size(total: int) -> int:
    """Return the starts of a chunk on one device: the smallest that holds all, or the largest."""
    sizes = CHUNKS if jax.default_backend() == "cpu" else ACCELERATOR_CHUNKS
    return next((size for size in sizes if total <= size), sizes[-1])


class Problems(NamedTuple):
    """Fields of an objective with a leading axis [B], and which problem each start solves."""

    fields: dict[str, Any]  # name of a field of the objective -> its pytree, leaves [B, ...]
    which: np.ndarray  # [S] int

    def part(self, some: slice, size: int) -> dict[str, Any]:
        """Return the fields of `some` starts, one row per start, padded to `size`."""
        rows = _padded(self.which[some], size)
        part: dict[str, Any] = jax.tree.map(lambda leaf: np.asarray(leaf)[rows], self.fields)
        return part


class Search:
    """One objective with its optimizer and precision; counts compile time, work and rounds."""

    def __init__(
        self,
        objective: Objective,
        optimizer: Any,
        precision: str = "float64",
        steps: int | None = None,
        mesh: Mesh | None = None,
    ) -> None:
        self.objective = cast(objective, np.float64)
        self.optimizer = optimizer
        self.polished = precision == "mixed"
        self.dtype = np.dtype(np.float64 if precision == "float64" else np.float32)
        steps = row_of(optimizer).steps if steps is None else steps
        self.limits = Limits.for_dtype(self.dtype, steps)
        self.mesh = mesh
        self.rounds = 1
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

    def each(self, function: Any, z: np.ndarray) -> np.ndarray:
        """Return `function(objective, z)` of the starts z [S, P] in float64, chunk by chunk."""
        size = chunk_size(len(z))
        parts = []
        for first in range(0, len(z), size):
            part = z[first : first + size]
            found = self.run(function, self.objective, _padded(part, size), dtype=np.float64)
            parts.append(found[: len(part)])
        return np.concatenate(parts)

    def solve(
        self, z: np.ndarray, progress: Progress | None = None, problems: Problems | None = None
    ) -> Solution:
        """Solve from every start; values plain, in float64.

        Args:
            z: starts [S, P].
            progress: called after each chunk with how many starts are done, and S.
            problems: which of B problems each start belongs to; None where there is one.
        """
        objective = cast(self.objective, self.dtype)
        job = _Job(objective, self.optimizer, self.limits, self.mesh)
        thins = row_of(self.optimizer).thins and problems is None
        if not thins or not worth_thinning(objective, len(z)):
            return self._run(job, z, progress, problems)
        thin = dataclasses.replace(job, objective=thinned(objective))
        half = None if progress is None else _half(progress, 0)
        rough = self._run(thin, z, half, None)
        arrived = rough.status <= Status.CONVERGED_STEP
        z = np.where(arrived[:, None], rough.z, z)
        half = None if progress is None else _half(progress, len(z))
        solution = self._run(job, z, half, None)
        return solution._replace(steps=solution.steps + rough.steps)

    def finished(self, solution: Solution) -> Solution:
        """Let the lanes in the lead go on where the best of all met the limit of steps; else as is.

        So a narrow valley is followed to its end, and no lane holds the others up. It is the
        program of the search that goes on, so nothing is compiled.

        Args:
            solution: of `solve`; S lanes.
        """
        row, starts = row_of(self.optimizer), len(solution.value)
        if row.patience == 1:
            return solution
        if int(self.limits.max_steps) < row.steps:  # a short first lap: see `Optimizer.first`
            lead = _limited(solution, max(starts // 8, LEADERS), starts // 8)
            solution = self._followed(solution, lead, row.steps // 2)
        lead = _limited(solution, LEADERS, 1)
        return self._followed(solution, lead, row.steps * row.patience)

    def _followed(self, solution: Solution, lead: np.ndarray, steps: int) -> Solution:
        """Return a solution whose lanes `lead` have gone on for so many steps."""
        if len(lead) == 0:
            return solution
        limits = dataclasses.replace(self.limits, max_steps=min(steps, MAX_STEPS))
        job = _Job(cast(self.objective, self.dtype), self.optimizer, limits, self.mesh)
        more = self._run(job, solution.z[lead], None, None, size=job.size(len(solution.value)))
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
        size = job.size(total) if size is None else size
        firsts = _share(range(0, total, size), self.mesh)
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
        merged = _merge(parts, z[:0].astype(job.objective.target.value.dtype), self.mesh)
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

    def width(self) -> int:
        """Return the lanes in flight: on a CPU, what stays in its caches."""
        if jax.default_backend() == "cpu":
            if len(self.objective.space.specs) > MAX_ORDER:
                return VECTOR  # lanes go one after the other there, idle ones too
            return 64 if self.rows <= 256 else 32
        return int(np.clip((1 << 22) // min(self.rows, BLOCK), 128, 4096))

    def chunk(
        self, z: np.ndarray, which: slice, size: int, problems: Problems | None
    ) -> tuple[Solution, float]:
        """Solve one chunk; returns the solution and the seconds spent compiling."""
        dtype = self.objective.target.value.dtype
        part = z[which]
        left = len(part) - np.arange(self.devices) * (size // self.devices)
        count = np.clip(left, 0, size // self.devices).astype(np.int32)
        args: list[Any] = [self.objective, _padded(part, size).astype(dtype), count, self.limits]
        static: dict[str, Any] = {"optimizer": self.optimizer, "mesh": _local(self.mesh)}
        if problems is not None:
            own = cast(problems.part(which, size), dtype)
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
        """Return the lanes in flight that fit into `MEMORY`, their program, compile seconds."""
        dtype = args[1].dtype
        width = self.width()
        program, seconds = programs.program(_solve, *args, dtype=dtype, width=width, **static)
        for _ in range(2):  # the figure is nearly proportional to the width
            if program.memory <= MEMORY or width == 1:
                break
            fitting = int(width * MEMORY / program.memory)
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


def _limited(solution: Solution, most: int, among: int) -> np.ndarray:
    """Return the best lanes that met the limit of steps; none where none of the best `among` did.

    Args:
        solution: S lanes.
        most: how many, at most.
        among: so many of the best lanes are looked at.
    """
    value = np.where(np.isfinite(solution.value), solution.value, np.inf)
    order = np.argsort(value, kind="stable")
    limited = solution.status[order] == Status.STEP_LIMIT
    return order[limited][:most] if limited[: max(among, 1)].any() else order[:0]


def _padded(rows: np.ndarray, size: int) -> np.ndarray:
    return np.concatenate([rows, np.repeat(rows[:1], size - len(rows), axis=0)])


def _half(progress: Progress, offset: int) -> Progress:
    return lambda done, total: progress((offset + done) // 2, total)


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


def _local(mesh: Mesh | None) -> Mesh | None:
    """Return the part of a mesh that this process drives, on one axis."""
    return None if mesh is None else Mesh(np.array(mesh.local_devices), ("lanes",))


def _processes(mesh: Mesh | None) -> list[int]:
    return [] if mesh is None else sorted({d.process_index for d in mesh.devices.flat})


def _share(firsts: range, mesh: Mesh | None) -> list[int]:
    """Return the chunks of this process, of those that the mesh spans."""
    processes = _processes(mesh)
    if len(processes) <= 1:
        return list(firsts)
    return list(firsts)[processes.index(jax.process_index()) :: len(processes)]


def _merge(parts: dict[int, list[np.ndarray]], none: np.ndarray, mesh: Mesh | None) -> Solution:
    """Return the chunks in order, those of all processes of the mesh included.

    Args:
        parts: leaves of the solutions of this process, by their first start.
        none: z [0, P], for a process without a chunk.
        mesh: the processes.
    """
    empty = [none, none[:, 0], np.zeros(0, np.int32), np.zeros(0, np.int32)]
    leaves = list(zip(empty, *parts.values(), strict=True))
    joined = [np.concatenate(leaf) for leaf in leaves]
    index = np.concatenate(
        [np.zeros(0, int), *(first + np.arange(len(part[1])) for first, part in parts.items())]
    )
    if len(_processes(mesh)) > 1:
        index, *joined = _gather(index, joined)
    order = np.argsort(index)
    return Solution(*(leaf[order] for leaf in joined))


def _gather(index: np.ndarray, leaves: list[np.ndarray]) -> list[np.ndarray]:
    """Return the rows of all processes; each sends equally many, the rest as padding."""
    from jax.experimental.multihost_utils import process_allgather

    with scope(np.float64):  # else float64 would travel as float32
        most = int(np.max(process_allgather(np.asarray(len(index)))))
        spare = most - len(index)

        def everyone(leaf: np.ndarray, fill: int) -> np.ndarray:
            pad = np.full((spare, *leaf.shape[1:]), fill, leaf.dtype)
            gathered = np.asarray(process_allgather(np.concatenate([leaf, pad])))
            return gathered.reshape(-1, *leaf.shape[1:])

        index = everyone(index, -1)
        return [index[index >= 0], *(everyone(leaf, 0)[index >= 0] for leaf in leaves)]
