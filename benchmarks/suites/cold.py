"""What a new process waits for: imports, and `jaxscale fit` with an empty and a full cache.

The rival is `import jax` in a process of its own, in the same rounds: what nobody can avoid who
uses JAX at all. SciPy's import is there to compare.
"""

from __future__ import annotations

import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from ..child import ROOT
from ..measure import Cost, Options, Ratio, Record, interleave, ratio
from ..problems import Problem, default_problem


class ProcessJob:
    """A command in a process of its own; CPU seconds are those of the process."""

    def __init__(self, record: Record, command: list[str], variables: dict[str, str]) -> None:
        self.record, self.command, self.variables = record, command, variables
        self.output = ""

    def before(self) -> None:
        """Prepare a round, untimed."""

    def round(self, turn: int) -> None:
        """Run the command once."""
        self.before()
        variables = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
        variables |= self.variables
        begin, usage = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(self.command, cwd=ROOT, env=variables, capture_output=True,
                              text=True, check=False)  # fmt: skip
        wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - usage.ru_utime - usage.ru_stime
        self.output = done.stdout
        if done.returncode != 0:
            last = (done.stderr.strip() or "no message").splitlines()[-1]
            self.record.skipped = f"{' '.join(self.command[1:4])} failed: {last[:200]}"
        self.record.add(Cost(cpu, wall))

    def finish(self) -> None:
        """Grade what the command printed, if it is a fit."""


class FitJob(ProcessJob):
    """`jaxscale fit --json`; with a fresh cache per round if `cold`."""

    def __init__(
        self, record: Record, problem: Problem, folder: Path, cold: bool, precision: str
    ) -> None:
        table = folder / "runs.csv"
        with table.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("N", "D", "loss"))
            rows = zip(problem.N, problem.D, problem.loss, strict=True)
            writer.writerows([repr(float(x)) for x in row] for row in rows)
        command = [sys.executable, "-m", "jaxscale", "fit", str(table), "--json",
                   "--delta", str(problem.delta), "--precision", precision]  # fmt: skip
        super().__init__(record, command, {})
        self.problem, self.folder, self.cold, self.count = problem, folder, cold, 0

    def before(self) -> None:
        """Choose the cache: a new folder for a cold round, the common one for a warm one."""
        self.count += 1
        name = f"cold{self.count}" if self.cold else "warm"
        self.variables["JAXSCALE_CACHE"] = str(self.folder / name)

    def finish(self) -> None:
        """Grade the parameters of the last fit."""
        try:
            params = json.loads(self.output)["params"]
        except (ValueError, KeyError):
            return
        logs = [np.log(params[name]) for name in ("A", "B", "E")]
        theta = np.array([*logs, params["alpha"], params["beta"]], float)
        self.record.answer = float(self.problem.value(theta))
        self.record.best = self.problem.best_known or self.record.answer


def run(options: Options) -> tuple[list[Record], list[Ratio]]:
    """Time imports and the command, each in processes of their own."""
    problem = options.problem or default_problem()
    precision = options.precisions[0]

    def record(method: str, family: str, job: str, dtype: str = "float64") -> Record:
        return Record("cold", problem.name, len(problem.N), method, family, job, dtype=dtype)

    def module(name: str, family: str) -> ProcessJob:
        made = record(f"import {name}", family, f"python -c 'import {name}'")
        return ProcessJob(made, [sys.executable, "-c", f"import {name}"], {})

    with tempfile.TemporaryDirectory() as folder:
        cold = FitJob(record("jaxscale fit, empty cache", "jaxscale", "python -m jaxscale fit",
                             precision), problem, Path(folder), True, precision)  # fmt: skip
        warm = FitJob(record("jaxscale fit, full cache", "jaxscale", "python -m jaxscale fit",
                             precision), problem, Path(folder), False, precision)  # fmt: skip
        jobs = [module("jax", "jax"), module("scipy.optimize", "scipy"),
                module("jaxscale", "jaxscale"), warm, cold]  # fmt: skip
        options.say("cold: filling the cache")
        warm.round(0)
        warm.record.cpu.clear()
        warm.record.wall.clear()
        interleave(jobs, options.rounds, options.say)
    records = [job.record for job in jobs]
    own = [r for r in records if r.family == "jaxscale"]
    return records, [ratio("wall of a new process against import jax", r, records[0]) for r in own]
