"""Every program of the script, in the order in which they matter."""

from __future__ import annotations

import dataclasses
import functools
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np

import jaxscale
from jaxscale import engine
from jaxscale._numerics import sums
from jaxscale.engine.limits import Limits
from jaxscale.varpro.grid import surface
from jaxscale.varpro.starts import random_starts

from .session import Case
from .tables import (
    FIELDS,
    chinchilla,
    main_problem,
    spot,
    spots,
    stacked,
    tiled,
    wide_problem,
)

COMMANDS = "xla_gpu_enable_command_buffer"
GRAPHS = "FUSION,CUBLAS,CUBLASLT,CUSTOM_CALL,CUDNN,CONDITIONAL,WHILE"
"""What XLA's GPU backend may put into CUDA graphs: with the last two, the whole loop."""
NEVER = dict(decrement=-1.0, decrease=-1.0, gradient=-1.0, step=-1.0)
"""Limits that no lane meets: a slab runs its steps to the end."""
DOUBLE, SINGLE = "float64", "float32"


class Sizes(NamedTuple):
    """How much there is of everything."""

    widths: tuple[int, ...]
    starts: int
    chunks: tuple[tuple[int, int], ...]  # starts of a call, width
    refits: int
    grid: tuple[int, int]  # cells along an axis: squares, Huber
    tall: int  # times the table is repeated
    terms: tuple[int, ...]
    wide_starts: int
    spots: int
    spot_widths: tuple[int, ...]
    slabs: tuple[int, ...]
    each: int  # starts per table of the correctness part
    tables: int
    largest: int
    steps: int  # of a slab


FULL = Sizes(
    widths=(1024, 4096, 16384, 65536), starts=1 << 18,
    chunks=((1 << 14, 4096), (1 << 14, 16384), (1 << 16, 16384), (1 << 20, 16384),
            (1 << 20, 65536)),
    refits=1_000_000, grid=(981, 99), tall=4096,
    terms=(5, 16), wide_starts=4096, spots=10_000_000, spot_widths=(16384, 65536, 262144),
    slabs=(1024, 16384, 131072), each=48, tables=40, largest=4096, steps=100,
)  # fmt: skip
SMALL = Sizes(
    widths=(32,), starts=64, chunks=((32, 32),), refits=64, grid=(12, 6), tall=4, terms=(2, 8),
    wide_starts=32, spots=256, spot_widths=(64,), slabs=(32,), each=4, tables=3, largest=40,
    steps=10,
)  # fmt: skip


def solve(objective: Any, starts: Any, limits: Any, *, width: int) -> engine.Solution:
    """Solve one problem from many starts."""
    return engine.solve(objective, jaxscale.newton(), starts, limits=limits, width=width)


def solve_each(
    objective: Any, starts: Any, which: Any, limits: Any, *, axes: tuple[str, ...], width: int
) -> engine.Solution:
    """Solve many problems, each from its starts."""
    return engine.solve(
        objective, jaxscale.newton(), starts, problem=which, axes=axes, limits=limits, width=width
    )


def limits(dtype: str, steps: int = 400, **own: float) -> Limits:
    """Return the limits of a dtype, some of them replaced."""
    return dataclasses.replace(Limits.for_dtype(np.dtype(dtype), steps), **own)


@functools.cache
def _searched(small: bool, count: int) -> tuple[Any, Any]:
    one = chinchilla(main_problem(small))
    return one, random_starts(one, count, 0)


def as_on_a_cpu() -> AbstractContextManager[Any]:
    """Open the form of a CPU's sums: one by one, of stored rows, a long table in blocks."""
    context: AbstractContextManager[Any] = mock.patch.object(sums, "one_pass", lambda: False)
    return context


def search(name: str, dtype: str, count: int, width: int, small: bool, **rest: Any) -> Case:
    """Return the case of `count` starts of the main problem in a slab of `width` lanes."""
    one, z = _searched(small, count)
    return Case(
        rest.pop("part", "starts"), name, functools.partial(solve, width=width),
        (one, z, limits(dtype)), dtype, lanes=count, rows=int((one.weight > 0).sum()), width=width,
        **rest,
    )  # fmt: skip


def correctness(tables: list[Any], each: int) -> dict[str, Case]:
    """Return the cases of all tables at once: here and on the CPU, and the polish of float32."""
    objective, z, which = stacked(tables, each)
    count, function = len(z), functools.partial(solve_each, axes=FIELDS)
    own = np.arange(len(tables), dtype=np.int32)

    def case(name: str, dtype: str, starts: Any, owner: Any, width: int, **rest: Any) -> Case:
        program = functools.partial(function, width=width)
        args = (objective, starts, owner, limits(dtype))
        return Case("correctness", name, program, args, dtype, lanes=len(starts), width=width,
                    **rest)  # fmt: skip

    wide = min(2048, count)
    return {
        DOUBLE: case("all tables", DOUBLE, z, which, wide),
        SINGLE: case("all tables", SINGLE, z, which, wide),
        "polish": case("polish of float32", DOUBLE, z[: len(tables)], own, len(tables)),
        "host": case("all tables, CPU", DOUBLE, z, which, 64, host=True, patch=as_on_a_cpu),
    }


def searches(sizes: Sizes, small: bool) -> list[Case]:
    """Return starts per second against width, chunk and dtype."""
    found = [
        search(f"{sizes.starts:,} starts, {width:,} wide", dtype, sizes.starts, width, small)
        for width in reversed(sizes.widths) for dtype in (DOUBLE, SINGLE)
    ]  # fmt: skip
    found += [
        search(f"{count:,} starts, {width:,} wide", dtype, count, width, small)
        for count, width in sizes.chunks for dtype in (DOUBLE, SINGLE)
    ]  # fmt: skip
    return found


