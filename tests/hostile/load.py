"""Many fits of changing shapes and laws in one process: memory and programs stay within bounds.

    python tests/hostile/load.py [FITS [SIZES [MIB]]]

Exit code 0 where memory after the first quarter grows by less than 5 % to the end, and never more
programs are kept than allowed. SIZES are the lengths of tables, MIB the programs that are kept.
"""

import sys
import time

import numpy as np

import jaxscale
from jaxscale._numerics import programs

LAWS = ("PurePowerLaw:N", "PowerLaw:N", "LogLaw:N", "KaplanN")
GROWTH = 0.05


def resident() -> float:
    """Return the MB of memory that the process holds, the allocator's spare memory aside."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 1e6


def fits(count: int, sizes: int):
    """Fit so many tables of changing sizes and laws; yields the memory after each."""
    rng = np.random.default_rng(0)
    for k in range(count):
        n = 10 + 8 * int(rng.integers(sizes))
        N = np.logspace(7, 10, n)
        loss = (60 * N**-0.2 + 1.2) * np.exp(0.01 * rng.normal(size=n))
        runs = jaxscale.Runs(N=N, loss=loss)
        jaxscale.fit(LAWS[rng.integers(len(LAWS))], runs, starts=16, seed=k)
        yield resident()


def main(count: int = 2000, sizes: int = 40, limit: int = programs.LIMIT >> 20) -> int:
    """Run the fits; returns the exit code."""
    begin, memory, most = time.time(), [], 0
    programs.LIMIT = limit << 20
    for k, now in enumerate(fits(count, sizes), 1):
        memory.append(now)
        most = max(most, programs.kept())
        if k % max(1, count // 40) == 0:
            spent = time.time() - begin
            figures = f"{programs.kept() / 1e6:5.0f} MB of programs, {now:8.1f} MB in all"
            print(
                f"{k:6d} fits {spent:8.1f} s {programs.compiled:5d} compiled, {figures}", flush=True
            )
    warm, last = max(memory[: count // 4]), max(memory[-count // 10 :])
    growth = last / warm - 1
    print(f"after the first quarter {warm:.0f} MB, at the end {last:.0f} MB: {100 * growth:+.1f} %")
    return int(growth > GROWTH or most > programs.LIMIT)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
