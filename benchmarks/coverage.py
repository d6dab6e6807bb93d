"""How often intervals cover the truth, counted on simulated tables.

    python -m benchmarks.coverage --sets 1000 --out benchmarks/results/coverage.json
    python -m benchmarks.coverage --report benchmarks/results/coverage.json
    python -m benchmarks.coverage --default --cells budget --sets 100   # one method, some cells

Each cell is a law, a number of runs, a kind of noise and a design. Tables are simulated from the
law, fitted as a user would (the default loss unless the cell says otherwise), and every method of
the library states its intervals for the parameters, for predictions at 1, 10 and 100 times the
largest compute, for the loss of a new run at 10 times, and for N* at 10 times. What is reported is
how many intervals of a nominal level contain the truth. Nothing is timed.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.coverage_table import report

KINDS = ("percentile", "bca", "basic", "t")
LEVELS = (0.68, 0.90, 0.95)
DRAWS = 200
SIGMA = 0.005
LARGEST = 1e21
SIZES = (15, 50, 200)
SHAPES = {15: (3, 5), 50: (5, 10), 200: (10, 20)}
"""Budgets and sizes of an isoFLOP design, or sides of a rectangle."""
NOISES = ("lognormal", "additive", "heteroscedastic", "outliers", "clustered")
UNTOLD = {
    "budget": "isoflop",
    "budget-uneven": "isoflop",
    "equal-N": "rectangle",
    "equal-D": "rectangle",
}
"""Noise half of which runs of one budget, N or D share, while the table names no groups; and the
design that has such runs."""
KNOWN = ("cluster", "wild-cluster", "shared-noise")
"""Methods that draw groups, asked where the table names them."""


class Cell(NamedTuple):
    """What is simulated."""

    law: str
    n: int
    noise: str
    design: str
    loss: str = "huber"

    @property
    def name(self) -> str:
        """Return law/n/noise/design/loss."""
        return "/".join(map(str, self))


def cells() -> list[Cell]:
    """Return all cells; least squares for Chinchilla only, rectangles with two kinds of noise."""
    designs = {"Chinchilla": ("isoflop", "rectangle"), "Kaplan": ("isoflop", "rectangle"),
               "PowerLaw": ("line",)}  # fmt: skip
    huber = [
        Cell(law, n, noise, design)
        for law in designs
        for design in designs[law]
        for noise in NOISES
        for n in SIZES
        if design != "rectangle" or noise in ("lognormal", "heteroscedastic")
    ]
    some = ("lognormal", "heteroscedastic", "clustered")
    square = [Cell("Chinchilla", n, noise, "isoflop", "square") for noise in some for n in SIZES]
    return (
        huber + square + [Cell("Chinchilla", n, *how) for how in UNTOLD.items() for n in (50, 200)]
    )


def truth(cell: Cell) -> Any:
    import jaxscale
    from jaxscale.datasets.synthetic import TRUTH

    if cell.law == "Chinchilla":
        return TRUTH
    if cell.law == "Kaplan":
        return jaxscale.Kaplan.preset("kaplan_2020")
    return jaxscale.PowerLaw(a=2000.0, b=-0.16, c=1.7, of="C")


def inputs(cell: Cell) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the columns of a design, and which runs move together in clustered noise."""
    from jaxscale.datasets.synthetic import isoflop_design

    levels, sizes = SHAPES[cell.n]
    member = np.tile(np.arange(sizes), levels)
    if cell.noise in UNTOLD and cell.noise != "equal-D":
        member = np.repeat(np.arange(levels), sizes)
    if cell.design == "line":
        return {"C": np.logspace(17, np.log10(LARGEST), cell.n)}, np.arange(cell.n) % sizes
    if cell.design == "isoflop":
        N, D = isoflop_design(np.logspace(18, np.log10(LARGEST), levels), sizes)
    else:
        top = np.sqrt(LARGEST / 120)
        n, d = np.logspace(-2, 0, levels) * top, np.logspace(-2, 0, sizes) * 20 * top
        N, D = (x.ravel() for x in np.meshgrid(n, d, indexing="ij"))
    return {"N": N, "D": D}, member


