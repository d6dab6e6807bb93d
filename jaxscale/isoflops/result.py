"""The three approaches side by side, as one result."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from jaxscale.data.runs import Runs
from jaxscale.fitting.result import FitResult
from jaxscale.flops import UNIT
from jaxscale.isoflops.bias import Bias
from jaxscale.isoflops.budgets import LEAST
from jaxscale.isoflops.envelope import Envelope
from jaxscale.isoflops.lines import Line
from jaxscale.isoflops.minima import Minima
from jaxscale.shown.blocks import Block, Grid, Shown, parted, said
from jaxscale.shown.frames import frame
from jaxscale.text import count, many, quantity
from jaxscale.uncertainty.draws import Draws
from jaxscale.uncertainty.intervals import Interval


@dataclasses.dataclass(frozen=True)
class Best(Shown):
    """The best run of a budget by one approach.

    Attributes:
        compute: C in FLOPs.
        N: its parameters, with interval.
        D: its tokens.
        ratio: tokens per parameter.
        bias: by which factor approach 2 misses N* of the fitted law on this design; NaN where
            that is not known, or for the other approaches.
        covered: share of tables simulated from the fitted law that an interval as wide covers;
            NaN likewise.
    """

    compute: float
    N: Interval
    D: Interval
    ratio: Interval
    bias: float = math.nan
    covered: float = math.nan


@dataclasses.dataclass(frozen=True)
class Approach(Shown):
    """One way from the runs to N*(C).

    Attributes:
        number: 1, 2 or 3.
        name: "bins" or "hull", a polynomial, or a law.
        exponent: of N* in C, with interval; None where the approach was refused.
        best: one per budget asked.
        band: the same on a grid of budgets, for the figures.
        refused: why there is nothing; empty where there is.
    """

    number: int
    name: str
    exponent: Interval | None = None
    best: tuple[Best, ...] = ()
    band: tuple[Best, ...] = ()
    refused: str = ""

    @property
    def title(self) -> str:
        """As the table calls it."""
        return f"{self.number} {self.name}"


@dataclasses.dataclass(frozen=True)
class IsoFlop(Shown):
    """Three approaches to the best N and D of a budget, side by side.

    Attributes:
        runs: the table.
        compute: budgets asked, in FLOPs.
        level: nominal coverage of the intervals.
        approaches: those that were tried, refused ones too.
        chosen: the polynomial of approach 2 that was asked for.
        minima: by polynomial; empty where the table has no budgets.
        lines: {"N": ..., "D": ...} by polynomial.
        biases: by polynomial, one per budget asked; empty where no law was fitted.
        fit: the law of approach 3, or None.
        draws: of the fit, or None.
        envelopes: by bins and by hull; empty without training curves.
        verdict: which to trust, in a sentence.
        doubts: why not to trust the answer; empty where it may be trusted.
        notes: what else a reader should know.
        unit: of C.

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> runs = runs.select(runs.group == "isoflop", "no isoFLOP run")
        >>> found = jaxscale.isoflop(runs, compute=1e13, draws=100, starts=64)
        >>> best = found.at(1e13)
        >>> f"N {best.N.estimate:.1e}"
        'N 2.0e+05'
    """

    runs: Runs
    compute: tuple[float, ...]
    level: float
    approaches: tuple[Approach, ...]
    chosen: str
    minima: dict[str, Minima]
    lines: dict[str, dict[str, Line]]
    biases: dict[str, list[Bias]]
    fit: FitResult | None
    draws: Draws | None
    envelopes: tuple[Envelope, ...]
    verdict: str
    doubts: tuple[str, ...]
    notes: tuple[str, ...]
    unit: str = UNIT

    @property
    def trusted(self) -> bool:
        """Whether there is nothing against the answer."""
        return not self.doubts

    def __getitem__(self, name: str) -> Approach:
        """Return an approach by its name: "parabola", "bins", or that of the law."""
        return next(each for each in self.approaches if each.name == name)

    def at(self, compute: float, name: str = "") -> Best:
        """Return the best run of a budget that was asked for.

        Args:
            compute: one of the budgets.
            name: of the approach; default the polynomial that was chosen.
        """
        best = self[name or self.chosen].best
        return min(best, key=lambda each: abs(math.log(each.compute / compute)))

    def table(self, *, kind: str | None = None) -> Any:
        """Return the best run of every budget by every approach as a dataframe.

        Args:
            kind: "pandas", "polars", "pyarrow" or "dict"; default the kind of frame that the runs
                came from, else the first of these that is installed.

        Returns:
            Columns approach, compute, N, N_low, N_high, D, D_low, D_high, tokens_per_parameter,
            exponent, exponent_low, exponent_high, bias and covered; approaches that were refused
            are left out.

        Raises:
            ImportError: the library asked for is not installed.
            ValueError: there is no such kind.
        """
        return frame(isoflop_columns(self), kind, self.runs.frame_kind)

    def _blocks(self) -> list[Block]:
        minima = self.minima.get(self.chosen)
        return parted(
            [f"{self.runs.source}: {many(len(self.runs), 'run')}"],
            [] if minima is None else [budget_grid(minima)],
            [exponent_grid(self)],
            *([best_grid(self, k)] for k in range(len(self.compute))),
            [self.verdict, *said(self.doubts, self.doubts), *said(self.notes)],
        )

    def document(self) -> dict[str, Any]:
        """Return the numbers of the text, and the minima of every polynomial, for JSON."""
        return {
            "data": {
                "n": len(self.runs),
                "source": self.runs.source,
                "sha256": self.runs.digest(),
            },
            "trusted": self.trusted,
            "doubts": list(self.doubts),
            "verdict": self.verdict,
            "level": self.level,
            "chosen": self.chosen,
            "approaches": [_approach_document(each) for each in self.approaches],
            "minima": {
                name: [_row_document(row) for row in found.rows]
                for name, found in self.minima.items()
            },
        }


def budget_grid(found: Minima) -> Grid:
    """Return the minima of the budgets."""
    rows = [
        ["budget", "runs", "N*", "D*", "D*/N*", "loss", f"{found.polynomial} in log {found.along}"]
    ]
    valleys = found.valleys
    for row in valleys:
        if row.refused:
            cells = ["", "", "", "", row.refused]
        else:
            error = "" if math.isnan(row.error) else f"\u00b1 {100 * row.error:.2g} %"
            said = "; ".join((*([error] if error else []), *row.flags))
            ratio = quantity(row.D / row.N, 3)
            cells = [count(row.N), count(row.D), ratio, f"{row.loss:.4f}", said]
        rows.append([f"{row.budget:.3g}", str(row.n), *cells])
    beside = len(found.runs) - sum(row.n for row in valleys)
    if beside:
        few = f"fewer than {LEAST} sizes at their C: no valleys"
        rows.append(["others", str(beside), "", "", "", "", few])
    return Grid(rows, ">>>>>><")


def exponent_grid(found: IsoFlop) -> Grid:
    """Return the exponents of the approaches, and why some are missing."""
    level = f"{100 * found.level:g} %"
    rows = [["approach", "N* ~ C^a", f"{level} from", "to", ""]]
    for each in found.approaches:
        e = each.exponent
        if e is None:
            rows.append([each.title, "", "", "", each.refused])
        else:
            rows.append([each.title, *(f"{x:.3f}" for x in (e.estimate, e.low, e.high)), ""])
    return Grid(rows, "<>>><")


def best_grid(found: IsoFlop, k: int) -> Grid:
    """Return the best run of one budget asked, by every approach."""
    level = f"{100 * found.level:g} %"
    head = [
        f"C = {found.compute[k]:.4g}",
        "N*",
        f"{level} from",
        "to",
        "D*",
        "D*/N*",
        "bias",
        "covers",
    ]
    rows = [head]
    for each in found.approaches:
        if not each.best:
            continue
        b = each.best[k]
        known = [] if math.isnan(b.bias) else [f"{100 * (b.bias - 1):+.1f} %"]
        known += [] if math.isnan(b.covered) else [f"{100 * b.covered:.0f} %"]
        sizes = [count(x) for x in (b.N.estimate, b.N.low, b.N.high, b.D.estimate)]
        rows.append(
            [each.title, *sizes, quantity(b.ratio.estimate, 3), *known, *[""] * (2 - len(known))]
        )
    return Grid(rows, "<>>>>>>>")


def isoflop_columns(found: IsoFlop) -> dict[str, Any]:
    """Return the columns of a dataframe of the best runs."""
    rows = []
    for each in found.approaches:
        e = each.exponent
        ends = (math.nan,) * 3 if e is None else (e.estimate, e.low, e.high)
        for b in each.best:
            sizes = (x for i in (b.N, b.D) for x in (i.estimate, i.low, i.high))
            rows.append((each.name, b.compute, *sizes, b.ratio.estimate, *ends, b.bias, b.covered))
    names = "approach compute N N_low N_high D D_low D_high tokens_per_parameter exponent "
    names += "exponent_low exponent_high bias covered"
    return {name: [row[k] for row in rows] for k, name in enumerate(names.split())}


def _ends(i: Interval) -> dict[str, float]:
    return {"estimate": i.estimate, "low": i.low, "high": i.high}


def _approach_document(each: Approach) -> dict[str, Any]:
    return {
        "approach": each.number,
        "name": each.name,
        "refused": each.refused,
        "exponent": None if each.exponent is None else _ends(each.exponent),
        "best": [
            {
                "compute": b.compute,
                "N": _ends(b.N),
                "D": _ends(b.D),
                "tokens_per_parameter": _ends(b.ratio),
                "bias": b.bias - 1,
                "covered": b.covered,
            }
            for b in each.best
        ],
    }


def _row_document(row: Any) -> dict[str, Any]:
    return {
        "budget": row.budget,
        "runs": row.n,
        "N": row.N,
        "D": row.D,
        "tokens_per_parameter": row.D / row.N,
        "loss": row.loss,
        "error": row.error,
        "flags": list(row.flags),
        "refused": row.refused,
        "coefficients": np.asarray(row.coefficients).tolist(),
    }
