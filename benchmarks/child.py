"""Work that needs a process of its own, asked for as JSON and answered as one line of JSON.

Used where the number of devices is fixed at start (strong scaling), where memory is counted from
zero, where a library forks (the package chinchilla), and for two versions of jaxscale in turns.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from .problems import Problem, classic_starts

ROOT = Path(__file__).resolve().parents[1]


def pack(problem: Problem) -> dict[str, Any]:
    """Return what a child needs to know of a problem."""
    columns = {name: getattr(problem, name).tolist() for name in ("N", "D", "loss")}
    return {"name": problem.name, "delta": problem.delta, **columns}


def unpack(packed: dict[str, Any]) -> Problem:
    """Inverse of `pack`; starts are the classic ones."""
    N, D, loss = (np.array(packed[name]) for name in ("N", "D", "loss"))
    return Problem(packed["name"], N, D, loss, classic_starts(), None, "", packed["delta"])


def ask(
    task: str,
    request: dict[str, Any],
    *,
    devices: int = 1,
    folder: Path = ROOT,
    cache: str | None = None,
) -> dict[str, Any]:
    """Run one of `TASKS` in a child process and return its answer.

    Args:
        task: its name.
        request: its arguments, as JSON.
        devices: host devices of the child.
        folder: where `benchmarks` and `jaxscale` are imported from.
        cache: folder of compiled programs; None for no cache.

    Raises:
        RuntimeError: the child failed; the message has the end of what it wrote.
    """
    flags = [os.environ.get("XLA_FLAGS", "")]
    if devices > 1:
        flags.append(f"--xla_force_host_platform_device_count={devices}")
    variables = dict(os.environ, XLA_FLAGS=" ".join(flags).strip(), MPLBACKEND="Agg")
    if cache is not None:
        variables.update(JAX_COMPILATION_CACHE_DIR=cache,
                         JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS="0")  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.child", task],
        input=json.dumps(request), cwd=folder, env=variables,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise RuntimeError(f"child process {task!r} failed: {last[:300]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def strong(request: dict[str, Any]) -> dict[str, Any]:
    """Solve starts split evenly over all devices; wall seconds of each call, after a warm one."""
    import jax
    from jax.sharding import Mesh, PartitionSpec

    from jaxscale import engine, newton
    from jaxscale.varpro.starts import random_starts

    from .methods import prepared

    objective = prepared(unpack(request["problem"]))
    mesh = Mesh(np.array(jax.devices()), ("starts",))
    solve = jax.shard_map(
        lambda o, z: engine.solve(o, newton(), z, width=request["width"]),
        mesh=mesh, in_specs=(PartitionSpec(), PartitionSpec("starts")),
        out_specs=PartitionSpec("starts"), check_vma=False,
    )  # fmt: skip
    walls, cpus = [], []
    with jax.enable_x64(True):
        z = random_starts(objective, request["starts"], 0)
        program = jax.jit(solve)
        for _ in range(request["repeats"] + 1):
            wall, cpu = time.perf_counter(), time.process_time()
            found = jax.device_get(program(objective, z))
            walls.append(time.perf_counter() - wall)
            cpus.append(time.process_time() - cpu)
    median = {"wall": float(np.median(walls[1:])), "cpu": float(np.median(cpus[1:]))}
    steps = [float(found.steps.mean()), float(np.median(found.steps))]
    return {"first": walls[0], "devices": jax.device_count(), "steps": steps, **median,
            "value": float(found.value.min() * objective.loss.scale)}  # fmt: skip


def peak_bytes() -> int:
    """Return the peak resident memory of this process.

    On Linux `ru_maxrss` of a child begins at what its parent held when it forked, so the peak of
    the program itself is read from /proc.
    """
    import resource

    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes there
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def memory(request: dict[str, Any]) -> dict[str, Any]:
    """Fit from many starts; peak resident bytes after the imports and after the fit."""
    import jaxscale

    from .methods import runs_of

    runs = runs_of(unpack(request["problem"]))
    before = peak_bytes()
    begin = time.perf_counter()
    fit = jaxscale.fit(jaxscale.Chinchilla(), runs, starts=request["starts"])
    wall = time.perf_counter() - begin
    return {"before": before, "after": peak_bytes(), "value": fit.value, "wall": wall}


def chinchilla(request: dict[str, Any]) -> dict[str, Any]:
    """Fit with the package chinchilla, or say why it cannot."""
    from .measure import Missing
    from .peers import chinchilla_fit

    try:
        return chinchilla_fit(unpack(request["problem"]), request["grid"])
    except Missing as error:
        return {"missing": str(error)}


def versions(request: dict[str, Any]) -> dict[str, Any]:
    """Measure the jaxscale that is imported here against SciPy; see `compare --against`."""
    from .against import measured

    return measured(request)


def nlsq(request: dict[str, Any]) -> dict[str, Any]:
    """Fit with nlsq from given starts, or say why it cannot."""
    from .apart import answered, nlsq_fits

    problem, starts = unpack(request["problem"]), np.array(request["starts"])
    return answered(lambda: nlsq_fits(problem, starts))


def simple(request: dict[str, Any]) -> dict[str, Any]:
    """Fit and bootstrap with simple-scaling-laws, or say why it cannot."""
    from .apart import answered, simple_fit

    return answered(lambda: simple_fit(unpack(request["problem"]), request["draws"]))


TASKS = {"strong": strong, "memory": memory, "chinchilla": chinchilla, "versions": versions,
         "nlsq": nlsq, "simple": simple}  # fmt: skip

if __name__ == "__main__":
    print(json.dumps(TASKS[sys.argv[1]](json.load(sys.stdin))))