def noise(cell: Cell, mean: np.ndarray, C: np.ndarray, member: np.ndarray, rng: Any) -> np.ndarray:
    """Return losses around their means [n]."""
    n = len(mean)
    error = rng.normal(size=n)
    if cell.noise == "additive":
        return mean + SIGMA * mean.mean() * error
    size = np.ones(n)
    if cell.noise in ("heteroscedastic", "budget-uneven"):  # six times as noisy at the smallest C
        size = 0.5 * 6.0 ** (np.log(C.max() / C) / np.log(C.max() / C.min()))
    if cell.noise == "outliers":  # one run in twenty ends too high
        extra = np.where(rng.random(n) < 0.05, np.abs(rng.normal(0, 20 * SIGMA, n)), 0)
        return mean * np.exp(SIGMA * error + extra)
    if cell.noise == "clustered" or cell.noise in UNTOLD:  # half of the variance is the cluster's
        error = np.sqrt(0.5) * (error + rng.normal(size=member.max() + 1)[member])
    return mean * np.exp(SIGMA * size * error)


def new_run(cell: Cell, mean: float, average: float, rng: Any) -> float:
    """Return the loss of a run at ten times the largest compute, with the noise it would have."""
    sigma = SIGMA * (0.5 if cell.noise in ("heteroscedastic", "budget-uneven") else 1.0)
    if cell.noise == "additive":
        return float(mean + SIGMA * average * rng.normal())
    return float(mean * np.exp(sigma * rng.normal()))


def asked_of(cell: Cell, law: Any) -> list[Any]:
    from jaxscale.uncertainty.quantities import Best, Prediction, quantity

    found: list[Any] = [quantity(name, law) for name in law.parameters]
    for factor in (1.0, 10.0, 100.0):
        C = factor * LARGEST
        N = np.sqrt(C / 120)
        at = {"C": C} if cell.law == "PowerLaw" else {"N": N, "D": 20 * N}
        found.append(Prediction(at))
    return found if cell.law == "PowerLaw" else [*found, Best(10 * LARGEST)]


def names_of(cell: Cell, law: Any) -> list[str]:
    best = [] if cell.law == "PowerLaw" else ["N* 10x"]
    return [*law.parameters, "L 1x", "L 10x", "L 100x", *best, "new run 10x"]


def states(
    fit: Any, asked: list[Any], cell: Cell, seed: int, default: bool = False
) -> dict[str, Any]:
    """Return, per method, the limits [levels, quantities, 2]; a sentence where it refuses."""
    from jaxscale.uncertainty.covariance import covariance
    from jaxscale.uncertainty.jackknife import jackknife
    from jaxscale.uncertainty.profile import profile
    from jaxscale.uncertainty.quantities import evaluate

    first = _draws(fit, "auto", seed)
    if default:
        return _drawn({"default": first}, asked, {}, None)
    left_out = jackknife(fit)
    drawn = {"default": first}
    for method in ("residual", "case", "bayesian", "wild", *(KNOWN if _clustered(cell) else ())):
        if method == first.method:
            drawn[method] = first
        elif method != "wild" or _wild(cell):
            drawn[method] = _draws(fit, method, seed)
    kinds = {"case": KINDS, "wild": ("percentile",) if _wild(cell) else ()}
    found = _drawn(drawn, asked, kinds, evaluate(asked, left_out.law))
    stated = {"laplace": lambda: covariance(fit, kind="laplace"),
              "sandwich": lambda: covariance(fit), "jackknife": lambda: left_out}  # fmt: skip
    if _clustered(cell):
        stated["jackknife groups"] = lambda: jackknife(fit, leave_groups=True)
        stated["sandwich groups"] = lambda: covariance(fit, group=fit.runs.group)
    for name, make in stated.items():
        found[name] = _attempt(lambda make=make: _pairs(make().intervals, asked))
    found["profile sandwich"] = _attempt(
        lambda: (
            [[(i.low, i.high) for i in (c.interval(v) for c in curves)] for v in LEVELS]
            if (curves := profile(fit, asked))
            else []
        )
    )
    return found


