"""What proposed runs are worth: FLOPs until N* is as well known as by the whole table.

    python -m benchmarks.design                      # writes benchmarks/results/design.md
    python -m benchmarks.design --tables 3 --orders 5

A table of runs is covered up. A few cheap runs are shown; then four at a time, as they are proposed
by `jaxscale.design`, or by compute as an isoFLOP sweep is made, or at random. After each batch the
law is fitted again and the interval of N* taken, until it is at most 1.25 times as wide as that of
the whole table, and N* within that of the whole table: a narrow interval elsewhere is not there.
Counted are the FLOPs of what had to be shown, and in a second table those until the interval is
narrow, wherever it is. The proposals see the losses of the runs shown so far, and nothing of the
others but N and D.

Then: the greedy batch with exchange against all batches of few candidates, and against the runs
that simple-scaling-laws suggests, in its own environment (`--peer PYTHON`).
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import jaxscale
from benchmarks.design_checks import TRUTH, against_all, against_peer
from jaxscale.datasets.synthetic import isoflop_design, simulate
from jaxscale.designs.candidates import generated, region
from jaxscale.uncertainty.quantities import Best

ENOUGH = 1.25
"""Width of the interval, over that of the whole table, at which a strategy is done."""
BATCH = 4
FIRST = 12
"""Runs that are shown at first, the cheapest; more where they do not determine the law."""
DRAWS = 400


class Table(NamedTuple):
    """A table that is covered up.

    Attributes:
        name: of it.
        runs: all of them.
        compute: of which N* is asked.
        law: that is fitted.
        own: mask of the runs of the table itself, where others could be made beside them; else all.
    """

    name: str
    runs: jaxscale.Runs
    compute: float
    law: jaxscale.Law = jaxscale.Chinchilla()
    own: np.ndarray | None = None

    @property
    def mask(self) -> np.ndarray:
        """The runs of the table itself."""
        return np.ones(len(self.runs), bool) if self.own is None else self.own


class Way(NamedTuple):
    """What a strategy came to.

    Attributes:
        flops: of the runs shown, those at first included.
        runs: shown.
        narrow: FLOPs until the interval was narrow for the first time.
    """

    flops: float
    runs: int
    narrow: float


def simulated(seed: int) -> list[Table]:
    """Return an isoFLOP sweep, a rectangle and a small noisy sweep."""
    sweep = isoflop_design(np.logspace(18, 21, 7), 9, spread=1.8)
    N, D = np.meshgrid(np.geomspace(3e7, 3e9, 8), np.geomspace(1e9, 1e11, 8))
    small = isoflop_design(np.logspace(18, 20.5, 6), 7, spread=1.6)
    tables = [
        Table("isoFLOP 7 x 9, noise .4 %", simulate(TRUTH, *sweep, noise=0.004, seed=seed), 1e23),
        Table(
            "rectangle 8 x 8, noise .4 %",
            simulate(TRUTH, N.ravel(), D.ravel(), noise=0.004, seed=seed),
            1e23,
        ),
        Table("isoFLOP 6 x 7, noise 1.5 %", simulate(TRUTH, *small, noise=0.015, seed=seed), 1e22),
    ]
    noises = (0.004, 0.004, 0.015)
    return tables + [with_any(t, s, seed) for t, s in zip(tables, noises, strict=True)]


def with_any(table: Table, noise: float, seed: int) -> Table:
    """Return a simulated table beside which any run of its range could be made.

    Args:
        table: simulated.
        noise: of it.
        seed: of the losses of the other runs.
    """
    N, D, flops = table.runs.column("N"), table.runs.column("D"), cost(table)
    grid = generated("grid", region(TRUTH, float(flops.max()), N, D))
    n, d = grid.inputs["N"], grid.inputs["D"]
    within = (n >= N.min()) & (n <= N.max()) & (d >= D.min()) & (d <= D.max())
    within &= (d / n >= (D / N).min()) & (d / n <= (D / N).max()) & (grid.cost <= flops.max())
    more = simulate(TRUTH, n[within], d[within], noise=noise, seed=seed + 1000)
    runs = jaxscale.Runs(
        N=np.concatenate([N, n[within]]),
        D=np.concatenate([D, d[within]]),
        loss=np.concatenate([table.runs.loss, more.loss]),
    )
    own = np.arange(len(runs)) < len(N)
    return table._replace(name=f"{table.name}; any run of its range", runs=runs, own=own)


def real() -> list[Table]:
    """Return the public tables that are there (`JAXSCALE_DATA`)."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    root = Path(os.environ.get("JAXSCALE_DATA", beside))
    found = []
    for name, file, compute, highest in (
        ("Chinchilla, 240 digitized runs", "chinchilla_epoch/chinchilla_fig4.csv", 5.76e23, 5),
        ("Llama 3, 133 digitized runs", "llama3_isoflop/llama3_isoflop_points.csv", 3.8e25, 0),
    ):
        if (root / file).is_file():
            runs = jaxscale.read_runs(root / file, drop_highest=highest)
            N, D = runs.column("N"), runs.column("D")
            plain = jaxscale.Runs(N=N, D=D, loss=runs.loss)
            found.append(Table(name, plain, compute))
            found.append(Table(f"{name}, by Skaling", plain, compute, jaxscale.Skaling()))
    return found