def variants(sizes: Sizes, small: bool) -> list[Case]:
    """Return what measures against the CPU's compiler are worth here."""
    width = sizes.widths[len(sizes.widths) // 2]
    found = [
        search(f"sums one by one, as on a CPU, {width:,} wide", dtype, sizes.starts, width, small,
               part="variants", patch=as_on_a_cpu)
        for dtype in (DOUBLE, SINGLE)
    ]  # fmt: skip
    for name, which in (("the loop as one CUDA graph", GRAPHS), ("no CUDA graphs", "")):
        found.append(search(f"{name}, {width:,} wide", DOUBLE, sizes.starts, width, small,
                            part="variants", options={COMMANDS: which}))  # fmt: skip
    return found


def refits(sizes: Sizes, small: bool) -> list[Case]:
    """Return replicates with weights of their own (Bayesian bootstrap), from one optimum."""
    one, z = _searched(small, 1)
    count, width = sizes.refits, sizes.widths[-2:][0]

    def expand(objective: Any, z: Any, limits: Any) -> tuple[Any, ...]:
        n = objective.weight.shape[0]
        weight = jax.random.exponential(jax.random.key(0), (count, n), objective.weight.dtype)
        own = dataclasses.replace(objective, weight=weight * objective.weight)
        return own, jnp.tile(z, (count, 1)), jnp.arange(count, dtype=jnp.int32), limits

    function = functools.partial(solve_each, axes=("weight",), width=width)
    return [
        Case("refits", f"{count:,} replicates, {width:,} wide", function, (one, z, limits(dtype)),
             dtype, expand=expand, lanes=count, rows=int((one.weight > 0).sum()), width=width)
        for dtype in (DOUBLE, SINGLE)
    ]  # fmt: skip


def grids(sizes: Sizes, small: bool) -> list[Case]:
    """Return the surface over both exponents, by least squares and by Huber's loss."""
    one, _ = _searched(small, 1)
    found = []
    for loss, cells in zip((jaxscale.Square(), jaxscale.Huber(1e-3)), sizes.grid, strict=True):
        axis = np.linspace(0.02, 1.0, cells)
        objective = dataclasses.replace(one, loss=loss)
        name = f"{cells} x {cells} cells, {type(loss).__name__}"
        found.append(Case("grid", name, surface, (objective, (axis, axis)), lanes=cells**2))
    return found


def tall(sizes: Sizes, small: bool) -> list[Case]:
    """Return a million runs, 16 lanes, ten steps of each."""
    one, z = _searched(small, 16)
    n = int((one.weight > 0).sum()) * sizes.tall

    def expand(objective: Any, z: Any, limits: Any) -> tuple[Any, ...]:
        return tiled(objective, sizes.tall), z, limits

    args = (one, z, limits(DOUBLE, 10, **NEVER))
    patches: dict[str, Any] = {"": nullcontext, ", in blocks, as on a CPU": as_on_a_cpu}
    return [
        Case("tall", f"{n:,} runs, 16 lanes, 10 steps{how}", functools.partial(solve, width=16),
             args, expand=expand, lanes=16, rows=n, width=16, patch=patch)
        for how, patch in patches.items()
    ]  # fmt: skip


def wide(sizes: Sizes, terms: int) -> Case:
    """Return a law of 2 terms + 1 parameters.

    Raises:
        ValueError: jaxscale takes no law of so many.
    """
    one = wide_problem(terms, 64 if sizes is SMALL else 512)
    z = random_starts(one, sizes.wide_starts, 0)
    width = min(4096, sizes.wide_starts)
    return Case("wide", f"{2 * terms + 1} parameters, {len(z):,} starts",
                functools.partial(solve, width=width), (one, z, limits(DOUBLE)),
                lanes=len(z), rows=len(one.weight), width=width)  # fmt: skip


def gpufit(sizes: Sizes) -> list[Case]:
    """Return the public record's problem, to its tolerance and to working accuracy."""
    one = spot()
    rough = limits(SINGLE, 20, decrement=1e-4, decrease=1e-4, step=1e-4)
    found = []

    def expand(objective: Any, limits: Any, *, count: int) -> tuple[Any, ...]:
        every, z = spots(objective, count)
        return every, z, jnp.arange(count, dtype=jnp.int32), limits

    wanted = [(SINGLE, width, sizes.spots, rough, "tolerance 1e-4") for width in sizes.spot_widths]
    last, exact = sizes.spot_widths[-2:][0], "to working accuracy"
    wanted.append((SINGLE, last, sizes.spots, limits(SINGLE), exact))
    wanted.append((DOUBLE, last, sizes.spots // 10, limits(DOUBLE), exact))
    for dtype, width, count, own, how in wanted:
        function = functools.partial(solve_each, axes=("target",), width=width)
        found.append(Case("gpufit", f"{count:,} spots, {width:,} wide, {how}", function,
                          (one, own), dtype, expand=functools.partial(expand, count=count),
                          lanes=count, rows=25, width=width))  # fmt: skip
    return found


def slabs(sizes: Sizes, small: bool) -> list[Case]:
    """Return slabs in which no lane ends: what a step costs."""
    found = []
    for width in sizes.slabs:
        one, z = _searched(small, width)
        n = int((one.weight > 0).sum())
        for dtype in (DOUBLE, SINGLE):
            own = limits(dtype, sizes.steps, **NEVER)
            found.append(Case("slab", f"{width:,} wide, {sizes.steps} steps",
                              functools.partial(solve, width=width), (one, z, own), dtype,
                              lanes=width, rows=n, width=width))  # fmt: skip
    return found
