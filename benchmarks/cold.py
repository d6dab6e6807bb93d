"""What a person waits for at the command line: whole processes, new each time.

    python -m benchmarks cold --rounds 5 --against ../before
    python -m benchmarks cold --tasks "fit-*,scaling*" --peers /path/to/venv/bin

`--against` names another checkout: every command runs with `jaxscale` of either, in turns, and the
ratio is taken within a round. CPU seconds are those of the process and of all that it waited for;
peak memory is that of the largest of them. An empty cache is a folder of its own for every process;
a full one belongs to a checkout and was filled by the same command before. Peers are commands of
other packages on the same runs: `scaling-laws fit` of simple-scaling-laws (least squares of all
runs, 1,000 bootstrap refits, intervals, one artefact), and one fit with SciPy in Python.
"""

from __future__ import annotations

import argparse
import csv
import fnmatch
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from .child import ROOT
from .tables import markdown

FIRST = """\
import json, sys, time
import jaxscale
runs = jaxscale.read_runs(sys.argv[1])
cpu, wall = time.process_time(), time.perf_counter()
jaxscale.fit(jaxscale.Chinchilla(), runs)
print(json.dumps({"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}))
"""
"""The first fit of a Python process; prints what the call itself took."""
SCIPY = """\
import sys
import numpy as np
from scipy.optimize import minimize
N, D, loss = np.log(np.loadtxt(sys.argv[1], delimiter=",", skiprows=1).T)
def value(theta, delta=1e-3):
    a, b, e, alpha, beta = theta
    size = np.abs(np.logaddexp(np.logaddexp(a - alpha * N, b - beta * D), e) - loss) / delta
    return np.where(size <= 1, size**2 / 2, size - 0.5).sum()
rng, best = np.random.default_rng(0), None
for _ in range(16):
    start = rng.uniform([0, 0, -1, 0.1, 0.1], [25, 25, 1, 1, 1])
    found = minimize(value, start, method="BFGS")
    best = found if best is None or found.fun < best.fun else best
print(best.x)
"""
"""What a person writes who has SciPy only: one fit from 16 starts, no interval."""
RATIOS = ("command", "over", "CPU", "low..high", "wall", "call CPU")
HEAD = ("command", "side", "CPU s", "low..high", "wall s", "MB", "call CPU s", "exit")


class Task(NamedTuple):
    """One command.

    Attributes:
        name: as it is asked for and shown.
        command: the arguments; RUNS, FIT and OUT stand for files of the side that runs it.
        cache: "empty", "full", or "" where it is no matter.
        sided: whether it runs once per checkout.
        needs: an option that `jaxscale fit --help` must show, or the peer's program.
    """

    name: str
    command: tuple[str, ...]
    cache: str = ""
    sided: bool = True
    needs: str = ""


class Spent(NamedTuple):
    """What one process took: seconds, bytes, how it ended, and what it printed."""

    cpu: float
    wall: float
    peak: int
    code: int
    output: str
    errors: str


def tasks(draws: int) -> list[Task]:
    """Return every command, in the order in which they take turns."""
    jaxscale = ("PYTHON", "-m", "jaxscale")
    three = ("compare", "RUNS", "--law", "Chinchilla,Kaplan,PowerLaw:C", "--quiet")
    fitted = ("fit", "RUNS", "--out", "OUT", "--quiet")
    both = (*jaxscale, *fitted, "--bootstrap", str(draws))
    again = ("bootstrap", "FIT", "--draws", str(draws), "--quiet")
    found = [
        Task("import-numpy", ("PYTHON", "-c", "import numpy"), sided=False),
        Task("import-jax", ("PYTHON", "-c", "import jax"), sided=False),
        Task("import-jaxscale", ("PYTHON", "-c", "import jaxscale")),
        Task("help", (*jaxscale, "--help")),
        Task("fit-help", (*jaxscale, "fit", "--help")),
    ]
    for cache in ("empty", "full"):
        found += [
            Task(f"first-fit-{cache}", ("PYTHON", "-c", FIRST, "RUNS"), cache),
            Task(f"fit-{cache}", (*jaxscale, *fitted), cache),
            Task(f"bootstrap-{cache}", (*jaxscale, *again), cache),
            Task(f"fit-bootstrap-{cache}", both, cache, needs="--bootstrap"),
            Task(f"compare-{cache}", (*jaxscale, *three), cache),
        ]
    peer = ("PEER", "fit", "PEER_RUNS", "--draws", str(draws), "--output", "OUT", "--quiet")
    found += [
        Task("scaling-laws-fit", peer, sided=False, needs="scaling-laws"),
        Task("scipy-16-starts", ("PYTHON", "-c", SCIPY, "RUNS"), sided=False, needs="scipy"),
    ]
    return found


