"""Three jobs side by side, as a user of each tool would write them: lines and seconds.

    python -m benchmarks.jobs --python /path/to/venv/bin/python --out benchmarks/results/jobs.md

Every script beside this file is run in processes of its own, by turns: with an empty cache of
compiled programs, with a full one, and once more in the same process, as a notebook runs a cell
again. Lines are those that are neither blank, nor comment, nor docstring; of a forecast those
that the bare loop has not. CPU seconds are those of the process and of its children, so that other
work on the machine counts little; wall seconds stand beside them. A tool that cannot be imported
is left out by its name.
"""

from __future__ import annotations

import argparse
import ast
import itertools
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..tables import markdown

HERE = Path(__file__).parent
TOOLS = {"jaxscale": "jaxscale", "scipy": "SciPy", "lmfit": "lmfit",
         "simple_scaling_laws": "simple-scaling-laws"}  # fmt: skip
JOBS = {
    "decision": "Own CSV to decision: 60 runs, one crashed, one unfinished; best N at 1e23 FLOPs",
    "own_law": "Own law with error bars: E + A N^-alpha + B D^-beta q^-gamma on 60 runs",
    "forecast": "Final loss of a run of 1,000 steps, asked at step 400 inside an Equinox loop",
}
TWICE = """\
import json, runpy, sys, time
sys.path.insert(0, sys.argv[3])
sys.argv = sys.argv[1:3]
runpy.run_path(sys.argv[0])
cpu, wall = time.process_time(), time.perf_counter()
runpy.run_path(sys.argv[0])
print(json.dumps([time.process_time() - cpu, time.perf_counter() - wall]))
"""


class Spent(NamedTuple):
    """CPU and wall seconds of a process, and what it printed."""

    cpu: float
    wall: float
    output: str