def cost(table: Table) -> np.ndarray:
    """Return the FLOPs of every run."""
    return np.asarray(6 * table.runs.column("N") * table.runs.column("D"))


class Shown:
    """A table of which some runs are shown, fitted."""

    def __init__(self, table: Table, shown: np.ndarray) -> None:
        # Runs that are covered have no weight: every fit is of one shape, and compiles once.
        runs = table.runs.replace(weight=shown.astype(float))
        self.shown = shown
        self.fit = jaxscale.fit(table.law, runs, starts=64)
        self.best = Best(table.compute)

    @property
    def trusted(self) -> bool:
        """Whether the fit is certified."""
        return bool(self.fit.certificate.trusted)

    def half(self) -> float:
        """Return half the 90 % interval of log N*."""
        if not self.trusted:
            return np.inf
        draws = jaxscale.bootstrap(self.fit, method="residual", draws=DRAWS)
        found = draws.interval(self.best)
        half = 0.5 * np.log(found.high / found.low) if found.low > 0 else np.inf
        return float(half) if np.isfinite(half) else np.inf

    def log_size(self) -> float:
        """Return log N*."""
        return float(np.log(jaxscale.allocate(self.fit.law, compute=self.best.compute).N))


def at_first(table: Table) -> np.ndarray:
    """Return a mask of the cheapest runs, as few as give a fit that is certified."""
    order = [k for k in np.argsort(cost(table), kind="stable") if table.mask[k]]
    for count in range(FIRST, len(order) + 1):
        shown = np.isin(np.arange(len(table.runs)), order[:count])
        try:
            if Shown(table, shown).trusted:
                return shown
        except jaxscale.JaxscaleError:  # they cannot determine the law
            continue
    raise RuntimeError(f"{table.name}: no fit is certified")


Chooser = Callable[[Table, Shown, float], list[int]]
"""Of a table, what is shown and the half interval that is wanted, the next runs."""


def proposed(table: Table, now: Shown, wanted: float) -> list[int]:
    """Return the runs that pay most of the cheapest batch that gets there."""
    left = np.flatnonzero(~now.shown)
    runs = table.runs
    candidates = {"N": runs.column("N")[left], "D": runs.column("D")[left]}
    most = min(len(left), 60)
    asked: dict[str, Any] = dict(what=now.best, candidates=candidates, batch=most, force=True)
    half = now.half()
    share = 0.9 * wanted / half if np.isfinite(half) else 0.5
    try:
        found = jaxscale.design(now.fit, narrow=min(share, 0.97), **asked)
    except jaxscale.FitError:  # not even all that is left: what pays most
        try:
            found = jaxscale.design(now.fit, budget=float(cost(table)[left].sum()), **asked)
        except jaxscale.FitError:  # a parameter at its bound: the law says nothing of other runs
            return [int(k) for k in left[np.argsort(cost(table)[left])][:BATCH]]
    return [int(left[k]) for k in found.batch[:BATCH]]


def in_order(order: np.ndarray) -> Chooser:
    """Return a strategy that takes runs as they stand in an order."""

    def chooser(table: Table, now: Shown, wanted: float) -> list[int]:
        return [int(k) for k in order if table.mask[k] and not now.shown[k]][:BATCH]

    return chooser


def revealed(table: Table, first: np.ndarray, whole: Shown, chooser: Chooser) -> Way:
    """Return what it takes until the interval is narrow enough.

    Args:
        table: that is covered up.
        first: mask of the runs shown at first.
        whole: all of it.
        chooser: the strategy.
    """
    flops, own, truth = cost(table), whole.half(), whole.log_size()
    wanted, narrow = ENOUGH * own, np.nan
    shown = first.copy()
    while True:
        now = Shown(table, shown)
        spent = float(flops[shown].sum())
        if now.half() <= wanted:
            narrow = spent if np.isnan(narrow) else narrow
            if abs(now.log_size() - truth) <= own:
                break
        if shown[table.mask].all() and chooser is not proposed or shown.all():
            break
        shown = shown.copy()
        shown[chooser(table, now, wanted)] = True
    return Way(spent, int(shown.sum()), spent if np.isnan(narrow) else narrow)


