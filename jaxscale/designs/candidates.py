"""The runs that could be made: a table of them, or a family generated over N and D.

Sizes and token counts have two digits, as plans do. What a candidate costs is what the table says
in a column `cost`, else what the law's FLOPs model makes of N and D.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxscale.data.columns import canonical
from jaxscale.data.frames import table_from_arrays, table_from_dataframe
from jaxscale.data.reading import Reading, read_table_as_runs
from jaxscale.data.runs import Runs
from jaxscale.data.table import Table
from jaxscale.data.tables import read_tables
from jaxscale.errors import DataError
from jaxscale.flops import Flops, size_at_ratio, tokens_for, unit_of
from jaxscale.laws import Law
from jaxscale.shown.blocks import Shown
from jaxscale.text import many

COSTS = ("cost", "costs", "dollars", "usd", "gpuhours", "hours")
"""Columns that say what a run costs, by their canonical names."""
PER_DECADE = 8
"""Sizes of a grid to a factor of ten; 1, 1.3, 1.8, 2.4, 3.2, 4.2, 5.6, 7.5."""
DECADES = 4.0
"""How much cheaper than the dearest run a candidate may be, in decades."""
BELOW = 2.0
"""How far below the smallest N and D that are there candidates may lie. Smaller runs are cheap, and
a law that is believed there calls for many of them; but small runs bend off it first."""
RATIO = 2.0
"""How far D/N may lie outside that of the runs that are there: farther, the law's form is a guess,
and what a design for one answer likes best is the farthest that it may have."""
SPREAD = 100.0
"""From the smallest to the largest D/N of candidates, at least."""
RATIOS = (2.0, 500.0)
"""D/N of candidates where no run is there."""
MOST = 50_000
"""Candidates that are looked at."""


@dataclasses.dataclass(frozen=True)
class Candidates(Shown):
    """Runs that could be made.

    Attributes:
        inputs: per input of the law [m].
        cost: [m] as the law counts it, or as the table's own column says.
        unit: of the cost: that of the law, "FLOPs" as a rule, or the name of that column.
        source: what they are, for messages.
        rows: [m] where each stands in its table; empty for generated ones.
    """

    inputs: dict[str, np.ndarray]
    cost: np.ndarray
    unit: str
    source: str
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.cost)

    def only(self, kept: np.ndarray) -> Candidates:
        """Return those of a mask [m]."""
        inputs = {name: x[kept] for name, x in self.inputs.items()}
        rows = self.rows[kept] if len(self.rows) else self.rows
        return dataclasses.replace(self, inputs=inputs, cost=self.cost[kept], rows=rows)


def tabled(given: Any, law: Law) -> Candidates:
    """Return the candidates of a table.

    Args:
        given: a file, a dataframe, or a mapping of arrays; any two of N, D and C for a law of N
            and D, the law's own inputs else, and the cost where there is such a column.
        law: that reads them.

    Raises:
        DataError: a column is missing or a cell is no number of the right sign; names it.
    """
    if isinstance(given, str | Path):
        table = read_tables(given)
    elif isinstance(given, Mapping):
        table = table_from_arrays(given, "the candidates")
    else:
        table = table_from_dataframe(given, "the candidates")
    count = len(table.lines)
    if not 0 < count <= MOST:
        raise DataError(f"{table.source}: {many(count, 'row')}; candidates are 1 to {MOST:,}")
    runs = _as_runs(table)
    inputs = {name: _checked(runs, name, law) for name in law.inputs}
    priced = [name for name in runs.columns if canonical(name) in COSTS]
    if priced:
        cost, unit = runs.columns[priced[0]], runs.names.get(priced[0], priced[0])
        bad = np.flatnonzero(~(np.isfinite(cost) & (cost > 0)))
        if len(bad):
            raise DataError(
                f"{runs.where(bad[0])}, column {runs.label(priced[0])}: a cost is a positive "
                f"number, got {cost[bad[0]]:g}"
            )
    else:
        cost, unit = _costs(runs, law), unit_of(law.flops)
    return Candidates(inputs, cost, unit, table.source, runs.rows)


def _as_runs(table: Table) -> Runs:
    """Return the table as runs: of those that are not made yet, the loss is not known."""
    ones = [1.0] * len(table.lines)
    planned = "a loss that is not known yet"
    table = dataclasses.replace(table, columns={**table.columns, planned: ones})
    return Runs(**read_table_as_runs(table, Reading(map={"loss": planned}, units="auto")))


def _checked(runs: Runs, name: str, law: Law) -> np.ndarray:
    column = runs.column(name, law.flops)
    positive = law.kinds.get(name, "positive") == "positive"
    good = np.isfinite(column) & ((column > 0) | (not positive))
    if not good.all():
        k = int(np.flatnonzero(~good)[0])
        rule = "a positive number" if positive else "a finite number"
        raise DataError(
            f"{runs.where(k)}, column {runs.label(name)}: expected {rule}, got {column[k]:g}"
        )
    return column


def _costs(runs: Runs, law: Law) -> np.ndarray:
    """Return what runs cost: their own column C, else by the law's model of N and D."""
    if "C" not in runs.columns and sum(name in runs.columns for name in "ND") < 2:
        raise DataError(
            f"{runs.source}: what a run costs is not known: {type(law).__name__} reads "
            f"{', '.join(law.inputs)}; add a column cost, C, or N and D"
        )
    return _checked(runs, "C", law)


@dataclasses.dataclass(frozen=True)
class Region(Shown):
    """Where candidates are generated.

    Attributes:
        flops: what a run costs.
        dearest: FLOPs of the dearest run.
        sizes: smallest N.
        tokens: smallest D.
        ratios: smallest and largest D/N.
    """

    flops: Flops
    dearest: float
    sizes: float
    tokens: float
    ratios: tuple[float, float]


