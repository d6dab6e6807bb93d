"""How often the intervals of N* from isoFLOP tables cover the truth, by approach and polynomial.

    python -m benchmarks.isoflop_coverage --tables 1000 --law-tables 100
    python -m benchmarks.isoflop_coverage --rival 40     # beside simple-scaling-laws, if installed

Tables are simulated from a known law with Gaussian noise of the log loss, half of its variance
shared by the runs of a budget where it says so. Approach 2 is what `jaxscale.isoflop` does: the
polynomials, the lines through their minima, the allowance for the bias that each polynomial has on
the design under the law fitted to the very table. Approach 3 is that law with `bootstrap`. Counted
are intervals of a nominal 90 % for N* at 1, 10 and 100 times the largest budget.
"""

from __future__ import annotations

import argparse
import math
import resource
import sys
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

FACTORS = (1.0, 10.0, 100.0)
LEVEL = 0.9
STARTS = 64
DRAWS = 200
"""Of the bootstrap of approach 3."""


class Design(NamedTuple):
    """Sizes at every budget: exp(off +- half width) around the best one."""

    name: str
    budgets: int
    sizes: int
    width: float
    off: float


DESIGNS = (
    Design("5 x 7, within 2x", 5, 7, math.log(2), 0.0),
    Design("5 x 9, within 8x", 5, 9, math.log(8), 0.0),
    Design("5 x 9, within 16x", 5, 9, math.log(16), 0.0),
    Design("5 x 7, off-centre", 5, 7, math.log(4), 0.8),
    Design("3 x 5, within 3x", 3, 5, math.log(10) / 2, 0.0),
)
NOISES = (0.003, 0.01)


class Cell(NamedTuple):
    """What is simulated."""

    design: Design
    noise: float
    shared: bool
    truth: Truth

    @property
    def name(self) -> str:
        """As the table calls it."""
        half = ", half shared" if self.shared else ""
        return f"{self.design.name}; {100 * self.noise:g} %{half}"


def best_size(law: Any, log_C: np.ndarray) -> np.ndarray:
    """Return log N* [m] of a law E + A N^-alpha + B D^-beta at budgets."""
    a, b, alpha, beta = (float(x) for x in (law.A, law.B, law.alpha, law.beta))
    found: np.ndarray = (math.log(alpha * a / beta / b) + beta * (log_C - math.log(6))) / (
        alpha + beta
    )
    return found


class Truth(NamedTuple):
    """The law of the tables, E + A N^-alpha + B D^-beta."""

    E: float
    A: float
    B: float
    alpha: float
    beta: float


TRUTHS = {
    "hoffmann": Truth(1.69, 406.4, 410.7, 0.34, 0.28),
    "epoch": Truth(1.8172, 482.0, 2085.4, 0.3478, 0.3658),
    "ladder": Truth(0.954, 26.9, 594.0, 0.423, 0.529),
}
"""Hoffmann et al. 2022 as printed; Besiroglu et al. 2024; the ladder of the package. The intervals
were chosen on tables of the first."""


def sizes(design: Design, truth: Truth) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return N, D and budget numbers [n] of a design, and so its losses' places."""
    C = 10 ** (18 + 0.5 * np.arange(design.budgets))
    around = design.off + np.linspace(-design.width, design.width, design.sizes)
    N = np.exp(best_size(truth, np.log(C))[:, None] + around)
    return N.ravel(), (C[:, None] / 6 / N).ravel(), np.repeat(np.arange(design.budgets), N.shape[1])


def tables(cell: Cell, count: int) -> Iterator[Any]:
    """Yield the simulated tables of a cell."""
    from jaxscale import Runs

    N, D, budget = sizes(cell.design, cell.truth)
    E, A, B, alpha, beta = cell.truth
    mean = E + A * N**-alpha + B * D**-beta
    scale = cell.noise * (math.sqrt(0.5) if cell.shared else 1.0)
    for k in range(count):
        rng = np.random.default_rng([k, int(1e6 * cell.noise), cell.shared])
        r = scale * rng.standard_normal(len(N))
        if cell.shared:
            r = r + scale * rng.standard_normal(cell.design.budgets)[budget]
        yield Runs(N=N, D=D, loss=mean * np.exp(r))


