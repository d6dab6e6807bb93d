"""A sweep on a cluster of worker processes against one process with one thread.

    python -m benchmarks.cluster --rounds 3 --out benchmarks/results/cluster.json
    python -m benchmarks.cluster --bootstrap 200 --ways dask,own --warm

64 cells (8 simulated tables of 60 runs, 2 laws, 2 losses, 2 seeds) with bootstraps are computed by
`jaxscale sweep` in one process bound to one core; by the same command with `--scheduler` on two
`dask worker` processes of one thread, each bound to a core, whose processes are killed while they
work; and with `--workers`. The bytes of all result files are compared. Wall seconds are those of
the command, from a new process to its end; CPU seconds of all processes are stated as well, and
those of the busiest one: on a machine that others use, these tell more than the clock.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
TICK = os.sysconf("SC_CLK_TCK")
Times = dict[int, float]


def write_spec(folder: Path, bootstrap: int, tables: int) -> Path:
    """Write simulated tables and the specification of a sweep over them."""
    from jaxscale.datasets.synthetic import isoflop_design, simulate
    from jaxscale.laws import Chinchilla

    N, D = isoflop_design(np.logspace(18, 21, 6), sizes=10)
    truth = Chinchilla(E=1.7, A=400.0, B=410.0, alpha=0.34, beta=0.28)
    text = ""
    for k in range(tables):
        runs = simulate(truth, N, D, noise=0.01, seed=k)
        rows = zip(N.tolist(), D.tolist(), runs.loss.tolist(), strict=True)
        lines = ["N,D,loss", *(",".join(map(repr, row)) for row in rows)]
        (folder / f"t{k}.csv").write_text("\n".join(lines) + "\n")
        text += f'[data.t{k}]\npath = "t{k}.csv"\n'
    text += '[sweep]\nlaws = ["Chinchilla", "Kaplan"]\nlosses = ["huber", "square"]\n'
    text += f"seeds = [0, 1]\nbootstrap = {bootstrap}\n"
    (folder / "spec.toml").write_text(text)
    return folder / "spec.toml"


def digest(folder: Path) -> str:
    """Return the hash of every result file, names included."""
    sha = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in ("lock", "log.jsonl"):
            sha.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return sha.hexdigest()


def started(command: list[str], cache: Path, core: int | None, log: Path) -> subprocess.Popen[Any]:
    """Start a command bound to a core, with a cache of compiled programs."""
    variables = dict(os.environ, JAX_COMPILATION_CACHE_DIR=str(cache), PYTHONPATH=str(ROOT),
                     JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS="0",
                     JAX_EXPLAIN_CACHE_MISSES="1")  # fmt: skip
    bound = [] if core is None else ["taskset", "-c", str(core)]
    with open(log, "ab") as file:
        return subprocess.Popen([*bound, sys.executable, *command], env=variables, stdout=file,
                                stderr=file, start_new_session=True)  # fmt: skip


def cpu_of(pid: int) -> float:
    """Return the CPU seconds of a process, 0 where it is no more."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICK


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started, and theirs."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, task.read_text().split()):
                found += [child, *children_of(child)]
    return found


