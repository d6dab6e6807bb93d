"""Is Chinchilla's additive law enough? The nested test over public tables, and its false alarms.

    python -m benchmarks.nesting [--folder FOLDER] [--out benchmarks/results/nesting.md]
    python -m benchmarks.nesting --simulate 300 [--k 1]

Every named table with N and D (`jaxscale.datasets`, copies in FOLDER, $JAXSCALE_DATA or
../shared/data): least squares of the log loss by the additive law, by Skaling (an outer exponent k)
and by Translog (any quadratic of log N and log D). The second half of a row extrapolates: all
three are fitted to the runs of at most a tenth of the largest compute, and judged by the root mean
square error of log(loss) on the others. With --simulate: how often clean additive tables (k = 1)
are rejected, and tables of another k.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import jaxscale
from jaxscale.errors import JaxscaleError
from jaxscale.fitting.nesting import Nesting, nesting
from jaxscale.fitting.outer_solve import A, B, E, Table, moving, solve, table_of
from jaxscale.objective.host_losses import HostLoss
from jaxscale.objective.residuals import residual_named

LOG = residual_named("log")
TRUTH = dict(E=1.8, A=480.0, B=2100.0, alpha=0.35, beta=0.37)
FREE = ("E", "A", "B", "alpha", "beta")
SQUARES = HostLoss(math.inf)
FEWEST = 12
"""Runs that are fitted, at least, and 4 that are predicted."""


def main() -> None:
    """Write the table, or print the simulations."""
    parser = argparse.ArgumentParser("benchmarks.nesting", description=__doc__.split("\n")[0])
    parser.add_argument("--folder", help="of the public tables")
    parser.add_argument("--out", help="a file for the table; default stdout")
    parser.add_argument("--starts", type=int, default=64)
    parser.add_argument("--simulate", type=int, metavar="TABLES", help="simulated tables per row")
    parser.add_argument("--k", type=float, default=1.0, help="outer exponent of simulated tables")
    options = parser.parse_args()
    if options.simulate:
        for line in simulated(options.simulate, options.k):
            print(line, flush=True)
        return
    shared = Path(__file__).parents[2] / "shared" / "data"
    os.environ["JAXSCALE_DATA"] = options.folder or os.environ.get("JAXSCALE_DATA", str(shared))
    lines = list(public(options.starts))
    text = "\n".join(lines) + "\n"
    if options.out:
        Path(options.out).write_text(text)
    print(text)


def public(starts: int) -> Iterator[str]:
    """Yield a Markdown table of every public table."""
    yield "# The nested test on public tables"
    yield ""
    yield "`python -m benchmarks.nesting`: least squares of the log loss; in the last three columns"
    yield "the error (%) on the runs beyond a tenth of the largest compute, fitted to the others."
    yield ""
    yield "| table | runs | k | LR | k = 1 | additive | Skaling | Translog | fitted, judged |"
    yield "|---|---|---|---|---|---|---|---|---|"
    best = dict.fromkeys(("additive", "Skaling", "Translog"), 0)
    for name in jaxscale.datasets.names():
        try:
            runs = jaxscale.datasets.load(name)
            N, D = (runs.column(x, jaxscale.SixND()) for x in ("N", "D"))
            fit = jaxscale.fit("Chinchilla", runs, loss=jaxscale.Square(), starts=starts)
        except (JaxscaleError, ValueError, TypeError):
            continue
        found = fit.nesting
        errors, sizes = extrapolated(N, D, runs.loss, fit)
        told = [f"{100 * e:.2f}" if math.isfinite(e) else "-" for e in errors.values()]
        if all(map(math.isfinite, errors.values())):
            first = min(errors, key=lambda law: errors[law])
            best[first] += 1
            told[list(errors).index(first)] = f"**{told[list(errors).index(first)]}**"
        yield f"| {name} | {len(runs)} | {_k(found)} | {' | '.join(told)} | {sizes} |"
    yield ""
    count = ", ".join(f"{law} on {n}" for law, n in best.items())
    yield f"Extrapolates best: {count} of {sum(best.values())} tables."


def _k(found: Nesting | None) -> str:
    if found is None:
        return "- | - | not certified"
    error = f" ± {found.error:.2f}" if math.isfinite(found.error) else ""
    return f"{found.k:.2f}{error} | {found.ratio:.1f} | {found.verdict}"


def extrapolated(
    N: np.ndarray, D: np.ndarray, y: np.ndarray, fit: jaxscale.FitResult
) -> tuple[dict[str, float], str]:
    """Return the error of the three laws on the runs of the largest decade of compute.

    Args:
        N: parameters [n].
        D: tokens [n].
        y: losses [n].
        fit: of the additive law to all runs, a point to start from.
    """
    small = N * D <= (N * D).max() / 10
    nan = dict.fromkeys(("additive", "Skaling", "Translog"), math.nan)
    if small.sum() < FEWEST or (~small).sum() < 4:
        return nan, "-"
    table = table_of(
        [N[small], D[small]], y[small], np.ones(small.sum()), loss=SQUARES, residual=LOG
    )
    start = table.of({**fit.law.values, "k": 1.0})
    found = {}
    for law, outer in (("additive", False), ("Skaling", True)):
        z = _lowest(table, start, outer)
        found[law] = _error(_predicted(table.law(z), N[~small], D[~small]), y[~small])
    n, d = np.log(N / N.mean()), np.log(D / D.mean())
    X = np.stack([np.ones_like(n), n, d, n * n, n * d, d * d], axis=1)
    c = np.linalg.lstsq(X[small], np.log(y[small]), rcond=None)[0]
    found["Translog"] = _error(np.exp(X[~small] @ c), y[~small])
    return found, f"{int(small.sum())}, {int((~small).sum())}"


def _lowest(table: Table, start: np.ndarray, outer: bool) -> np.ndarray:
    """Return the best of solves from several points."""
    rng, points = np.random.default_rng(0), [start]
    for _ in range(24):
        z = start + rng.normal(size=6) * np.array([0.2, 0.5, 1.0, 0.15, 0.15, 0.6 * outer])
        z[[E, A, B]] = np.maximum(z[[E, A, B]], 0.02)
        points.append(z)
    found = [solve(table, z, moving(True, outer=outer)) for z in points]
    return min(found, key=lambda each: each[1])[0]


def _predicted(law: dict[str, float], N: np.ndarray, D: np.ndarray) -> np.ndarray:
    left = np.log(law["A"]) - law["alpha"] * np.log(N)
    right = np.log(law["B"]) - law["beta"] * np.log(D)
    return np.asarray(law["E"] + np.exp(law["k"] * np.logaddexp(left, right)))


def _error(p: np.ndarray, y: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.log(p / y) ** 2)))


# --- simulations ----------------------------------------------------------------------------------


def design(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return N and D of a design: isoFLOP of 9 x 12 or 4 x 6 runs, rectangles of 8 x 8 or 4 x 4."""
    if name.startswith("rectangle"):
        k = 8 if name == "rectangle 8x8" else 4
        N, D = np.geomspace(5e7, 5e9, k), np.geomspace(1e9, 3e11, k)
        return np.repeat(N, k), np.tile(D, k)
    G, m, low, high = (9, 12, 6e18, 1e22) if name == "isoFLOP 9x12" else (4, 6, 1e18, 1e20)
    C = np.repeat(np.geomspace(low, high, G), m)
    N = np.sqrt(C / 120) * np.exp(np.tile(np.linspace(-1.56, 1.56, m), G))
    return N, C / 6 / N