class Count(NamedTuple):
    """Intervals of one cell and one way: [tables, 3] covered, log half widths; and seconds."""

    covered: np.ndarray
    half: np.ndarray
    refused: int
    seconds: float


def places(design: Design, truth: Truth) -> tuple[np.ndarray, np.ndarray]:
    """Return log C and the true log N* [3] that are asked for."""
    log_C = math.log(10) * (18 + 0.5 * (design.budgets - 1)) + np.log(FACTORS)
    return log_C, best_size(truth, log_C)


def counted(ends: list[Any], truth: np.ndarray, refused: int, seconds: float) -> Count:
    """Return how many (low, high) [tables, 3, 2] of log N* cover the truth."""
    at = np.array(ends, float).reshape(-1, len(FACTORS), 2)
    covered = (at[..., 0] <= truth) & (truth <= at[..., 1])
    return Count(covered, (at[..., 1] - at[..., 0]) / 2, refused, seconds)


def approach_2(cell: Cell, count: int, name: str, fits: Any) -> tuple[Count, Count]:
    """Return the coverage of the minima of a polynomial, without and with allowance for bias."""
    from jaxscale.isoflops.bias import biases
    from jaxscale.isoflops.lines import lines
    from jaxscale.isoflops.minima import by_budget

    log_C, truth = places(cell.design, cell.truth)
    plain, ends, refused, start = [], [], 0, _cpu()
    for k, runs in enumerate(tables(cell, count)):
        found = by_budget(runs, degree=name)
        if len(found.used) < 2:
            refused += 1
            continue
        line = lines(found)[0]["N"]
        off = np.zeros(len(log_C))
        if str(k) in fits:
            fit = fits[str(k)]
            known = biases(found, fit.prediction, log_C, best_size(fit.law, log_C), tables=1)
            off = np.nan_to_num([each.exact for each in known])
        plain.append([line.interval(place, LEVEL)[1:] for place in log_C])
        pairs = zip(log_C, off, strict=True)
        ends.append([line.interval(place, LEVEL, bias)[1:] for place, bias in pairs])
    spent = _cpu() - start
    return counted(plain, truth, refused, spent), counted(ends, truth, refused, spent)


def approach_3(cell: Cell, count: int) -> Count:
    """Return the coverage of the law with its bootstrap."""
    from jaxscale import bootstrap, fit
    from jaxscale.uncertainty.quantities import Best

    log_C, truth = places(cell.design, cell.truth)
    asked = [Best(float(np.exp(place))) for place in log_C]
    ends, refused, start = [], 0, _cpu()
    for runs in tables(cell, count):
        found = fit("Chinchilla", runs, starts=STARTS)
        if not found.certificate.trusted:
            refused += 1
            continue
        intervals = bootstrap(found, draws=DRAWS).intervals(asked, level=LEVEL)
        ends.append([[math.log(i.low), math.log(i.high)] for i in intervals])
    return counted(ends, truth, refused, _cpu() - start)