@contextlib.contextmanager
def cluster(workers: int, cache: Path, folder: Path) -> Iterator[tuple[str, list[Any]]]:
    """Start a scheduler and workers as a shell would; yields its address and the workers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    log = folder / "dask.log"
    every = [started(["-m", "dask", "scheduler", "--host", "127.0.0.1", "--port", str(port),
                      "--no-dashboard", "--idle-timeout", "10 minutes"],
                     cache, None, log)]  # fmt: skip
    try:
        for k in range(workers):
            words = ["-m", "dask", "worker", address, "--nthreads", "1", "--no-dashboard"]
            words += ["--death-timeout", "60", "--local-directory", str(folder / f"worker{k}")]
            every.append(started(words, cache, k % (os.cpu_count() or 1), log))
        _wait_for(address, workers)
        yield address, every[1:]
    finally:
        for process in every:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_for(address: str, workers: int) -> None:
    from distributed import Client

    with Client(address, timeout=60, set_as_default=False) as client:
        client.wait_for_workers(workers, timeout=120)


def kill_some(nannies: list[Any], out: Path, kills: int, files: int, killed: list[int]) -> None:
    """Kill worker processes in turn, each time after so many more results."""
    for k in range(kills):
        while len(list(out.glob("cells/*/*"))) < (k + 1) * files:
            time.sleep(0.02)
        victims = []
        while not victims:  # the nanny may be starting another one
            victims = [p for p in children_of(nannies[k % len(nannies)].pid) if cpu_of(p) > 1.0]
        os.kill(victims[-1], signal.SIGKILL)
        killed.append(victims[-1])


def measured(
    command: list[str], cache: Path, core: int | None, log: Path, others: list[Any]
) -> dict[str, Any]:
    """Run a command to its end; wall and CPU seconds of it, its children and other processes."""
    seen: Times = {}
    before = {pid: cpu_of(pid) for other in others for pid in (other.pid, *children_of(other.pid))}
    begin = time.perf_counter()
    process = started(command, cache, core, log)
    try:
        while process.poll() is None:
            for root in (process.pid, *(other.pid for other in others)):
                for pid in (root, *children_of(root)):
                    seen[pid] = max(seen.get(pid, 0.0), cpu_of(pid) - before.get(pid, 0.0))
            time.sleep(0.05)
    finally:
        process.kill()
    wall = time.perf_counter() - begin
    if process.returncode not in (0, 1):
        raise RuntimeError(log.read_text()[-1000:])
    return {"wall": wall, "cpu": sum(seen.values()), "busiest": max(seen.values())}


def round_of(folder: Path, asked: argparse.Namespace, spec: Path, k: int) -> dict[str, Any]:
    """Measure each way once, with an empty cache of its own or with one that is full."""
    found: dict[str, Any] = {}

    def cache(name: str) -> Path:
        return folder / ("cache-full" if asked.warm else f"cache-{k}-{name}")

    def sweep(name: str, *words: str) -> list[str]:
        out = str(folder / f"{name}-{k}")
        return ["-m", "jaxscale", "sweep", str(spec), "--folder", out, "--quiet", *words]

    def note(name: str, figures: dict[str, Any]) -> None:
        log, out = folder / f"{name}-{k}.log", folder / f"{name}-{k}"
        text = log.read_text(errors="replace") + _text(folder / f"dask-{name}-{k}" / "dask.log")
        compiled = text.count("PERSISTENT COMPILATION CACHE MISS for")
        programs = len(list(cache(name).glob("*-cache")))
        found[name] = {**figures, "compiled": compiled, "programs": programs, "bytes": digest(out)}
        print(name, found[name], file=sys.stderr, flush=True)

    note("one", measured(sweep("one"), cache("one"), 0, folder / f"one-{k}.log", []))
    ways = asked.ways.split(",")
    for name, kills in (("dask", 0), ("killed", asked.kills)):
        if name not in ways:
            continue
        home = folder / f"dask-{name}-{k}"
        home.mkdir()
        killed: list[int] = []
        with cluster(asked.workers, cache(name), home) as (address, nannies):
            out = folder / f"{name}-{k}"
            threading.Thread(target=kill_some, args=(nannies, out, kills, 20, killed),
                             daemon=True).start()  # fmt: skip
            words = sweep(name, "--scheduler", address)
            figures = measured(words, cache(name), None, folder / f"{name}-{k}.log", nannies)
        note(name, {**figures, "kills": len(killed)})
    if "own" in ways:
        words = sweep("own", "--workers", str(asked.workers))
        note("own", measured(words, cache("own"), None, folder / f"own-{k}.log", []))
    return found


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.is_file() else ""


def main(arguments: list[str] | None = None) -> int:
    """Measure, and print one line per way and round; exit 1 if a byte differs."""
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cluster", description=__doc__, formatter_class=plain
    )
    parser.add_argument("--tables", type=int, default=8, help="8 cells each; default 8")
    parser.add_argument("--bootstrap", type=int, default=1000, help="replicates; default 1000")
    parser.add_argument("--workers", type=int, default=2, help="processes; default 2")
    parser.add_argument("--kills", type=int, default=2, help="of workers; default 2")
    parser.add_argument("--ways", default="dask,killed,own", help="beside one process; default all")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--warm", action="store_true", help="with a full cache of programs")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write JSON here")
    asked = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the cluster ends, too
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spec = write_spec(folder, asked.bootstrap, asked.tables)
        if asked.warm:
            words = ["-m", "jaxscale", "sweep", str(spec), "--folder", str(folder / "first")]
            measured([*words, "--quiet"], folder / "cache-full", None, folder / "first.log", [])
        rounds = [round_of(folder, asked, spec, k) for k in range(asked.rounds)]
    same = len({figures["bytes"] for found in rounds for figures in found.values()}) == 1
    ratios = {
        way: {of: float(np.median([r[way][of] / r["one"][of] for r in rounds]))
              for of in ("wall", "cpu", "busiest")}
        for way in rounds[0]
    }  # fmt: skip
    settings = {key: str(value) for key, value in vars(asked).items()}
    result = {"settings": settings, "same_bytes": same, "ratios": ratios, "rounds": rounds}
    print(json.dumps({"same_bytes": same, "ratios": ratios}, indent=1))
    if asked.out is not None:
        asked.out.write_text(json.dumps(result, indent=1) + "\n")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
