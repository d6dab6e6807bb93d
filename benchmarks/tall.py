"""Tall tables: what a fit of a million runs costs from its file on, and a run of a full-table step.

    python -m benchmarks.tall [--runs 1000000] [--rounds 3]

The published runs (else simulated ones) are repeated with noise: 5 % in N and D, .2 % in the loss.
Every fit is a new process; peak memory is that of the process. Its value is held against that of
`fit` from the 16 best cells of the exponent grid, all of them solved on all runs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import jaxscale
from benchmarks.child import ROOT
from benchmarks.methods import prepared
from benchmarks.problems import Problem, default_problem
from jaxscale import engine
from jaxscale._numerics import programs
from jaxscale.engine import tall
from jaxscale.engine.limits import Limits
from jaxscale.varpro.starts import random_starts

COST, WIDTH, STEPS = 240_000, 32, 8
"""Runs whose cost per run is held against that of the problem as it is; lanes; steps."""

CHILD = """
import resource, sys, time
begin = time.perf_counter()
from jaxscale.cli.parser import main
code = main(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_SELF)
peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(code, time.perf_counter() - begin, used.ru_utime + used.ru_stime, peak, file=sys.stderr)
"""


def repeated(problem: Problem, runs: int) -> Problem:
    """Return a problem whose runs are repeated with noise, `runs` in all."""
    rng = np.random.default_rng(0)
    at = np.arange(runs) % len(problem.N)
    N, D, loss = (
        column[at] * np.exp(rng.normal(0, size, runs))
        for column, size in ((problem.N, 0.05), (problem.D, 0.05), (problem.loss, 0.002))
    )
    name = f"{problem.name} x {runs:,}"
    return Problem(name, N, D, loss, problem.starts, None, problem.source, problem.delta)


def written(problem: Problem, folder: Path) -> dict[str, Path]:
    """Write the runs as CSV, and as Parquet where pyarrow is there."""
    table = np.column_stack([problem.N, problem.D, problem.loss])
    paths = {"csv": folder / "runs.csv"}
    with paths["csv"].open("w") as file:
        file.write("N,D,loss\n")
        file.writelines(f"{N!r},{D!r},{loss!r}\n" for N, D, loss in table.tolist())
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        return paths
    paths["parquet"] = folder / "runs.parquet"
    columns = dict(zip(("N", "D", "loss"), table.T, strict=True))
    parquet.write_table(pyarrow.table(columns), paths["parquet"])
    return paths


def command(path: Path, cache: Path) -> tuple[dict[str, Any], float, float, float]:
    """Run `jaxscale fit` in a new process; returns its answer, wall and CPU seconds, peak GB."""
    variables = dict(os.environ, JAXSCALE_CACHE="off", JAX_COMPILATION_CACHE_DIR=str(cache),
                     JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS="0")  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", CHILD, "fit", str(path), "--json", "--quiet"],
        cwd=ROOT, env=variables, capture_output=True, text=True, check=False,
    )  # fmt: skip
    code, wall, cpu, peak = map(float, done.stderr.strip().splitlines()[-1].split())
    if code > 1:
        raise RuntimeError(done.stderr.strip().splitlines()[-2][:300])
    return json.loads(done.stdout), wall, cpu, peak / 1e9


def whole(problem: Problem) -> float:
    """Return the value of a fit none of whose starts is searched on a sample."""
    before, tall.TALL = tall.TALL, 1 << 62
    try:
        runs = jaxscale.Runs(N=problem.N, D=problem.D, loss=problem.loss)
        loss = jaxscale.Huber(problem.delta)
        return jaxscale.fit("Chinchilla", runs, loss=loss, starts=0).value
    finally:
        tall.TALL = before


def _solve(one: Any, z: Any, limits: Limits) -> engine.Solution:
    return engine.solve(one, jaxscale.newton(), z, width=WIDTH, limits=limits)


def costs(problems: list[Problem], rounds: int) -> np.ndarray:
    """Return CPU nanoseconds per lane, run and step [rounds, problems], taken in turns."""
    limits = Limits.for_dtype(np.float64, STEPS)
    jobs = []
    for problem in problems:
        one = prepared(problem)
        z = random_starts(one, 2048 if len(problem.N) < 1000 else WIDTH, 0)
        made, _ = programs.program(_solve, one, z, limits, dtype=np.float64)
        jobs.append((made, (one, z, limits), len(problem.N)))
    found = []
    for _ in range(rounds):
        row = []
        for made, given, n in jobs:
            begin = time.process_time()
            work = n * float(np.sum(programs.call(made, *given).steps))
            row.append(1e9 * (time.process_time() - begin) / work)
        found.append(row)
    return np.array(found)


def main() -> None:
    """Print one line per measurement."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tall")
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    problem = default_problem()
    per_run = costs([problem, repeated(problem, COST)], max(options.rounds, 3))
    each = np.median(per_run, axis=0)
    ratio = np.median(per_run[:, 1] / per_run[:, 0])
    print(
        f"a full-table step, CPU ns per lane and run: {each[0]:.1f} at {len(problem.N)} runs, "
        f"{each[1]:.1f} at {COST:,}: {ratio:.2f} times (asked for: 1.2)",
        flush=True,
    )
    large = repeated(problem, options.runs)
    with tempfile.TemporaryDirectory() as name:
        folder, value = Path(name), np.nan
        for kind, path in written(large, folder).items():
            for k in range(options.rounds + 1):
                answer, wall, cpu, peak = command(path, folder / "cache")
                value = answer["objective"]["value"]
                cache = "full" if k or kind != "csv" else "empty"
                print(
                    f"fit of {options.runs:,} runs from {kind}, {cache} cache: {wall:.1f} s, "
                    f"{cpu:.1f} CPU s, peak {peak:.2f} GB (asked for: 20 s, 1.5 GB)",
                    flush=True,
                )
    off = value / whole(large) - 1
    print(f"value against that of a full solve: {off:.1e} relatively (asked for: 1e-9)")


if __name__ == "__main__":
    main()
