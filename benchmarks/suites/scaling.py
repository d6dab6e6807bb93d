"""What work costs as it grows: runs, starts, slab width, host devices, memory.

One step of one lane is the unit. Its ruler is NumPy: value and gradient of one lane, the least
that a step of any rival needs, at the same n in the same rounds. Strong scaling and memory are
measured in child processes, because devices and peak memory belong to a process.
"""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np

import jaxscale
from jaxscale import engine
from jaxscale._numerics import programs
from jaxscale._numerics.precision import cast
from jaxscale.engine.dispatch import Search
from jaxscale.engine.thinning import worth_thinning
from jaxscale.varpro.starts import random_starts

from .. import child
from ..measure import Cost, Job, Options, Ratio, Record, compiled, interleave, ratio
from ..methods import prepared, value_and_grad
from ..problems import Problem, default_problem, synthetic

SIZES = {"quick": (240, 2400, 24000), "full": (240, 2400, 24000, 240000)}
STARTS = {"quick": (256, 1024, 4096), "full": (256, 1024, 4096, 16384, 65536)}
WIDTHS = {"quick": (32, 128, 512), "full": (16, 32, 64, 128, 256, 512, 1024)}
STEP = "CPU of a step of a lane against NumPy's value and gradient"


def _solve(objective: Any, starts: Any, *, width: int) -> engine.Solution:
    return engine.solve(objective, jaxscale.newton(), starts, width=width)


def solve_job(problem: Problem, starts: int, *, dtype: str, width: int, sweep: str) -> Job:
    """Return a warm job that solves random starts.

    In one call of the engine; over the number of starts as `fit` does it: in chunks, on all
    cores, over a thin table first.
    """
    rows = len(problem.N)
    objective = cast(prepared(problem), np.dtype(dtype))
    z = random_starts(prepared(problem), starts, 0).astype(dtype)
    label = {"n": f"n={rows}", "starts": f"starts={starts}", "width": f"width={width}"}[sweep]
    name, job = f"engine {label}", f"{starts} random starts, slab of {width}"
    if sweep == "starts":
        name, job = f"search {label}", f"{starts} random starts as `fit` solves them"
    record = Record("scaling", problem.name, rows, name, "jaxscale", job, starts, starts, dtype)
    record.extra = {"sweep": sweep, "width": width}
    record.extra["thin"] = sweep == "starts" and worth_thinning(objective, starts)

    def call(_: int = 0) -> Any:
        if sweep == "starts":
            return Search(objective, jaxscale.newton(), dtype).solve(z)
        return programs.run(_solve, objective, z, dtype=np.dtype(dtype), width=width)[0]

    _, record.first = compiled(call)

    def finish(record: Record, results: list[Any]) -> None:
        record.steps = np.asarray(results[-1].steps)
        space = objective.space
        physical = space.physical(tuple(np.asarray(results[-1].z, float).T))
        with np.errstate(all="ignore"):
            A, B, E = (np.log(np.asarray(physical[k], float)) for k in ("A", "B", "E"))
        theta = np.stack([A, B, E, physical["alpha"], physical["beta"]], -1).astype(float)
        theta = theta[: 4096 if rows < 1000 else 32]  # grading takes memory: lanes x n
        record.values = problem.value(theta)
        record.answer = float(record.values.min())
        record.best = record.answer if problem.best_known is None else problem.best_known

    return Job(record, call, finish=finish)