def compared(table: Table, orders: int, seed: int) -> dict[str, Way]:
    """Return what every strategy came to; of random orders the median of FLOPs.

    Args:
        table: that is covered up.
        orders: random ones.
        seed: of these.
    """
    whole, first, flops = Shown(table, table.mask), at_first(table), cost(table)
    begin = time.perf_counter()
    found = {"proposed": revealed(table, first, whole, proposed)}
    seconds = time.perf_counter() - begin
    found["by compute"] = revealed(table, first, whole, in_order(np.argsort(flops, kind="stable")))
    rng = np.random.default_rng(seed)
    tried = [
        revealed(table, first, whole, in_order(rng.permutation(len(flops)))) for _ in range(orders)
    ]
    found["at random"] = sorted(tried)[len(tried) // 2]
    found["at first"] = Way(float(flops[first].sum()), int(first.sum()), np.nan)
    found["whole"] = Way(float(flops[table.mask].sum()), int(table.mask.sum()), np.nan)
    said = ", ".join(f"{k} {v.flops:.3g} ({v.runs})" for k, v in found.items())
    print(
        f"{table.name}, {seconds:.1f} s of proposals and fits: {said}", file=sys.stderr, flush=True
    )
    return found


def revealed_table(tables: list[Table], orders: int) -> list[str]:
    """Return the lines of the tables of revealed tables; those of one name are summarized.

    Args:
        tables: covered up.
        orders: random ones of each.
    """
    found: dict[str, list[dict[str, Way]]] = {}
    for k, table in enumerate(tables):
        found.setdefault(table.name, []).append(compared(table, orders, k))
    heads = {
        "flops": "FLOPs until the interval is narrow and at the right place",
        "narrow": "FLOPs until the interval is narrow, wherever it is",
    }
    lines = []
    for field, head in heads.items():
        lines += [f"{head}:", "", *_summary(found, field), ""]
    return lines


def _summary(found: dict[str, list[dict[str, Way]]], field: str) -> Iterator[str]:
    heads = ("table", "tables", "at first", "proposed", "by compute", "at random")
    yield f"| {' | '.join(heads)} | proposed over the better |"
    yield "|---|---|---|---|---|---|---|"
    for name, several in found.items():
        cells = []
        for how in ("at first", "proposed", "by compute", "at random"):
            which = "flops" if how == "at first" else field
            spent = [getattr(each[how], which) / each["whole"].flops for each in several]
            runs = np.median([each[how].runs for each in several])
            more = f" ({runs:.0f} runs)" if which == "flops" else ""
            cells.append(f"{100 * np.median(spent):.2g} %{more}")
        ratio = [
            getattr(each["proposed"], field)
            / min(getattr(each[k], field) for k in ("by compute", "at random"))
            for each in several
        ]
        span = f" ({min(ratio):.2g} to {max(ratio):.2g})" if len(ratio) > 1 else ""
        cells.append(f"{np.median(ratio):.3g}{span}")
        yield f"| {name} | {len(several)} | {' | '.join(cells)} |"


def main() -> None:
    """Measure, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=int, default=5, help="of each simulated kind")
    parser.add_argument("--orders", type=int, default=11, help="random orders of each table")
    parser.add_argument("--cases", type=int, default=40, help="of exhaustive search")
    parser.add_argument("--peer", metavar="PYTHON", help="of an environment with the peer")
    parser.add_argument("--pilots", type=int, default=5, help="tables for the peer")
    parser.add_argument("--only", default="", help="only tables whose name contains this")
    parser.add_argument("--out", type=Path, help="write the tables there")
    asked = parser.parse_args()
    tables = [t for seed in range(asked.tables) for t in simulated(seed)] + real()
    tables = [t for t in tables if asked.only in t.name]
    lines = revealed_table(tables, asked.orders) if tables else []
    if asked.cases:
        lines += ["", *against_all(asked.cases)]
    if asked.peer:
        lines += ["", *against_peer(asked.peer, asked.pilots)]
    text = "\n".join(lines)
    print(text)
    if asked.out:
        asked.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