def lines_of(script: Path) -> Counter[str]:
    """Return the lines of code of a script, without blanks, comments and docstrings."""
    text = script.read_text(encoding="utf-8")
    kept = dict(enumerate(text.splitlines(), 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            for k in range(node.lineno, (node.end_lineno or node.lineno) + 1):
                kept.pop(k, None)
    bare = (line.strip() for line in kept.values())
    return Counter(line for line in bare if line and not line.startswith("#"))


def plain(line: str) -> str:
    """Return a line of output without the folders of this machine, cut where it is too long."""
    return re.sub(r"(?:/[\w.+-]+)+/(?=[\w.+-]+)", "", line).rstrip()[:150]


def count(job: str, script: Path) -> int:
    """Return how many lines a user writes for the job."""
    own = lines_of(script)
    if job == "forecast":
        own -= lines_of(HERE / "forecast_bare.py")
    return sum(own.values())


def law(N: np.ndarray, D: np.ndarray) -> np.ndarray:
    """Return the loss of Hoffmann et al. 2022."""
    return np.asarray(1.69 + 406.4 * N**-0.34 + 410.7 * D**-0.28)


def write_tables(folder: Path) -> dict[str, Path]:
    """Write what the jobs read: draws from a published law, with .4 % of noise."""
    rng = np.random.default_rng(0)
    N, ratio = (
        x.ravel() for x in np.meshgrid(np.geomspace(3e7, 3e9, 10), [5, 10, 20, 40, 80, 160])
    )
    D = N * ratio
    q = rng.uniform(0.2, 1, len(N))
    noise = np.exp(0.004 * rng.standard_normal((2, len(N))))
    raw = [f"{x:.6g}" for x in law(N, D) * noise[0]]
    raw[7], raw[33] = "nan", "7.9"
    states = ["running" if k == 33 else "finished" for k in range(len(N))]
    own = (1.69 + 406.4 * N**-0.34 + 410.7 * D**-0.28 * q**-0.15) * noise[1]
    tables = {
        "decision": ["name,state,params,tokens,eval/loss"]
        + [f"run-{k},{states[k]},{N[k]:.6g},{D[k]:.6g},{raw[k]}" for k in range(len(N))],
        "own_law": ["N,D,q,loss"]
        + [f"{N[k]:.6g},{D[k]:.6g},{q[k]:.6g},{own[k]:.6g}" for k in range(len(N))],
        "forecast": [],
    }
    for name, rows in tables.items():
        (folder / f"{name}.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return {name: folder / f"{name}.csv" for name in tables}


def spend(command: list[str], cache: Path) -> Spent:
    """Run a command to its end.

    Raises:
        RuntimeError: it failed; the message is the end of what it said.
    """
    drop = ("JAXSCALE_CACHE", "PYTHONDONTWRITEBYTECODE")
    variables = {k: v for k, v in os.environ.items() if k not in drop} | {
        "PYTHONPATH": str(HERE.parent.parent),
        "JAX_PLATFORMS": "cpu",
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "OPENBLAS_NUM_THREADS": "1",
    }
    with tempfile.TemporaryFile() as said:
        begin = time.perf_counter()
        child = subprocess.Popen(command, env=variables, stdout=said, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        output = said.read().decode(errors="replace")
    if child.returncode:
        raise RuntimeError(output[-2000:])
    return Spent(usage.ru_utime + usage.ru_stime, wall, output)


class Entry:
    """One script, and what its processes took."""

    def __init__(self, job: str, tool: str, table: Path, folder: Path, python: str) -> None:
        self.job, self.tool, self.python = job, tool, python
        self.script, self.table = HERE / f"{job}_{tool}.py", table
        self.full, self.empty = folder / f"{job}-{tool}", folder / "empty"
        self.spent: dict[str, list[Spent]] = {"cold": [], "full": [], "again": []}

    def turn(self) -> None:
        """Run it once in each way."""
        plain = [self.python, str(self.script), str(self.table)]
        shutil.rmtree(self.empty, ignore_errors=True)
        self.spent["cold"].append(spend(plain, self.empty))
        if not self.full.exists():
            # Filled in its place: JAX's keys depend on the folder.
            spend(plain, self.full) if self.empty.exists() else self.full.mkdir()
        self.spent["full"].append(spend(plain, self.full))
        twice = [self.python, "-c", TWICE, *plain[1:], str(HERE)]
        done = spend(twice, self.full)
        self.spent["again"].append(Spent(*json.loads(done.output.splitlines()[-1]), done.output))

    def row(self) -> list[str]:
        """Return the cells of the table."""

        def cell(kind: str) -> str:
            cpu, wall = (statistics.median(getattr(s, w) for s in self.spent[kind])
                         for w in ("cpu", "wall"))  # fmt: skip
            return f"{cpu:.2f} ({wall:.2f})"

        name = "the loop alone" if self.tool == "bare" else TOOLS[self.tool]
        return [name, str(count(self.job, self.script)), *map(cell, self.spent)]


def versions(python: str) -> dict[str, str]:
    """Return the version of every tool that this Python can import."""
    found = {}
    for tool in [*TOOLS, "jax", "equinox", "numpy"]:
        code = f"import {tool}; from importlib.metadata import version as v; "
        name = tool.replace("_", "-")
        code += f"print(getattr({tool}, '__version__', None) or v('{name}'))"
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False,
                              env=os.environ | {"PYTHONPATH": str(HERE.parent.parent)})  # fmt: skip
        if done.returncode == 0:
            found[tool] = done.stdout.split()[-1]
    return found


def page(entries: list[Entry], rounds: int, known: dict[str, str]) -> list[str]:
    """Return the lines of the result."""
    processor = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
         if line.startswith("model name")), "unknown processor")  # fmt: skip
    said = ", ".join(f"{TOOLS.get(name, name)} {text}" for name, text in known.items())
    missing = [TOOLS[tool] for tool in TOOLS if tool not in known]
    lines = [
        "# Three jobs, side by side",
        "",
        f"`python -m benchmarks.jobs --rounds {rounds}`; CPU ({os.cpu_count()} cores, "
        f"{processor}), float64 (training in float32); {said}. Medians of {rounds} "
        "rounds, all scripts by turns. CPU seconds of whole processes, wall seconds in brackets.",
        *([f"Not installed here: {', '.join(missing)}."] if missing else []),
    ]
    head = ("tool", "lines", "new process", "its cache full", "again, same process")
    for job, title in JOBS.items():
        mine = [entry for entry in entries if entry.job == job]
        if mine:
            lines += ["", f"## {title}", "", *markdown(head, [entry.row() for entry in mine])]
            lines += ["", "What they print:"]
        for entry in mine:
            lines += ["", f"`benchmarks/jobs/{entry.script.name}`", "", "```text"]
            lines += [plain(line) for line in entry.spent["full"][-1].output.splitlines()]
            lines += ["```"]
    return lines


def main() -> int:
    """Measure, print, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="the Python that has the tools")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", default=",".join(JOBS))
    parser.add_argument("--out")
    options = parser.parse_args()
    known = versions(options.python)
    with tempfile.TemporaryDirectory() as name:
        tables = write_tables(Path(name))
        entries = [
            Entry(job, tool, tables[job], Path(name), options.python)
            for job, tool in itertools.product(options.jobs.split(","), [*TOOLS, "bare"])
            if (HERE / f"{job}_{tool}.py").exists() and (tool in known or tool == "bare")
        ]
        for k in range(options.rounds):
            for entry in entries if k % 2 == 0 else reversed(entries):
                entry.turn()
                print(k, entry.job, entry.row(), file=sys.stderr, flush=True)
            lines = page(entries, k + 1, known)
            if options.out:  # after every round: what was measured is not lost
                Path(options.out).write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