def region(
    law: Law, dearest: float, N: np.ndarray | None = None, D: np.ndarray | None = None
) -> Region:
    """Return where candidates lie: near the runs that are there, up to the dearest.

    Args:
        law: of N and D.
        dearest: FLOPs of the dearest run.
        N: [n] of the runs that are there, or None.
        D: [n] of these.
    """
    if N is None or D is None or len(N) == 0:
        return Region(law.flops, dearest, 0.0, 0.0, RATIOS)
    ratio = D / N
    low, high = float(ratio.min()) / RATIO, float(ratio.max()) * RATIO
    widen = max(SPREAD * low / high, 1.0) ** 0.5  # runs of one D/N call for others
    ratios = low / widen, high * widen
    return Region(law.flops, dearest, float(N.min()) / BELOW, float(D.min()) / BELOW, ratios)


def generated(kind: str, where: Region) -> Candidates:
    """Return a family of candidates.

    Args:
        kind: "grid" (all N and D), "isoflop" (equal budgets, half a decade apart), "rectangle"
            (every second N with every second D, of which all pairs fit), or "L" (the smallest N
            with every D, the smallest D with every N).
        where: they lie.

    Raises:
        ValueError: there is no such kind, or none lies there.
    """
    if kind not in KINDS:
        raise ValueError(
            f"candidates are {', '.join(KINDS)}, or a table of them; there is no {kind!r}"
        )
    N, D = KINDS[kind](where)
    N, D = _plain(N), _plain(D)
    N, D = np.unique(np.stack([N, D]), axis=1)
    cost = np.asarray(where.flops(N, D), float)
    kept = _fits(where, N, D, cost)
    unit = unit_of(where.flops)
    found = Candidates({"N": N, "D": D}, cost, unit, f"the {kind}", np.empty(0, int)).only(kept)
    if not len(found):
        raise ValueError(
            f"no {kind} of candidates fits {where.dearest:.3g} {unit} with N from "
            f"{where.sizes:.3g}, D from {where.tokens:.3g} and D/N from {where.ratios[0]:.3g} to "
            f"{where.ratios[1]:.3g}; raise the budget, or give a table of candidates"
        )
    return found


def _fits(where: Region, N: np.ndarray, D: np.ndarray, cost: np.ndarray) -> np.ndarray:
    low, high = where.ratios
    near = (D >= 0.99 * low * N) & (D <= 1.01 * high * N)
    near &= (where.sizes <= 1.01 * N) & (where.tokens <= 1.01 * D)
    affordable = (cost <= 1.02 * where.dearest) & (cost >= where.dearest * 10**-DECADES)
    return np.asarray(near & affordable)


def _axes(where: Region, per_decade: float) -> tuple[np.ndarray, np.ndarray]:
    """Return sizes and token counts that cover the region."""
    low, high = where.ratios
    least = where.dearest * 10**-DECADES
    ends = [
        (_size(where, high, least), _size(where, low, where.dearest)),
        (_size(where, low, least) * low, _size(where, high, where.dearest) * high),
    ]
    axes = []
    for low_, high_ in ends:
        first = np.floor(np.log10(low_) * per_decade)
        last = np.ceil(np.log10(high_) * per_decade)
        axes.append(10 ** (np.arange(first, last + 1) / per_decade))
    return axes[0], axes[1]


def _size(where: Region, ratio: float, cost: float) -> float:
    """Return the N of the run of a D/N that costs so much."""
    return float(size_at_ratio(where.flops, ratio, cost))


def _grid(where: Region) -> tuple[np.ndarray, np.ndarray]:
    N, D = np.meshgrid(*_axes(where, PER_DECADE))
    return N.ravel(), D.ravel()


def _isoflop(where: Region) -> tuple[np.ndarray, np.ndarray]:
    sizes = _axes(where, PER_DECADE)[0]
    budgets = where.dearest * 10 ** -np.arange(0, DECADES, 0.5)
    N, C = (x.ravel() for x in np.meshgrid(sizes, budgets))
    return N, np.asarray(tokens_for(where.flops, N, C), float)


def _rectangle(where: Region) -> tuple[np.ndarray, np.ndarray]:
    """Return the product of sizes and token counts whose largest pair is the dearest run."""
    corner = _size(where, float(np.sqrt(np.prod(where.ratios))), where.dearest)
    N = corner * 10 ** (-np.arange(0, DECADES / 2, 0.25))
    D = np.asarray(tokens_for(where.flops, corner, where.dearest), float)
    D = D * 10 ** (-np.arange(0, DECADES / 2, 0.25))
    grid = np.meshgrid(N, D)
    return grid[0].ravel(), grid[1].ravel()


def _L(where: Region) -> tuple[np.ndarray, np.ndarray]:
    """Return all token counts of a small size, and all sizes of a small token count."""
    ratio = float(np.sqrt(np.prod(where.ratios)))
    small = max(where.sizes, _size(where, ratio, where.dearest * 10 ** (-DECADES / 2)))
    few = small * ratio
    spread = 10 ** np.linspace(0, DECADES / 2, 17)
    return (
        np.concatenate([np.full(17, small), small * spread]),
        np.concatenate([few * spread, np.full(17, few)]),
    )


KINDS: dict[str, Callable[[Region], tuple[np.ndarray, np.ndarray]]] = {
    "grid": _grid,
    "isoflop": _isoflop,
    "rectangle": _rectangle,
    "L": _L,
}
"""Every family by its name."""


def _plain(x: np.ndarray) -> np.ndarray:
    """Return numbers with two digits."""
    unit = 10.0 ** (np.floor(np.log10(x)) - 1)
    return np.asarray(np.round(x / unit) * unit)
