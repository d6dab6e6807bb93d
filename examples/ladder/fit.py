"""Fit, judge, predict, decide: what the table of a ladder says.

    python -m examples.ladder.fit FOLDER    # that `python -m examples.ladder` filled

Prints a report and writes it as report.txt beside the figures law.png, valleys.png, held_out.png
and curves.png.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import jaxscale
from jaxscale.data.runs import Runs
from jaxscale.fitting.result import FitResult
from jaxscale.laws import Law
from jaxscale.plotting.fit import plot_fit
from jaxscale.plotting.style import save

DRAWS = 2000


def report(folder: Path) -> str:
    """Return the report of a ladder and write it, with its figures, to the folder."""
    table = jaxscale.read_runs(folder / "runs.csv", where="schedule == 'cosine'")
    fit = jaxscale.fit(jaxscale.Chinchilla(), table)
    lines = [f"{len(table)} runs with a cosine schedule\n", str(fit), "", *believe(fit), ""]
    lines += ["One scale at a time"]
    lines += [each for law, runs, what in one_scale(table) for each in row(law, runs, what)]
    lines += ["", "Held out: fitted without the largest budget, predicted there"]
    lines += held_out(table, folder / "held_out.png")
    lines += ["", *decide(fit)]
    text = "\n".join(lines) + "\n"
    (folder / "report.txt").write_text(text)
    save(plot_fit(fit), folder / "law.png")
    save(plot_valleys(fit), folder / "valleys.png")
    save(plot_curves(folder), folder / "curves.png")
    return text


def believe(fit: FitResult) -> list[str]:
    """Intervals of the parameters, and how well another law does."""
    draws = jaxscale.bootstrap(fit, draws=DRAWS)
    lines = [str(draws), ""]
    for each in (fit, jaxscale.fit(jaxscale.Kaplan(), fit.runs)):
        s = each.statistics
        lines.append(
            f"{type(each.law).__name__:<11} R² {s['r2_log']:.4f} on log loss, "
            f"RMSE {100 * s['rmse_log']:.2f} %"
        )
    return lines


def one_scale(table: Runs) -> Iterator[tuple[Law, Runs, str]]:
    """Yield power laws of N, D and C with the runs that show each alone."""
    N, D, C = (table.column(name) for name in "NDC")
    width = max(np.unique(N), key=lambda n: len(np.unique(D[N == n])))
    yield jaxscale.PowerLaw(of="D"), table.select(N == width, ""), f"runs of N = {width:,.0f}"
    tokens = max(np.unique(D), key=lambda d: (len(np.unique(N[D == d])), d))
    yield jaxscale.PowerLaw(of="N"), table.select(D == tokens, ""), f"runs of D = {tokens:,.0f}"
    best = np.zeros(len(table), bool)
    for budget in budgets(table):
        near = np.flatnonzero(np.abs(C / budget - 1) < 0.05)
        best[near[np.argmin(table.loss[near])]] = True
    yield jaxscale.PowerLaw(of="C"), table.select(best, ""), "the best run of every budget"


def row(law: Law, runs: Runs, what: str) -> list[str]:
    """Fit one law of one scale; return its lines, if the runs are enough."""
    of = law.inputs[0]
    if len(runs) < 4:
        return [f"  {of}: {len(runs)} {what}: too few"]
    fit = jaxscale.fit(law, runs)
    values = ", ".join(f"{name} {value:.4g}" for name, value in fit.law.values.items())
    return [f"  {of}: {len(runs)} {what}: {values}; R² {fit.statistics['r2_log']:.4f} on log loss"]


def budgets(table: Runs) -> np.ndarray:
    """Return the isoFLOP budgets: values of C that at least three sizes share to 5 %."""
    N, C = table.column("N"), table.column("C")
    order = np.argsort(C)
    groups = np.split(order, np.flatnonzero(np.diff(np.log(C[order])) > 0.03) + 1)
    return np.array([np.median(C[g]) for g in groups if len(set(N[g])) >= 3])


def held_out(table: Runs, path: Path) -> list[str]:
    """Fit without the largest budget and predict its runs; draw the valley."""
    C = table.column("C")
    large = C > 0.9 * budgets(table)[-1]
    small = table.select(~large, "held out")
    fit = jaxscale.fit(jaxscale.Chinchilla(), small)
    N, D, loss = table.column("N")[large], table.column("D")[large], table.loss[large]
    predicted = fit.predict(N=N, D=D)
    error = np.abs(predicted / loss - 1)
    draws = jaxscale.bootstrap(fit, draws=DRAWS)
    bands = [draws.predict(N=n, D=d, new_run=True) for n, d in zip(N, D, strict=True)]
    inside = sum(b.low <= y <= b.high for b, y in zip(bands, loss, strict=True))
    figure, ax = page("parameters N", "loss (nats per byte)")
    low, high = (np.array([getattr(b, side) for b in bands]) for side in ("low", "high"))
    around = np.array([predicted - low, high - predicted])
    style = {"fmt": "_", "color": "#c8553d", "capsize": 4, "label": "predicted, 90 % for a run"}
    ax.errorbar(N, predicted, around, **style)
    ax.plot(N, loss, "o", color="#20639b", label="trained")
    ax.set_title(
        f"{C[large].min():.2g} to {C[large].max():.2g} FLOPs, "
        f"fitted up to {C[~large].max():.2g} FLOPs"
    )
    ax.legend(frameon=False)
    save(figure, path)
    best, least = np.argmin(predicted), np.argmin(loss)
    return [
        f"  {len(N)} runs of C > {C[~large].max():.3g}: error of the loss "
        f"{100 * np.mean(error):.2f} % in the mean, {100 * error.max():.2f} % at most",
        f"  {inside} of {len(N)} inside their 90 % band for a new run",
        f"  best size: predicted {N[best]:,.0f}, trained {N[least]:,.0f} "
        f"(loss {loss[best]:.4f} and {loss[least]:.4f})",
    ]


def decide(fit: FitResult) -> list[str]:
    """Say what larger budgets should train."""
    top = fit.runs.column("C").max()
    lines = ["What larger budgets should train (C = 6 N D)"]
    for factor in (1, 10, 100):
        best = jaxscale.allocate(fit.law, compute=factor * top)
        lines.append(
            f"  {factor * top:.2g} FLOPs: N {best.N:.3g}, D {best.D:.3g} "
            f"({best.tokens_per_parameter:.1f} bytes per parameter), loss {best.loss:.4f}"
        )
    return lines


def page(x: str, y: str) -> tuple[Figure, Axes]:
    """Return a figure with log x."""
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    ax = figure.add_subplot()
    ax.set(xscale="log", xlabel=x, ylabel=y)
    ax.spines[["top", "right"]].set_visible(False)
    return figure, ax


def plot_valleys(fit: FitResult) -> Figure:
    """Draw the isoFLOP valleys with the law through them, and the best size of each."""
    figure, ax = page("parameters N", "loss (nats per byte)")
    N, C, loss = fit.runs.column("N"), fit.runs.column("C"), fit.runs.loss
    for k, budget in enumerate(found := budgets(fit.runs)):
        color = f"C{k}"
        near = np.abs(C / budget - 1) < 0.05
        n = np.geomspace(N[near].min() / 1.3, N[near].max() * 1.3, 100)
        ax.plot(n, fit.predict(N=n, D=budget / (6 * n)), color=color, lw=1)
        ax.plot(N[near], loss[near], "o", color=color, ms=4, label=f"{budget:.2g}")
    best = [jaxscale.allocate(fit.law, compute=float(budget)) for budget in found]
    ax.plot([b.N for b in best], [b.loss for b in best], "k--", lw=1, label="best")
    ax.legend(title="FLOPs", frameon=False)
    return figure


def plot_curves(folder: Path) -> Figure:
    """Draw the validation loss of every run along its training, by the number of parameters."""
    figure, ax = page("bytes seen", "validation loss (nats per byte)")
    with (folder / "runs.csv").open() as rows:
        size = {r["run"]: float(r["params"]) for r in csv.DictReader(rows)}
    with (folder / "curves.csv").open() as rows:
        points = list(csv.DictReader(rows))
    scale = np.log([min(size.values()), max(size.values())])
    for name, n in size.items():
        own = [(float(p["tokens"]), float(p["loss"])) for p in points if p["run"] == name]
        shade = (np.log(n) - scale[0]) / (scale[1] - scale[0])
        color = (0.1 + 0.75 * shade, 0.35, 0.75 - 0.6 * shade)
        ax.plot(*np.array(own).T, color=color, lw=0.8, alpha=0.8)
    least, most = min(size.values()), max(size.values())
    ax.set_title(f"{len(size)} runs of {least:,.0f} (blue) to {most:,.0f} parameters (red)")
    ax.set_yscale("log")
    ax.yaxis.set_minor_formatter("{x:.3g}")
    ax.yaxis.set_major_formatter("{x:.3g}")
    return figure


def main(argv: Sequence[str] | None = None) -> None:
    """Print the report of a folder."""
    print(report(Path((argv or sys.argv[1:])[0])))


if __name__ == "__main__":
    main()