def _drawn(
    drawn: dict[str, Any], asked: list[Any], kinds: dict[str, Any], without: Any
) -> dict[str, Any]:
    """Return what draws state, by method and kind."""
    from jaxscale.uncertainty.quantities import evaluate

    found: dict[str, Any] = {}
    for method, draws in drawn.items():
        if isinstance(draws, str):
            found[f"{method} percentile"] = draws
            continue
        center, values = evaluate(asked, draws.fit.law)[0], evaluate(asked, draws.law)
        for kind in kinds.get(method, ("percentile",)):
            found[f"{method} {kind}"] = _limits(asked, center, values, draws, kind, without=without)
        band = draws.predict(new_run=True, **asked[len(draws.fit.law.parameters) + 1].inputs)
        for k, level in enumerate(LEVELS):  # of a new run, the 90 % interval only
            limits = (band.low, band.high) if level == band.level else (np.nan, np.nan)
            found[f"{method} percentile"][k].append(tuple(map(float, limits)))
    return found


def _clustered(cell: Cell) -> bool:
    return cell.noise == "clustered"


def _wild(cell: Cell) -> bool:
    return cell.loss == "square" or cell.noise in ("lognormal", "heteroscedastic")


def _attempt(work: Any) -> Any:
    import jaxscale

    try:
        return work()
    except jaxscale.FitError as error:
        return str(error)


def _draws(fit: Any, method: str, seed: int) -> Any:
    """Return draws without a search for other basins, of which these laws have none."""
    from jaxscale.uncertainty.bootstrap import bootstrap

    return _attempt(lambda: bootstrap(fit, method=method, draws=DRAWS, seed=seed, guards=0))


def _pairs(intervals: Any, asked: list[Any]) -> list[list[tuple[float, float]]]:
    return [[(i.low, i.high) for i in intervals(asked, level=level)] for level in LEVELS]


def _limits(
    asked: list[Any], center: Any, values: Any, draws: Any, kind: str, *, without: Any
) -> list[list[tuple[float, float]]]:
    from jaxscale.uncertainty.intervals import from_draws

    return [
        [
            from_draws(float(center[k]), values[:, k], level, kind, freedom=draws.freedom,
                       widening=draws.widening, logarithmic=q.logarithmic,
                       left_out=None if without is None else without[:, k])
            for k, q in enumerate(asked)
        ]
        for level in LEVELS
    ]  # fmt: skip


def run_cell(task: tuple[Cell, int], default: bool = False) -> dict[str, Any]:
    """Simulate the tables of a cell and count; of the default method only where that is asked."""
    import jaxscale
    from jaxscale.flops import complete
    from jaxscale.uncertainty.quantities import evaluate

    cell, count = task
    law, begin = truth(cell), time.time()
    columns, member = inputs(cell)
    mean = np.asarray(jaxscale.predict(law, **columns))
    C = columns["C"] if "C" in columns else complete(**columns)[2]
    asked, names = asked_of(cell, law), names_of(cell, law)
    real = evaluate(asked, law)[0]
    ten = float(real[len(law.parameters) + 1])
    free = law.replace(**dict.fromkeys(law.parameters))
    loss = jaxscale.Square() if cell.loss == "square" else jaxscale.Huber()
    starts = 16 if cell.law == "Kaplan" else 0  # the others have an exponent grid
    group = member if cell.noise == "clustered" else None
    hits: dict[str, np.ndarray] = {}
    stated: dict[str, np.ndarray] = {}
    width: dict[str, list[np.ndarray]] = {}
    refused: dict[str, int] = {}
    rngs = [np.random.default_rng([seed, *cell.name.encode()]) for seed in range(count)]
    tables = [
        jaxscale.Runs(loss=noise(cell, mean, C, member, rng), group=group, **columns)
        for rng in rngs
    ]
    fits = jaxscale.fit_many(free, tables, loss=loss, starts=starts)
    for seed, rng in enumerate(rngs):
        fit = fits[str(seed)]
        goal = np.append(real, new_run(cell, ten, float(mean.mean()), rng))
        for method, intervals in states(fit, asked, cell, seed, default).items():
            if isinstance(intervals, str):
                refused[method] = refused.get(method, 0) + 1
                continue
            limits = np.array(intervals)  # [levels, quantities, 2]
            here = goal[: limits.shape[1]]
            inside = (limits[..., 0] <= here) & (here <= limits[..., 1])
            table = hits.setdefault(method, np.zeros((len(LEVELS), len(names))))
            table[:, : limits.shape[1]] += inside
            stated.setdefault(method, np.zeros(len(names)))[: limits.shape[1]] += 1
            width.setdefault(method, []).append(limits[1, :, 1] - limits[1, :, 0])
    return {
        "cell": cell._asdict(),
        "sets": count,
        "names": names,
        "hits": {m: table.astype(int).tolist() for m, table in hits.items()},
        "stated": {m: row.astype(int).tolist() for m, row in stated.items()},
        "width90": {m: np.median(rows, axis=0).tolist() for m, rows in width.items()},
        "refused": refused,
        "seconds": time.time() - begin,
    }