def spend(command: list[str], variables: dict[str, str], folder: Path) -> Spent:
    """Run a command to its end and return what it took."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        begin = time.perf_counter()
        child = subprocess.Popen(
            command, cwd=folder, env=variables, stdin=subprocess.DEVNULL,
            stdout=output, stderr=errors,
        )  # fmt: skip
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        said = output.read().decode(errors="replace"), errors.read().decode(errors="replace")
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Spent(usage.ru_utime + usage.ru_stime, wall, peak, child.returncode, *said)


class Side:
    """A checkout with files of its own: a fit, full caches, and empty ones that are used once."""

    def __init__(self, name: str, checkout: Path, folder: Path, python: str, table: Path) -> None:
        self.name, self.folder, self.python = name, folder / name, python
        self.folder.mkdir()
        self.table, self.checkout, self.count = table, checkout, 0
        drop = ("JAX_COMPILATION_CACHE_DIR", "JAXSCALE_CACHE", "PYTHONDONTWRITEBYTECODE",
                "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS")  # fmt: skip
        self.variables = {k: v for k, v in os.environ.items() if k not in drop}
        self.variables |= {"PYTHONPATH": str(checkout), "MPLBACKEND": "Agg"}

    def run(self, task: Task, cache: Path, peer: str = "") -> Spent:
        """Run a task with a cache folder, and clear away what it wrote."""
        out = self.folder / "out"
        files = {"RUNS": str(self.table), "FIT": str(self.folder / "fit.json"), "OUT": str(out),
                 "PEER_RUNS": str(self.table.parent / "peer.csv"), "PEER": peer,
                 "PYTHON": self.python}  # fmt: skip
        own = {"JAXSCALE_CACHE": str(cache)}
        if task.command[1] == "-c":  # only the command line chooses a cache by itself
            own = {"JAX_COMPILATION_CACHE_DIR": str(cache),
                   "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}  # fmt: skip
        command = [files.get(word, word) for word in task.command]
        spent = spend(command, self.variables | own, self.folder)
        if out.is_dir():
            shutil.rmtree(out)
        out.unlink(missing_ok=True)
        return spent

    def turn(self, task: Task, peer: str = "") -> Spent:
        """Run a task as its `cache` asks."""
        if task.cache == "full":
            return self.run(task, self.folder / "full", peer)
        self.count += 1
        fresh = self.folder / f"empty{self.count}"
        fresh.mkdir(mode=0o700)
        spent = self.run(task, fresh, peer)
        shutil.rmtree(fresh, ignore_errors=True)
        return spent

    def prepare(self, chosen: list[Task]) -> None:
        """Write bytecode, one fit where a command reads it, and fill the cache, untimed."""
        (self.folder / "full").mkdir(mode=0o700)
        spend([self.python, "-c", "import jaxscale.cli.parser"], self.variables, self.folder)
        own = [task for task in chosen if task.sided]
        if any("FIT" in task.command for task in own):
            fit = ("PYTHON", "-m", "jaxscale", "fit", "RUNS", "--out", "FIT", "--quiet")
            self.run(Task("", fit), self.folder / "full")
        for task in own:
            if task.cache == "full":
                self.run(task, self.folder / "full")


def write_tables(path: Path | None, folder: Path) -> tuple[Path, int]:
    """Write the runs as CSV, plain and as the peer wants them; returns the file and n."""
    if path is not None:
        from jaxscale import read_runs

        runs = read_runs(path)
        columns = (runs.columns["N"], runs.columns["D"], runs.loss)
    else:
        from .problems import default_problem

        problem = default_problem()
        columns = (problem.N, problem.D, problem.loss)
    rows = [[repr(float(x)) for x in row] for row in zip(*columns, strict=True)]
    table, peer = folder / "runs.csv", folder / "peer.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([("N", "D", "loss"), *rows])
    roles = ("training_run_id", "model_size__N", "dataset_size__D", "test_loss__loss")
    with peer.open("w", newline="") as file:
        csv.writer(file).writerows([roles, *([f"r{i}", *row] for i, row in enumerate(rows))])
    return table, len(rows)


def usable(task: Task, sides: list[Side], peer: str | None) -> str:
    """Return why a task cannot run here, or nothing."""
    if task.needs == "scaling-laws":
        return "" if peer else "scaling-laws is not found: give --peers DIR"
    if task.needs == "scipy":
        probe = spend([sides[0].python, "-c", "import scipy"], sides[0].variables, sides[0].folder)
        return "" if probe.code == 0 else "scipy is not installed"
    if task.needs:
        probe = spend([sides[0].python, "-m", "jaxscale", "fit", "--help"],
                      sides[0].variables, sides[0].folder)  # fmt: skip
        return "" if task.needs in probe.output else f"fit has no {task.needs}"
    return ""


def measure(
    chosen: list[Task], sides: list[Side], rounds: int, peer: str
) -> dict[tuple[str, str], list[Spent]]:
    """Let all commands of all sides take turns; returns every process by (task, side)."""
    found: dict[tuple[str, str], list[Spent]] = {}
    for turn in range(rounds):
        for task in chosen:
            own = sides if task.sided else sides[:1]
            for side in own if turn % 2 == 0 else reversed(own):
                spent = side.turn(task, peer)
                name = side.name if task.sided else ""
                found.setdefault((task.name, name), []).append(spent)
                took = f"CPU {spent.cpu:.2f} s, wall {spent.wall:.2f} s, exit {spent.code}"
                print(turn + 1, task.name, name, took, file=sys.stderr, flush=True)
                if spent.code > 1:
                    print(spent.errors[-500:], file=sys.stderr)
    return found


def _own(spent: Spent) -> float | None:
    try:
        return float(json.loads(spent.output)["cpu"])
    except (ValueError, KeyError, TypeError):
        return None


def record(name: str, side: str, spent: list[Spent]) -> dict[str, Any]:
    """Return what is written of one command and side."""
    calls = [call for call in map(_own, spent) if call is not None]
    return {
        "task": name,
        "side": side,
        "cpu_s": [each.cpu for each in spent],
        "wall_s": [each.wall for each in spent],
        "call_cpu_s": calls,
        "peak_bytes": max(each.peak for each in spent),
        "exit": sorted({each.code for each in spent}),
    }


def _both(by: dict[tuple[str, str], dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return what `fit` and `bootstrap` took one after the other, round by round."""
    found = {}
    for cache in ("empty", "full"):
        two = [by.get((f"{name}-{cache}", "this")) for name in ("fit", "bootstrap")]
        if None in two:
            continue
        sums = {
            key: [a + b for a, b in zip(*(each[key] for each in two if each), strict=True)]
            for key in ("cpu_s", "wall_s")
        }
        found[f"fit, then bootstrap-{cache}", "this"] = {**sums, "call_cpu_s": []}
    return found


