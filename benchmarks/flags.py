"""How often runs are called suspect: on tables of Gaussian noise, and where some are wrong.

    python -m benchmarks.flags --tables 1000

Each cell is a law, a loss, a number of runs and what is wrong with them: nothing, one loss that
is ten times too high, one that is 3 % off, or a tenth of the runs (two at least) 3 % off at once,
with noise of .4 %. Compute and tokens per parameter are drawn anew for every table. Reported are
the share of clean tables in which any run is suspect, the share of the wrong runs that are found,
and how many others are suspect beside them, per table. Nothing is timed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

SIGMA = 0.004
SIZES = (1, 2, 3, 12, 20, 50, 200)
"""Numbers of runs; the first ones are counted from the number of parameters."""
LAWS = ("Chinchilla", "PowerLaw", "PurePowerLaw", "Kaplan")
LOSSES = ("huber", "absolute", "square")
WRONG = ("nothing", "tenfold", "one", "tenth")


class Cell(NamedTuple):
    """What is simulated."""

    law: str
    loss: str
    n: int
    wrong: str


def truth(name: str) -> Any:
    """Return the law that a cell draws from."""
    import jaxscale
    from jaxscale.datasets.synthetic import TRUTH

    return {
        "Chinchilla": TRUTH,
        "PowerLaw": jaxscale.PowerLaw(a=2000.0, b=-0.16, c=1.7, of="C"),
        "PurePowerLaw": jaxscale.PurePowerLaw(a=20.0, b=-0.05, of="C"),
        "Kaplan": jaxscale.Kaplan.preset("kaplan_2020"),
    }[name]


def cells(laws: str, losses: str, wrong: str) -> list[Cell]:
    """Return the cells of names with commas between; equal shapes follow each other."""
    found = []
    for law in laws.split(","):
        least = len(truth(law).parameters)
        for loss in losses.split(","):
            for n in sorted({least + k if k < 4 else k for k in SIZES}):
                found += [Cell(law, loss, n, each) for each in wrong.split(",")]
    return found


def table(cell: Cell, law: Any, rng: np.random.Generator) -> tuple[Any, np.ndarray]:
    """Return the runs of one table, and the indices of those that are wrong."""
    import jaxscale

    C = 10 ** rng.uniform(18, 21, cell.n)
    N = np.sqrt(C / 6 / 10 ** rng.uniform(0.5, 2.1, cell.n))
    columns = {"N": N, "D": C / 6 / N} if "N" in law.inputs else {"C": C}
    error = SIGMA * rng.normal(size=cell.n)
    count = {"nothing": 0, "tenth": max(2, cell.n // 10)}.get(cell.wrong, 1)
    wrong = rng.choice(cell.n, count, replace=False)
    off = np.log(1.03) * rng.choice([-1, 1], count)
    error[wrong] += np.log(10) if cell.wrong == "tenfold" else off
    loss = np.asarray(jaxscale.predict(law, **columns)) * np.exp(error)
    return jaxscale.Runs(loss=loss, **columns), wrong


def run_cell(cell: Cell, tables: int) -> dict[str, Any]:
    """Simulate the tables of a cell and count."""
    import jaxscale
    from jaxscale.objective.losses import loss_named

    law, loss = truth(cell.law), loss_named(cell.loss)
    free = law.replace(**dict.fromkeys(law.parameters))
    starts = 16 if cell.law == "Kaplan" else 0  # the others have an exponent grid
    flagged = found = wrong = others = done = 0
    for seed in range(tables):
        runs, planted = table(cell, law, np.random.default_rng([seed, cell.n]))
        try:
            suspects = jaxscale.fit(free, runs, loss=loss, starts=starts).suspects
        except jaxscale.JaxscaleError:
            continue
        done += 1
        flagged += len(suspects) > 0
        wrong += len(planted)
        found += int(np.isin(planted, suspects).sum())
        others += int((~np.isin(suspects, planted)).sum())
    return {**cell._asdict(), "tables": done, "flagged": flagged / done,
            "found": found / wrong if wrong else None, "others": others / done}  # fmt: skip


def report(results: list[dict[str, Any]]) -> str:
    """Return a Markdown table: a row per law, loss and n."""
    rows = ["| law | loss | n | clean tables flagged | tenfold found | 3 % found | tenth found |",
            "|---|---|---|---|---|---|---|"]  # fmt: skip
    for law, loss, n in dict.fromkeys((r["law"], r["loss"], r["n"]) for r in results):
        one = {r["wrong"]: r for r in results if (r["law"], r["loss"], r["n"]) == (law, loss, n)}
        shown = [f"{100 * one['nothing']['flagged']:.1f} %" if "nothing" in one else ""]
        for wrong in WRONG[1:]:
            r = one.get(wrong)
            shown += [f"{100 * r['found']:.0f} % (+{r['others']:.2f})" if r else ""]
        rows.append(f"| {law} | {loss} | {n} | {' | '.join(shown)} |")
    return "\n".join(rows)


def main() -> None:
    """Count, print a table, and keep the counts where asked."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("benchmarks.flags", description=__doc__, formatter_class=raw)
    parser.add_argument("--tables", type=int, default=1000, help="simulated tables per cell")
    parser.add_argument("--laws", default=",".join(LAWS), help="default %(default)s")
    parser.add_argument("--losses", default=",".join(LOSSES), help="default %(default)s")
    parser.add_argument("--wrong", default=",".join(WRONG), help="default %(default)s")
    parser.add_argument("--out", type=Path, help="write JSON here")
    options = parser.parse_args()
    results = []
    for cell in cells(options.laws, options.losses, options.wrong):
        begin = time.time()
        results.append(run_cell(cell, options.tables))
        seconds = time.time() - begin
        print("/".join(map(str, cell)), results[-1]["flagged"], results[-1]["found"],
              f"{seconds:.0f} s", file=sys.stderr, flush=True)  # fmt: skip
        if options.out:
            options.out.write_text(json.dumps(results) + "\n")
    print(report(results))


if __name__ == "__main__":
    main()