def _worker(cores: Any) -> None:
    """Keep a worker to one core, before JAX makes its threads."""
    core = cores.get()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "benchmarks.coverage", description=__doc__, formatter_class=raw
    )
    parser.add_argument("--sets", type=int, default=1000, help="simulated tables per cell")
    parser.add_argument("--cells", default="", help="only cells whose name contains this")
    parser.add_argument("--default", action="store_true", help="only what `bootstrap` does unasked")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, help="write JSON here, and Markdown beside it")
    parser.add_argument("--resume", action="store_true", help="keep the cells that --out has")
    parser.add_argument("--report", type=Path, metavar="JSON", help="only write the Markdown")
    options = parser.parse_args()
    if options.report:
        document = json.loads(options.report.read_text())
        options.report.with_suffix(".md").write_text(report(document))
        return
    results = []
    if options.resume and options.out and options.out.exists():
        results = json.loads(options.out.read_text())["cells"]
    done = {Cell(**r["cell"]) for r in results}
    chosen = [cell for cell in cells() if options.cells in cell.name and cell not in done]
    # Cells of one shape run one after the other: they share compiled programs.
    chosen.sort(key=lambda cell: (cell.law, cell.loss, cell.n))
    for result in _each(
        [(cell, options.sets) for cell in chosen], options.workers, options.default
    ):
        results.append(result)
        name = "/".join(map(str, result["cell"].values()))
        print(f"{len(results)} {name} {result['seconds']:.0f} s", file=sys.stderr, flush=True)
        document = _document(results)
        if options.out:
            options.out.write_text(json.dumps(document) + "\n")
    if options.out:
        options.out.with_suffix(".md").write_text(report(document))
    else:
        print(report(document))


def _document(results: list[dict[str, Any]]) -> dict[str, Any]:
    from benchmarks.document import environment

    order = {cell: k for k, cell in enumerate(cells())}
    ordered = sorted(results, key=lambda r: order[Cell(**r["cell"])])
    return {
        "levels": LEVELS,
        "draws": DRAWS,
        "sigma": SIGMA,
        "cells": ordered,
        "environment": environment(),
    }


def _each(tasks: list[tuple[Cell, int]], workers: int, default: bool) -> Any:
    """Yield the results of all cells, worked on in processes of one core each."""
    context = multiprocessing.get_context("spawn")
    cores = context.Queue()
    own = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
    for k in range(workers):
        cores.put(own[k % len(own)])
    with tempfile.TemporaryDirectory() as cache:
        os.environ["JAX_COMPILATION_CACHE_DIR"] = cache
        os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
        with context.Pool(workers, _worker, (cores,)) as pool:
            yield from pool.imap_unordered(partial(run_cell, default=default), tasks)


if __name__ == "__main__":
    main()
