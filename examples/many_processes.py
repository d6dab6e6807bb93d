"""One fit on several processes: every process takes a share of the starts, all get the answer.

On this machine, two processes:

    python examples/many_processes.py --processes 2

Under SLURM, one process per task (JAX finds the others by itself):

    srun --ntasks=8 python examples/many_processes.py

The call is the same `jaxscale.fit` as on one device; the mesh says who takes part.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys

import jax
import numpy as np

import jaxscale
from jaxscale.datasets import load


def launch(processes: int, starts: int) -> int:
    """Start this script once per process, with an address to meet at."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        address = f"localhost:{probe.getsockname()[1]}"
    command = [sys.executable, __file__, "--starts", str(starts)]
    environments = [
        dict(os.environ, MEET=address, PROCESSES=str(processes), PROCESS=str(k))
        for k in range(processes)
    ]
    # Only process 0 has something to say; the others' notes of the connection would tear its lines.
    children = [
        subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL if k else None)
        for k, environment in enumerate(environments)
    ]
    return int(any([child.wait() for child in children]))  # a killed one has a negative code


def join() -> None:
    """Meet the other processes: those of `launch`, or the tasks of a SLURM step."""
    if "MEET" in os.environ:
        jax.distributed.initialize(
            os.environ["MEET"], int(os.environ["PROCESSES"]), int(os.environ["PROCESS"])
        )
    elif "SLURM_STEP_NODELIST" in os.environ:
        jax.distributed.initialize()


def main() -> None:
    """Fit the demo's runs together; process 0 prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=1, help="start this many here")
    parser.add_argument("--starts", type=int, default=2000)
    options = parser.parse_args()
    if options.processes > 1:
        sys.exit(launch(options.processes, options.starts))
    join()
    mesh = jax.sharding.Mesh(np.array(jax.devices()), ("lanes",))  # of all processes
    fit = jaxscale.fit(
        jaxscale.Chinchilla(), load("stdlib_ladder"), starts=options.starts, mesh=mesh
    )
    if jax.process_index() == 0:
        print(f"{jax.process_count()} processes, {jax.device_count()} devices")
        print(f"{fit.certificate.share_at_best:.1%} of {options.starts} starts at {fit.value!r}")
        print(f"sum of all values reached: {float(np.sum(fit.start_values))!r}")
        print(fit.law)


if __name__ == "__main__":
    main()