def rival(cell: Cell, count: int, degree: int) -> Count:
    """Return the coverage of simple-scaling-laws' isoFLOP lines on the same tables."""
    import polars as pl
    from simple_scaling_laws.cost import cost_model
    from simple_scaling_laws.isoflop import IsoflopError, fit_isoflop

    log_C, truth = places(cell.design, cell.truth)
    cost = cost_model("power", k=6.0, a=1.0, b=1.0)
    tails = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
    ends, refused, start = [], 0, _cpu()
    for runs in tables(cell, count):
        columns = {
            "training_run_id": [str(k) for k in range(len(runs))],
            "model_size__n_params": runs.columns["N"],
            "dataset_size__n_tokens": runs.columns["D"],
            "test_loss__ce": runs.loss,
        }
        try:
            found = fit_isoflop(pl.DataFrame(columns), cost=cost, degree=degree)
            at = found.predict(list(np.exp(log_C)), quantiles=tails)
        except IsoflopError:
            refused += 1
            continue
        names = [name for name in at.columns if name.startswith("model_size__n_params__")]
        ends.append(np.log(at.select(names).to_numpy().astype(float)))
    return counted(ends, truth, refused, _cpu() - start)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def cells(truth: Truth) -> list[Cell]:
    """Return all cells."""
    return [
        Cell(design, noise, shared, truth)
        for design in DESIGNS
        for noise in NOISES
        for shared in (False, True)
    ]


def row(cell: Cell, way: str, found: Count) -> str:
    """Return a row of the table."""
    n = len(found.covered)
    if not n:
        return f"| {cell.name} | {way} | 0 | {found.refused} | - | - | - | - | |"
    share = [f"{100 * x:.0f}" for x in found.covered.mean(axis=0)]
    half = np.median(found.half, axis=0)
    wide = " / ".join(f"{100 * (math.exp(min(x, 20)) - 1):.0f}" for x in half)
    each = f"{1e3 * found.seconds / (n + found.refused):.0f}"
    cells = [cell.name, way, f"{n}", f"{found.refused}", *share, wide, each]
    return f"| {' | '.join(cells)} |"


HEAD = (
    "| design; noise | approach | tables | refused | 1x | 10x | 100x | half width, % | ms |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def measured(options: argparse.Namespace) -> Iterator[str]:
    """Yield the rows of the table."""
    from jaxscale import fit_many
    from jaxscale.isoflops.valleys import DEGREES

    for cell in cells(TRUTHS[options.truth])[options.skip :]:
        count = options.tables
        fits = fit_many("Chinchilla", list(tables(cell, count)), starts=STARTS) if count else {}
        for name in DEGREES if count else ():
            if cell.design.sizes < DEGREES[name] + 2:
                continue
            some = count // 5 if name in ("quartic", "local") else count  # those take longest
            plain, allowed = approach_2(cell, some, name, fits)
            if name == "parabola":
                yield row(cell, "2 parabola, bias not allowed for", plain)
            yield row(cell, f"2 {name}", allowed)
        if options.law_tables:
            yield row(cell, "3 Chinchilla", approach_3(cell, options.law_tables))


def beside_rival(options: argparse.Namespace) -> Iterator[str]:
    """Yield the rows of jaxscale and simple-scaling-laws on the same tables."""
    from jaxscale import fit_many

    for cell in cells(TRUTHS[options.truth])[::3]:
        made = list(tables(cell, options.rival))
        fits = fit_many("Chinchilla", made, starts=STARTS)
        for name in ("parabola", "cubic"):
            yield row(cell, f"jaxscale {name}", approach_2(cell, options.rival, name, fits)[1])
        for name, degree in (("parabola", 2), ("cubic", 3)):
            yield row(cell, f"simple-scaling-laws {name}", rival(cell, options.rival, degree))


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.isoflop_coverage")
    parser.add_argument("--tables", type=int, default=100, help="per design, for approach 2")
    parser.add_argument("--law-tables", type=int, default=0, help="per design, for approach 3")
    parser.add_argument("--skip", type=int, default=0, help="cells that were measured before")
    parser.add_argument("--truth", choices=TRUTHS, default="hoffmann", help="law of the tables")
    parser.add_argument("--rival", type=int, default=0, help="tables beside simple-scaling-laws")
    options = parser.parse_args(argv)
    start = time.perf_counter()
    sys.stdout.write(HEAD + "\n")
    for line in beside_rival(options) if options.rival else measured(options):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    sys.stdout.write(f"\n{time.perf_counter() - start:.0f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
