"""How often intervals of a law of accuracies cover the truth, by the likelihood it is fitted with.

    python -m benchmarks.metrics --tables 500 --out benchmarks/results/metrics.md
    python -m benchmarks.metrics --tables 50 --questions 50 --runs 12

Tables of right answers are drawn from a sigmoid in log C, of floor .25 (four choices) and ceiling
.9, over four decades of compute. The law is fitted with its ceiling known or free, under binomial
and under logit residuals, and 90 % intervals are stated for the steepness, for the accuracy in the
middle of the range and for that at ten times the largest compute: by the bootstrap as `auto`
chooses it, and by the sandwich. Nothing is timed.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

import jaxscale
from jaxscale import Law, Runs, Scalar, coefficient, exponent, offset, power, scale

LEVEL = 0.9
LEAST, LARGEST = 1e18, 1e22
PLACES = {"in range": 1e20, "at 10 x": 1e23}
ASKED = ("k", *PLACES)


class Sigmoid(Law):
    """P(C) = floor + span / (1 + (C0 / C)^k)."""

    floor: Scalar = offset("chance")
    span: Scalar = coefficient("from chance to the ceiling")
    C0: Scalar = scale("half way", per=dict(C=1))
    k: Scalar = exponent("steepness", start=(0.1, 1.5), bounds=(0.01, 5.0))

    def __call__(self, C: Any) -> Any:
        """Return the accuracy at compute C."""
        return self.floor + self.span / (1 + power(self.C0 / C, self.k))


TRUTH = Sigmoid(floor=0.25, span=0.65, C0=1e20, k=0.5)


class Cell(NamedTuple):
    """What is simulated, and how it is fitted."""

    ceiling: str
    runs: int
    questions: int
    residual: str
    rho: float


def law_of(cell: Cell) -> Law:
    """Return the law that is fitted."""
    known = dict(span=0.65) if cell.ceiling == "known" else {}
    return Sigmoid(floor=0.25, **known)


def tables_of(cell: Cell, count: int, seed: int) -> list[Runs]:
    """Return tables of counts; overdispersed ones are beta-binomial."""
    C = np.geomspace(LEAST, LARGEST, cell.runs)
    mean, n = np.asarray(TRUTH(C)), cell.questions
    found = []
    for k in range(count):
        rng = np.random.default_rng([seed, cell.runs, n, k])
        p = mean
        if cell.rho:
            total = 1 / cell.rho - 1
            p = rng.beta(mean * total, (1 - mean) * total)
        found.append(Runs(C=C, loss=rng.binomial(n, p) / n, trials=np.full(cell.runs, n)))
    return found


def covered(cell: Cell, options: argparse.Namespace) -> dict[str, list[float]]:
    """Return by method, for ASKED, the per cent of intervals that cover, and of fits that have any.

    Args:
        cell: what is simulated.
        options: how many tables and draws, and the seed.
    """
    bounds = {} if cell.ceiling == "known" else {"span": (0.05, 0.75)}
    tables = tables_of(cell, options.tables, options.seed)
    fits = jaxscale.fit_many(
        law_of(cell), tables, residual=cell.residual, starts=16, bounds=bounds
    ).values()
    at = np.array([*PLACES.values()])
    truth = np.array([TRUTH.k, *np.asarray(TRUTH(at))])
    hits: dict[str, list[np.ndarray]] = {"bootstrap": []} | (
        {"sandwich": []} if options.sandwich else {}
    )
    for fit in fits:
        drawn = jaxscale.bootstrap(fit, draws=options.draws, seed=options.seed)
        band = drawn.predict(C=at, level=LEVEL)
        (k,) = drawn.intervals(["k"], level=LEVEL)
        low, high = np.array([k.low, *band.low]), np.array([k.high, *band.high])
        hits["bootstrap"].append((low <= truth) & (truth <= high))
        if not options.sandwich:
            continue
        asked = ["k", *(jaxscale.quantities.Prediction({"C": float(x)}) for x in at)]
        try:
            quick = jaxscale.covariance(fit).intervals(asked, level=LEVEL)
        except jaxscale.FitError:  # the ceiling is at its bound
            continue
        ends = np.array([(each.low, each.high) for each in quick])
        hits["sandwich"].append((ends[:, 0] <= truth) & (truth <= ends[:, 1]))
    return {
        name: [*(100 * np.mean(each, axis=0)), 100 * len(each) / len(tables)]
        for name, each in hits.items()
    }


def main() -> int:
    """Print a table of coverage, in per cent."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=500)
    parser.add_argument("--draws", type=int, default=99)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", type=int, nargs="+", default=[12, 30])
    parser.add_argument("--questions", type=int, nargs="+", default=[50, 200, 2000])
    parser.add_argument("--ceiling", nargs="+", default=["known", "free"])
    parser.add_argument("--residual", nargs="+", default=["binomial", "logit"])
    parser.add_argument("--rho", type=float, nargs="+", default=[0.0])
    parser.add_argument("--sandwich", action="store_true", help="count its intervals as well")
    parser.add_argument("--out")
    options = parser.parse_args()
    head = ["ceiling", "runs", "questions", "rho", "residual", "method", *ASKED, "stated"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    print("\n".join(lines), flush=True)
    for ceiling, runs, questions, rho, residual in itertools.product(
        options.ceiling, options.runs, options.questions, options.rho, options.residual
    ):
        found = covered(Cell(ceiling, runs, questions, residual, rho), options)
        for method, shares in found.items():
            cells = [ceiling, runs, questions, f"{rho:g}", residual, method]
            lines.append(
                "| " + " | ".join([*map(str, cells), *(f"{x:.1f}" for x in shares)]) + " |"
            )
            print(lines[-1], flush=True)
    if options.out:
        Path(options.out).write_text("\n".join([*about_lines(options), "", *lines]) + "\n")
    return 0


def about_lines(options: argparse.Namespace) -> list[str]:
    """Return the head of the page."""
    return [
        "# Coverage of 90 % intervals of a law of accuracies",
        "",
        f"`python -m benchmarks.metrics {' '.join(sys.argv[1:])}`, jax {jax.__version__}, float64.",
        f"{options.tables} tables a cell, {options.draws} draws: a share of 90 % has a standard "
        f"error of {100 * (0.09 / options.tables) ** 0.5:.1f} %.",
    ]


if __name__ == "__main__":
    sys.exit(main())
