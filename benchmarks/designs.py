"""How often a certified fit allocates wrongly, by the design of its runs, on planted tables.

    python -m benchmarks designs --tables 1000
    python -m benchmarks designs --tables 100 --noise 0.01 --truth hoffmann --designs rectangle

Each table is simulated from a known law with Gaussian noise of the log loss and fitted as a person
would. Counted are the tables whose fit is certified, those whose best N for the budget is not
marked either (what `jaxscale allocate` gives with exit code 0), and those among them whose best N
is off by more than a factor three.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

TRUTHS = {
    "planted": (1.8, 480.0, 2100.0, 0.35, 0.37),
    "hoffmann": (1.69, 406.4, 410.7, 0.34, 0.28),
    "besiroglu": (1.8172, 482.0, 2085.43, 0.3478, 0.3658),
    "steep": (1.2, 5e4, 8e4, 0.6, 0.55),
    "flat": (0.9, 30.0, 60.0, 0.2, 0.2),
}
"""E, A, B, alpha, beta of the laws that tables are simulated from."""
COMPUTE = 1e21
"""The budget that is allocated, in FLOPs."""
OFF = 3.0
"""Factor of N from which an allocation is wrong."""
SMALL, LARGE, RUNS = 2e7, 1.5e9, 12
"""Sizes of a ladder, and how many."""
Design = Callable[[Any], tuple[np.ndarray, np.ndarray]]


class Count(NamedTuple):
    """What became of the tables of one design."""

    design: str
    n: int
    tables: int
    certified: int
    allocated: int
    off: int


def designs() -> dict[str, Design]:
    """Return every design: N and D [n] from a random generator."""
    from jaxscale.datasets.synthetic import isoflop_design

    sizes = np.geomspace(SMALL, LARGE, RUNS)

    def ladder(jitter: float, n: int = RUNS) -> Design:
        N = np.geomspace(SMALL, LARGE, n)
        return lambda rng: (N, 20 * N * np.exp(rng.normal(0, jitter, n)))

    def given(N: Any, D: Any) -> Design:
        return lambda rng: (np.asarray(N, float), np.asarray(D, float))

    def isoflop(budgets: int, many: int) -> Design:
        return given(*isoflop_design(np.logspace(18, 20, budgets), many))

    def rectangle(a: int, b: int) -> Design:
        N, D = np.geomspace(SMALL, LARGE, a), np.geomspace(1e9, 1e11, b)
        return given(np.repeat(N, b), np.tile(D, a))

    shares = (0.0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
    budgets = ((2, 6), (3, 7), (4, 5), (4, 6), (5, 6))
    five_N, five_D = [3e7, 1.19e9, 4.75e8, 1.89e8, 7.5e7], [1e9, 1e9, 3.16e9, 1e10, 3e10]
    return {
        **{f"ladder {100 * share:g} %": ladder(share) for share in shares},
        "ladder 20 %, 40 runs": ladder(0.2, 40),
        "ladder 30 %, 40 runs": ladder(0.3, 40),
        "one budget": given(sizes, 1e19 / 6 / sizes),
        "two settings": given(np.tile([1e8, 1e9], 6), np.tile([2e9, 2e10], 6)),
        "two sizes": given(np.repeat([1e8, 1e9], 6), np.tile(np.geomspace(1e9, 1e11, 6), 2)),
        "one knob": given(sizes, 7e3 * sizes**0.7),
        "five settings x 10": given(np.tile(five_N, 10), np.tile(five_D, 10)),
        "six settings x 10": given(np.tile([*five_N, 3e8], 10), np.tile([*five_D, 2e9], 10)),
        **{f"isoFLOP {b} x {k}": isoflop(b, k) for b, k in budgets},
        **{f"rectangle {a} x {b}": rectangle(a, b) for a, b in ((3, 7), (4, 5), (5, 5), (5, 6))},
    }  # fmt: skip


def count(design: str, truth: str, noise: float, tables: int, starts: int) -> Count:
    """Simulate the tables of a design, fit them, and count.

    Args:
        design: name of a design.
        truth: name of a law.
        noise: standard deviation of the log loss.
        tables: how many.
        starts: random starts of each fit.
    """
    import jaxscale
    from jaxscale.checks.information import FACTOR
    from jaxscale.fitting.informed import best_size_within

    law, make = jaxscale.Chinchilla(*TRUTHS[truth]), designs()[design]
    best = jaxscale.allocate(law, compute=COMPUTE).N
    certified = allocated = off = 0
    for seed in range(tables):
        rng = np.random.default_rng([seed, round(1e6 * noise), *f"{truth}/{design}".encode()])
        N, D = make(rng)
        loss = np.asarray(jaxscale.predict(law, N=N, D=D)) * np.exp(rng.normal(0, noise, len(N)))
        runs = jaxscale.Runs(N=N, D=D, loss=loss)
        try:
            fit = jaxscale.fit(jaxscale.Chinchilla(), runs, starts=starts)
        except jaxscale.JaxscaleError:  # refused at the door
            continue
        certified += fit.certificate.trusted
        if fit.certificate.trusted and best_size_within(fit, COMPUTE) <= FACTOR:
            allocated += 1
            found = jaxscale.allocate(fit.law, compute=COMPUTE).N
            off += abs(np.log(found / best)) > np.log(OFF)
    return Count(design, len(N), tables, certified, allocated, int(off))


def table(counts: list[Count]) -> str:
    """Return the counts as a Markdown table."""
    rows = ["| design | runs | certified | allocated | off by > 3x | of the allocated |",
            "|---|---|---|---|---|---|"]  # fmt: skip
    for c in counts:
        share = f"{100 * c.off / c.allocated:.1f} %" if c.allocated else "-"
        parts = (f"{100 * x / c.tables:.1f} %" for x in (c.certified, c.allocated))
        rows.append(f"| {c.design} | {c.n} | {' | '.join(parts)} | {c.off} | {share} |")
    return "\n".join(rows)


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add = parser.add_argument
    add("--tables", type=int, default=100, metavar="T", help="per design; default 100")
    add("--noise", type=float, nargs="+", default=[0.004], metavar="S", help="default .004")
    add("--truth", choices=TRUTHS, nargs="+", default=["planted"], help="default planted")
    add("--designs", default="", metavar="TEXT", help="only designs whose name contains this")
    add("--starts", type=int, default=64, metavar="K", help="of each fit; default 64")


def run(asked: argparse.Namespace) -> Iterator[str]:
    """Yield a table for every law and noise."""
    for truth in asked.truth:
        for noise in asked.noise:
            begin, counts = time.perf_counter(), []
            for name in designs():
                if asked.designs in name:
                    counts.append(count(name, truth, noise, asked.tables, asked.starts))
                    print(counts[-1], file=sys.stderr, flush=True)
            seconds = time.perf_counter() - begin
            head = f"{truth}, noise {100 * noise:g} %, {asked.tables} tables, {seconds:.0f} s"
            yield f"{head}\n\n{table(counts)}\n"