def noise(
    kind: str, N: np.ndarray, D: np.ndarray, s: float, rng: np.random.Generator
) -> np.ndarray:
    """Return log noise [n] of a kind and a size.

    Args:
        kind: "normal", "by budget", "by N", "outliers", "heavy tails", "by budget, outliers".
        N: parameters [n].
        D: tokens [n].
        s: standard deviation of a run's own noise, and of what runs share.
        rng: random numbers.
    """
    n = len(N)
    r = s * (rng.standard_t(3, n) if kind == "heavy tails" else rng.normal(size=n))
    if kind.startswith("by"):
        size = np.round(np.log(N if kind == "by N" else N * D), 3)
        member = np.unique(size, return_inverse=True)[1]
        r = r + s * rng.normal(size=n)[member]
    if "outliers" in kind:
        off = rng.random(n) < 0.05
        r[off] += 10 * s * rng.normal(size=int(off.sum()))
    return np.asarray(r)


DESIGNS = ("isoFLOP 9x12", "isoFLOP 4x6", "rectangle 8x8", "rectangle 4x4")
KINDS = ("normal", "by budget", "by N", "outliers", "heavy tails", "by budget, outliers")


def simulated(tables: int, k: float) -> Iterator[str]:
    """Yield a Markdown table of how often the additive law is rejected."""
    yield "| loss | design | noise | size | rejected % | open % | LR > 10.8 % | ms |"
    yield "|---|---|---|---|---|---|---|---|"
    law, total, alarms = jaxscale.Chinchilla(**TRUTH), 0, 0
    for loss in (jaxscale.Square(), jaxscale.Huber(1e-3)):
        for name in DESIGNS:
            N, D = design(name)
            inner = TRUTH["A"] * N ** -TRUTH["alpha"] + TRUTH["B"] * D ** -TRUTH["beta"]
            rising = inner.mean() * (inner / inner.mean()) ** k
            for kind in KINDS:
                for s in (0.003, 0.01):
                    begin, found = time.process_time(), []
                    for seed in range(tables):
                        r = noise(kind, N, D, s, np.random.default_rng([seed, 11]))
                        E = TRUTH["E"] * (1 if k == 1 else 0.6)
                        runs = jaxscale.Runs(N=N, D=D, loss=(E + rising) * np.exp(r))
                        asked = dict(loss=loss, residual=LOG, free=FREE)
                        found.append(nesting(law, runs, runs.weights, **asked))
                    ms = 1e3 * (time.process_time() - begin) / tables
                    share = [100 * np.mean([f is not None and f.verdict == v for f in found])
                             for v in ("rejected", "open")]  # fmt: skip
                    ratio = 100 * np.mean([f is not None and f.ratio > 10.83 for f in found])
                    total, alarms = total + tables, alarms + sum(f and f.rejected for f in found)
                    row = f"{share[0]:.1f} | {share[1]:.1f} | {ratio:.1f} | {ms:.0f}"
                    yield f"| {loss} | {name} | {kind} | {s} | {row} |"
    yield f"\nRejected: {alarms} of {total:,} tables of k = {k:g}."


if __name__ == "__main__":
    main()
