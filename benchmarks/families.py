"""What sharing parameters between families of runs brings, counted on simulated tables.

    python -m benchmarks.families --sets 500 --out benchmarks/results/families.md
    python -m benchmarks.families --sets 20 --cells "3 x 25" --draws 0    # a look

A cell plants G families of runs that share alpha and beta of a Chinchilla law and have E, A (and B)
of their own, on a grid of N and D with lognormal noise of .5 %. Each table is fitted once over its
families (`Grouped`) and once family by family. Counted: how often nominal 90 % intervals hold the
planted values (the sandwich of the fit, and the bootstrap, both with Student's t), and how far
alpha and beta scatter around their planted values, against the separate fits and against their mean
over the families, which costs as many runs. Nothing is timed but the whole.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

import jaxscale
from jaxscale import Chinchilla, Grouped, Huber, Runs, Square
from jaxscale.fitting.families import with_families

SIGMA = 0.005
ALPHA, BETA = 0.34, 0.33
LEVEL = 0.9


class Cell(NamedTuple):
    """What is planted."""

    families: int
    runs: int  # of each
    own: tuple[str, ...]
    loss: str = "huber"
    pool: bool = False

    @property
    def name(self) -> str:
        """Return what the report calls it."""
        return f"{self.families} x {self.runs}, {','.join(self.own)}, {self.loss}" + (
            ", pooled" if self.pool else ""
        )


CELLS = (
    Cell(3, 25, ("E", "A")),
    Cell(3, 25, ("E", "A", "B")),
    Cell(3, 25, ("E", "A", "B"), "square"),
    Cell(6, 16, ("E", "A", "B")),
    Cell(6, 9, ("E", "A"), "square"),
)
SHAPES = {9: (3, 3), 16: (4, 4), 25: (5, 5)}


def planted(cell: Cell, rng: np.random.Generator) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return a table, and the planted values: [G] each, of shared parameters as well."""
    G, (rows, columns) = cell.families, SHAPES[cell.runs]
    N, D = np.meshgrid(np.geomspace(1e7, 3e9, rows), np.geomspace(2e8, 6e10, columns))
    spread = {"E": 0.05, "A": 0.15, "B": 0.15}
    middle = {"E": 1.7, "A": 400.0, "B": 1500.0}
    truth = {
        name: value * np.exp(spread[name] * (name in cell.own) * rng.normal(size=G))
        for name, value in middle.items()
    }
    N, D = np.tile(N.ravel(), G), np.tile(D.ravel(), G)
    which = np.repeat(np.arange(G), cell.runs)
    L = truth["E"][which] + truth["A"][which] * N**-ALPHA + truth["B"][which] * D**-BETA
    L = L * np.exp(SIGMA * rng.normal(size=len(L)))
    table = {"N": N, "D": D, "loss": L, "family": np.array([f"f{k}" for k in which])}
    return table, {**truth, "alpha": np.full(G, ALPHA), "beta": np.full(G, BETA)}


def covered(low: float, high: float, truth: float) -> bool:
    """Return whether an interval holds the truth."""
    return bool(low <= truth <= high)


