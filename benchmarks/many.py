"""Many tables in one call, against a loop over `fit` in the same process.

    python -m benchmarks.many [--tables 1000] [--runs 50] [--starts 64] [--rounds 3]

Simulated tables of Chinchilla, each with its own runs and 1 % noise. Every round fits all of them
by one `fit_many`, and a slice of them by `fit`, one after the other; warm, in turns. The wall
ratio of a round is per table. CPU seconds count every thread. Both must come to the same: `equal`
counts the tables of the slice whose parameters are the same within 1e-9, and whose starts ended
alike.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import jaxscale

SAME = 1e-9
"""Relative difference within which parameters are the same."""
SLICE = 50
TRUTH = jaxscale.Chinchilla(E=1.7, A=400.0, B=410.0, alpha=0.34, beta=0.28)


def table(seed: int, n: int) -> jaxscale.Runs:
    """Return n simulated runs."""
    rng = np.random.default_rng(seed)
    N, D = 10 ** rng.uniform(7, 10, n), 10 ** rng.uniform(8.5, 11.5, n)
    loss = np.asarray(jaxscale.predict(TRUTH, N=N, D=D)) * np.exp(rng.normal(0, 0.01, n))
    return jaxscale.Runs(N=N, D=D, loss=loss)


def timed(function: Callable[[], Any]) -> tuple[Any, float, float]:
    """Return the result, wall seconds and CPU seconds of a call."""

    def cpu() -> float:
        used = resource.getrusage(resource.RUSAGE_SELF)
        return used.ru_utime + used.ru_stime

    begin, before = time.perf_counter(), cpu()
    result = function()
    return result, time.perf_counter() - begin, cpu() - before


def main() -> None:
    """Measure and print one line per round."""
    parser = argparse.ArgumentParser("benchmarks.many", description=__doc__.split("\n")[0])
    parser.add_argument("--tables", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--starts", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    tables = {str(k): table(k, options.runs) for k in range(options.tables)}
    few = list(tables)[:SLICE]

    def many() -> jaxscale.ManyFits:
        return jaxscale.fit_many("Chinchilla", tables, starts=options.starts)

    def loop() -> dict[str, jaxscale.FitResult]:
        return {k: jaxscale.fit("Chinchilla", tables[k], starts=options.starts) for k in few}

    jaxscale.fit_many("Chinchilla", [tables[k] for k in few], starts=options.starts)
    jaxscale.fit("Chinchilla", tables[few[0]], starts=options.starts)
    print(
        "round  tables/s  ms/table  CPU ms/table | loop: ms/fit  CPU ms/fit | wall ratio  CPU ratio"
    )
    ratios = []
    for turn in range(options.rounds):
        found, wall, cpu = timed(many)
        own, own_wall, own_cpu = timed(loop)
        a, b, c, d = (
            1e3 * x / count
            for x, count in (
                (wall, len(tables)),
                (cpu, len(tables)),
                (own_wall, len(few)),
                (own_cpu, len(few)),
            )
        )
        ratios.append(c / a)
        print(f"{turn:5d}  {1e3 / a:8.0f}  {a:8.2f}  {b:12.2f} | {c:12.2f}  {d:10.2f} | "
              f"{c / a:10.1f}  {d / b:9.1f}", flush=True)  # fmt: skip
    apart = [
        max(abs(found[k].law.values[name] / value - 1) for name, value in own[k].law.values.items())
        for k in few
    ]
    equal = sum(
        one < SAME and found[k].certificate.statuses == own[k].certificate.statuses
        for one, k in zip(apart, few, strict=True)
    )
    trusted = sum(each.trusted for each in found.certificates.values())
    print(f"median wall ratio {np.median(ratios):.1f}; equal {equal} of {len(few)}, "
          f"parameters at most {max(apart):.1g} apart; "
          f"{trusted} of {len(tables)} trusted")  # fmt: skip


if __name__ == "__main__":
    main()