def ruler_job(problem: Problem) -> Job:
    """Return NumPy's value and gradient of one lane, the unit of the rivals."""
    rows = len(problem.N)
    times = max(10, 480_000 // rows)
    record = Record("scaling", problem.name, rows, f"numpy n={rows}", "numpy",
                    "value and gradient of one lane in NumPy", times, times)  # fmt: skip
    theta = np.array([6.2, 7.6, 0.6, 0.35, 0.37])
    record.steps = np.ones(times)
    record.extra = {"sweep": "ruler"}

    def call(_: int = 0) -> Any:
        return [value_and_grad(theta, problem) for _ in range(times)]

    call()
    return Job(record, call)


def _per_step(record: Record) -> Record:
    """Return a record whose CPU seconds are those of one step of one lane."""
    work = float(np.sum(record.steps)) or np.nan
    costs = [x / work for x in record.cpu]
    return Record(record.suite, record.problem, record.n, record.method, record.family,
                  record.job, dtype=record.dtype, cpu=costs, wall=costs)  # fmt: skip


def strong(options: Options, problem: Problem, starts: int) -> tuple[list[Record], list[Ratio]]:
    """Return one record per number of host devices; each round starts every child once."""
    counts = [k for k in (1, 2, 4, 8, 16) if k <= options.devices]
    records = {
        k: Record("scaling", problem.name, len(problem.N), f"engine devices={k}", "jaxscale",
                  f"{starts} random starts split over {k} host devices", starts, starts,
                  devices=k, extra={"sweep": "devices"})
        for k in counts
    }  # fmt: skip
    request = {"problem": child.pack(problem), "starts": starts, "repeats": 3, "width": 128}
    with tempfile.TemporaryDirectory() as cache:
        for turn in range(options.rounds):
            options.say(f"strong scaling, round {turn + 1} of {options.rounds}")
            for k in counts if turn % 2 == 0 else reversed(counts):
                found = child.ask("strong", request, devices=k, cache=cache)
                record = records[k]
                record.add(Cost(found["cpu"], found["wall"]))
                first = {"compile_s": None, "cpu_s": None, "wall_s": found["first"]}
                record.first = record.first or first
                record.extra["median_steps"], record.answer = found["steps"][1], found["value"]
                record.extra["mean_steps"] = found["steps"][0]
                record.best = problem.best_known or found["value"]
    one = records[1]
    more = [r for k, r in records.items() if k > 1]
    return list(records.values()), [
        ratio(f"wall of one host device against {r.devices}", r, one) for r in more
    ]


def memory(options: Options, problem: Problem, starts: tuple[int, ...]) -> list[Record]:
    """Return peak resident memory of a fit in a process of its own, by number of starts."""
    records = []
    for count in starts:
        options.say(f"peak memory, {count} starts")
        request = {"problem": child.pack(problem), "starts": count}
        found = child.ask("memory", request)
        record = Record("scaling", problem.name, len(problem.N), f"memory starts={count}",
                        "jaxscale", f"peak memory of a cold fit from {count} starts", count,
                        count)  # fmt: skip
        record.answer, record.best = found["value"], problem.best_known or found["value"]
        record.first = {"compile_s": None, "cpu_s": None, "wall_s": found["wall"]}
        record.extra = {"sweep": "memory", "peak_bytes": found["after"],
                        "peak_bytes_of_imports": found["before"]}  # fmt: skip
        records.append(record)
    return records


def run(options: Options) -> tuple[list[Record], list[Ratio]]:
    """Run all five sweeps; a given problem shrinks them to one point or two each."""
    tiny, size = options.problem is not None, options.size
    problem = options.problem or default_problem()
    sizes = (len(problem.N),) if tiny else SIZES[size]
    counts = (32,) if tiny else STARTS[size] + ((1_000_000,) if options.huge else ())
    widths = (128,) if tiny else WIDTHS[size]
    lanes = 32 if tiny else 128  # four to a place in the slab: as in use, few places idle
    tables = [problem if n == len(problem.N) else synthetic(n) for n in sizes]
    options.say("scaling: first calls")
    rulers = [ruler_job(table) for table in tables]
    jobs = list(rulers)
    pairs = []
    for dtype in dict.fromkeys(p if p != "mixed" else "float32" for p in options.precisions):
        own = [
            solve_job(table, lanes, dtype=dtype, width=128 if tiny else 32, sweep="n")
            for table in tables
        ]
        pairs += list(zip(own, rulers, strict=True))
        jobs += own
        jobs += [solve_job(problem, k, dtype=dtype, width=128, sweep="starts") for k in counts]
        wide = 32 if tiny else 2048
        jobs += [solve_job(problem, wide, dtype=dtype, width=w, sweep="width") for w in widths]
    interleave(jobs, options.rounds, options.say)
    records = [job.record for job in jobs]
    ratios = [
        ratio(f"{STEP}, n={own.record.n}", _per_step(own.record), _per_step(rival.record),
              quantity="cpu")
        for own, rival in pairs
    ]  # fmt: skip
    starts = 64 if tiny else {"quick": 2048, "full": 8192}[size]
    split, more = strong(options, problem, starts)
    peaks = memory(options, problem, (64,) if tiny else (1024, counts[-1]))
    return [*records, *split, *peaks], [*ratios, *more]
