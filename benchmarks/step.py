"""What a step costs on one core, and what each measure against the compiler is worth.

    python -m benchmarks.step

Nanoseconds per lane, run and step of `engine.solve` from 2,048 default starts, the slab 64 wide.
The measures answer to one compiler (XLA's CPU backend): with a new version, look here whether
they still pay. The process keeps itself to one core where the system lets it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from unittest import mock

if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # before JAX makes its threads

import jax.numpy as jnp
import numpy as np

import jaxscale
from benchmarks.methods import prepared
from benchmarks.problems import Problem, default_problem, synthetic
from jaxscale import engine
from jaxscale._numerics import programs, sums
from jaxscale._numerics.precision import cast
from jaxscale.objective import objective, residuals
from jaxscale.varpro.starts import random_starts

STARTS, WIDTH, ROUNDS = 2048, 64, 7


def _plain_log(p: Any, log_y: Any) -> Any:
    return jnp.log(p) - log_y


VARIANTS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "as it is": nullcontext,
    "vectors of the compiler's choice": lambda: mock.patch.object(
        programs, "compiler_options", lambda jaxpr: None
    ),
    "the compiler's logarithm": lambda: mock.patch.object(residuals, "_log_ratio", _plain_log),
    "sums over runs not folded": lambda: mock.patch.object(sums, "FOLDS", 0),
    "long tables in one piece": lambda: mock.patch.object(objective, "LONG", 1 << 62),
}


def _solve(one: Any, starts: Any, *, variant: str) -> engine.Solution:
    return engine.solve(one, jaxscale.newton(), starts, width=WIDTH)


def cost(problem: Problem, variant: str, dtype: str, starts: int) -> tuple[float, float]:
    """Return (lowest, median) nanoseconds per lane, run and step."""
    one = cast(prepared(problem), np.dtype(dtype))
    z = random_starts(prepared(problem), starts, 0).astype(dtype)
    with VARIANTS[variant]():
        made, _ = programs.program(_solve, one, z, dtype=np.dtype(dtype), variant=variant)
    work = float(programs.call(made, one, z).steps.sum()) * len(problem.N)
    seconds = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        programs.call(made, one, z)
        seconds.append(time.perf_counter() - begin)
    return 1e9 * min(seconds) / work, 1e9 * float(np.median(seconds)) / work


def main() -> None:
    """Print one line per case."""
    problem, long = default_problem(), synthetic(24_000)
    print(f"{'':44}{'n':>8}{'dtype':>10}{'ns, lowest':>12}{'median':>8}   cpu, one core")
    cases = [(problem, name, "float64", STARTS) for name in list(VARIANTS)[:4]]
    cases += [(problem, list(VARIANTS)[k], "float32", STARTS) for k in (0, 3)]
    cases += [(long, name, "float64", 128) for name in ("as it is", "long tables in one piece")]
    for table, name, dtype, starts in cases:
        low, median = cost(table, name, dtype, starts)
        print(f"{name:44}{len(table.N):>8}{dtype:>10}{low:>12.1f}{median:>8.1f}", flush=True)


if __name__ == "__main__":
    main()