def ratios(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return CPU and wall of this checkout over another command's, round by round."""
    by = {(each["task"], each["side"]): each for each in records}
    by |= _both(by)
    peer = ("scaling-laws-fit", "")
    pairs = [((name, "this"), (name, "against")) for name, side in by if side == "this"]
    pairs += [(("help", "this"), ("import-numpy", ""))]
    for command in ("fit-bootstrap", "fit, then bootstrap", "fit"):
        pairs += [((f"{command}-{cache}", "this"), peer) for cache in ("empty", "full")]
    pairs += [((f"fit-{cache}", "this"), ("scipy-16-starts", "")) for cache in ("empty", "full")]
    found = []
    for own, other in pairs:
        if own not in by or other not in by:
            continue
        each: dict[str, Any] = {"task": own[0], "over": " ".join(other).strip()}
        for key in ("cpu_s", "wall_s", "call_cpu_s"):
            both = zip(by[own][key], by[other][key], strict=False)
            each[key] = [ours / max(theirs, 1e-9) for ours, theirs in both]
        found.append(each)
    return found


def _middle(values: list[float], digits: int = 2) -> str:
    return f"{statistics.median(values):.{digits}f}" if values else ""


def _range(values: list[float], digits: int = 2) -> str:
    return f"{min(values):.{digits}f}..{max(values):.{digits}f}"


def report(records: list[dict[str, Any]], quotients: list[dict[str, Any]]) -> str:
    """Return two Markdown tables."""
    costs = [
        [each["task"], each["side"], _middle(each["cpu_s"]), _range(each["cpu_s"]),
         _middle(each["wall_s"]), f"{each['peak_bytes'] / 1e6:.0f}",
         _middle(each["call_cpu_s"]), ",".join(map(str, each["exit"]))]
        for each in records
    ]  # fmt: skip
    shares = [
        [each["task"], each["over"], _middle(each["cpu_s"], 3), _range(each["cpu_s"], 3),
         _middle(each["wall_s"], 3), _middle(each["call_cpu_s"], 3)]
        for each in quotients
    ]  # fmt: skip
    return "\n".join([*markdown(HEAD, costs), "", *markdown(RATIOS, shares)])


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `cold`."""
    add = parser.add_argument
    add("--rounds", type=int, default=5, metavar="R", help="default 5")
    add("--against", type=Path, metavar="DIR", help="another checkout, in turns with this one")
    add("--tasks", metavar="NAME,...", help="only commands of these names, e.g. fit-*,help")
    add("--draws", type=int, default=1000, metavar="B", help="of every bootstrap; default 1000")
    add("--table", type=Path, metavar="FILE", help="runs; default Epoch 240, or simulated ones")
    add("--python", default=sys.executable, help="that runs jaxscale; default this one")
    add("--peers", type=Path, metavar="DIR", help="folder with the command scaling-laws")
    add("--out", type=Path, metavar="FILE", help="write JSON here")
    add("--list", action="store_true", help="name the commands and end")


def run(asked: argparse.Namespace) -> int:
    """Measure, print the tables, and write what was asked for; 1 where a command failed."""
    wanted = asked.tasks.split(",") if asked.tasks else ["*"]
    chosen = [t for t in tasks(asked.draws) if any(fnmatch.fnmatch(t.name, p) for p in wanted)]
    if asked.list:
        print("\n".join(task.name for task in chosen))
        return 0
    found = shutil.which("scaling-laws", path=str(asked.peers) if asked.peers else None)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table, n = write_tables(asked.table, folder)
        sides = [Side("this", ROOT, folder, asked.python, table)]
        if asked.against is not None:
            sides.append(Side("against", asked.against.resolve(), folder, asked.python, table))
        skipped = {task.name: why for task in chosen if (why := usable(task, sides, found))}
        chosen = [task for task in chosen if task.name not in skipped]
        for side in sides:
            side.prepare(chosen)
        measured = measure(chosen, sides, asked.rounds, found or "")
    records = [record(*key, spent) for key, spent in measured.items()]
    quotients = ratios(records)
    print(f"{n} runs, {asked.rounds} rounds, {os.cpu_count()} cores\n")
    print(report(records, quotients))
    for task, why in skipped.items():
        print(f"\nskipped: {task}: {why}")
    if asked.out is not None:
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        document = {"n": n, "rounds": asked.rounds, "cores": os.cpu_count(), "records": records,
                    "ratios": quotients, "skipped": skipped}  # fmt: skip
        asked.out.write_text(json.dumps(document, indent=1) + "\n")
    return int(any(code > 1 or code < 0 for each in records for code in each["exit"]))