def run(cell: Cell, sets: int, draws: int, seed: int, starts: int) -> dict[str, Any]:
    """Return what a cell comes to."""
    begin = time.perf_counter()
    loss = Square() if cell.loss == "square" else Huber(1e-3)
    grouped = Grouped(Chinchilla, by="family", own=cell.own, pool=cell.pool)
    tables, truths, alone = {}, [], {}
    for k in range(sets):
        table, truth = planted(cell, np.random.default_rng([seed, k]))
        law, tables[f"{k}"] = with_families(grouped, table)
        truths.append(truth)
        for g in range(cell.families):
            here = table["family"] == f"f{g}"
            some = {name: table[name][here] for name in ("N", "D", "loss")}
            alone[f"{k} {g}"] = Runs(**some)
    if cell.pool:
        fits = {name: jaxscale.fit(law, runs, loss=loss, starts=starts)
                for name, runs in tables.items()}  # fmt: skip
    else:
        fits = dict(jaxscale.fit_many(law, tables, loss=loss, starts=starts))
    separate = jaxscale.fit_many(Chinchilla(), alone, loss=loss, starts=starts)
    hits: dict[str, list[bool]] = {}
    boot: dict[str, list[bool]] = {}
    off: dict[str, list[float]] = {"alpha": [], "beta": []}
    each: dict[str, list[float]] = {"alpha": [], "beta": []}
    mean: dict[str, list[float]] = {"alpha": [], "beta": []}
    trusted = 0
    for k, truth in enumerate(truths):
        if f"{k}" not in fits:
            continue
        fit = fits[f"{k}"]
        trusted += fit.certificate.trusted
        names = {field: (name, g) for name, fields in law.names.items()
                 for g, field in enumerate(fields)}  # fmt: skip
        names |= {name: (name, 0) for name in law.free if name not in names}
        found = jaxscale.covariance(fit).intervals(list(names), level=LEVEL)
        for interval, (name, g) in zip(found, names.values(), strict=True):
            hit = covered(interval.low, interval.high, truth[name][g])
            hits.setdefault(name, []).append(hit)
        if draws and k < sets:
            drawn = jaxscale.bootstrap(fit, draws=draws, seed=k)
            intervals = drawn.intervals(list(names), level=LEVEL)
            for interval, (name, g) in zip(intervals, names.values(), strict=True):
                hit = covered(interval.low, interval.high, truth[name][g])
                boot.setdefault(name, []).append(hit)
        for name, value in (("alpha", ALPHA), ("beta", BETA)):
            own = [separate[f"{k} {g}"] for g in range(cell.families) if f"{k} {g}" in separate]
            values = [float(getattr(one.law, name)) - value for one in own]
            off[name].append(float(getattr(fit.law, name)) - value)
            each[name] += values
            mean[name].append(float(np.mean(values)))
    rms = {name: [_spread(part[name]) for part in (off, each, mean)] for name in ("alpha", "beta")}
    return {
        "cell": cell.name,
        "tables": len(off["alpha"]),
        "trusted": trusted,
        "hits": {name: 100 * float(np.mean(x)) for name, x in hits.items()},
        "boot": {name: 100 * float(np.mean(x)) for name, x in boot.items()},
        "rms": rms,
        "seconds": time.perf_counter() - begin,
    }


def _spread(values: list[float]) -> float:
    """Return half the width that holds 68 %, which no failed fit moves."""
    return float(np.quantile(np.abs(values), 0.683))


def report(cells: list[dict[str, Any]], command: str) -> str:
    """Return the page."""
    lines = [
        "# Families that share parameters",
        "",
        f"`{command}`; {jax.local_devices()[0].device_kind}, float64, jax {jax.__version__}, "
        f"jaxscale {jaxscale.__version__}.",
        "",
        "Coverage of nominal 90 % intervals in percent, sandwich / bootstrap, over all families; "
        "the standard error of a figure of 500 tables is at most 1.4.",
        "",
        "| planted | tables | certified | E | A | B | alpha | beta |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for c in cells:
        row = [
            f"{c['hits'][name]:.1f}" + (f" / {c['boot'][name]:.1f}" if c["boot"] else "")
            for name in ("E", "A", "B", "alpha", "beta")
        ]
        lines.append(f"| {c['cell']} | {c['tables']} | {c['trusted']} | {' | '.join(row)} |")
    lines += [
        "",
        "Errors of the shared exponents (68 % of them are smaller): of one fit over all families, "
        "of a fit of one family alone, of the mean of those; and the ratios to the first.",
        "",
        "| planted | exponent | over families | alone | mean of alone | alone/over | mean/over |",
        "|---|---|---|---|---|---|---|",
    ]
    for c in cells:
        for name, (over, alone, mean) in c["rms"].items():
            lines.append(
                f"| {c['cell']} | {name} | {over:.5f} | {alone:.5f} | {mean:.5f} | "
                f"{alone / over:.2f} | {mean / over:.2f} |"
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--sets", type=int, default=500)
    parser.add_argument("--draws", type=int, default=200, help="bootstrap tables; 0 for none")
    parser.add_argument("--starts", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cells", default="", help="of which the name has this")
    parser.add_argument("--out", help="page")
    options = parser.parse_args()
    found = []
    for cell in CELLS:
        if options.cells in cell.name:
            found.append(run(cell, options.sets, options.draws, options.seed, options.starts))
            print(found[-1], flush=True)
    command = f"python -m benchmarks.families --sets {options.sets} --draws {options.draws}"
    page = report(found, command)
    print(page)
    if options.out:
        Path(options.out).write_text(page)


if __name__ == "__main__":
    main()
