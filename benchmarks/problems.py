"""What is solved, and who grades it: the runs, the starts, and the value of an answer.

A problem owns the grading. Methods hand in parameters theta = (a, b, e, alpha, beta) with
A = exp(a), B = exp(b), E = exp(e); the value is worked out here, in NumPy float64, with a formula
of its own. No method reports its own success.
"""

from __future__ import annotations

import csv
import dataclasses
import functools
import itertools
import json
import os
from pathlib import Path

import numpy as np

TOLERANCE = 1e-6
"""An answer is a success within this of the best known value, relatively."""
TABLE, GOLD = Path("chinchilla_epoch") / "chinchilla_fig4.csv", Path("gold.json")
EPOCH_BEST = 1.0182740178006032e-3


@dataclasses.dataclass(frozen=True)
class Problem:
    """Runs to fit L(N, D) = E + A N^-alpha + B D^-beta to, with a log-Huber loss.

    Attributes:
        name: "epoch240", "synthetic" and the number of runs, or the key of a table.
        N: [n] parameters.
        D: [n] tokens.
        loss: [n].
        starts: [S, 5] the classic starts theta.
        best_known: lowest value known, or None: then the best of the methods counts.
        source: where the runs come from, in words.
        delta: width of the Huber loss.
    """

    name: str
    N: np.ndarray
    D: np.ndarray
    loss: np.ndarray
    starts: np.ndarray
    best_known: float | None
    source: str
    delta: float = 1e-3

    @functools.cached_property
    def logs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return log N, log D, log loss [n], taken once."""
        return np.log(self.N), np.log(self.D), np.log(self.loss)

    def value(self, theta: np.ndarray, weight: np.ndarray | float = 1.0) -> np.ndarray:
        """Return the sum of weight [..., n] times log-Huber loss [...] at `theta` [..., 5]."""
        a, b, e, alpha, beta = (x[..., None] for x in np.moveaxis(np.asarray(theta, float), -1, 0))
        log_N, log_D, log_loss = self.logs
        with np.errstate(all="ignore"):
            terms = np.logaddexp(a - alpha * log_N, b - beta * log_D)
            size = np.abs(np.logaddexp(terms, e) - log_loss)
            tail = self.delta * (size - 0.5 * self.delta)
            return (weight * np.where(size <= self.delta, 0.5 * size**2, tail)).sum(axis=-1)

    def success(self, values: np.ndarray, best: float) -> np.ndarray:
        """Return which of `values` are within `TOLERANCE` of `best`."""
        return np.asarray(values) <= best * (1 + TOLERANCE)


def classic_starts() -> np.ndarray:
    """Return the published grid of 4,500 starts theta [4500, 5] (Hoffmann et al. 2022)."""
    coefficient, exponent = np.arange(0.0, 26.0, 5.0), np.arange(0.0, 2.1, 0.5)
    offset = np.arange(-1.0, 1.1, 0.5)
    axes = (coefficient, coefficient, offset, exponent, exponent)
    return np.array(list(itertools.product(*axes)))


def find(name: Path) -> Path | None:
    """Return a file of public tables under $JAXSCALE_DATA or ../shared/data, or None."""
    root = Path(__file__).resolve().parents[1]
    folders = [root.parent / "shared" / "data"]
    if os.environ.get("JAXSCALE_DATA"):
        folders.insert(0, Path(os.environ["JAXSCALE_DATA"]))
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


def epoch(path: Path) -> Problem:
    """Return the 240 runs that Besiroglu et al. (2024) kept of those they digitized."""
    with path.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["excluded_by_paper"] == "0"]
    N, D, loss = (np.array([float(row[k]) for row in rows]) for k in ("params", "tokens", "loss"))
    return Problem(
        name=f"epoch{len(rows)}",
        N=N,
        D=D,
        loss=loss,
        starts=classic_starts(),
        best_known=EPOCH_BEST,
        source="runs of Hoffmann et al. 2022, digitized by Besiroglu et al. 2024",
    )


def synthetic(n: int = 240, seed: int = 0, starts: np.ndarray | None = None) -> Problem:
    """Return simulated isoFLOP-like runs of the same shape.

    Args:
        n: number of runs.
        seed: of NumPy's generator.
        starts: [S, 5]; default the classic grid.
    """
    rng = np.random.default_rng(seed)
    compute = 10 ** rng.choice(np.linspace(18.5, 21.5, 10), n)
    ratio = np.exp(rng.uniform(np.log(2.0), np.log(400.0), n))  # tokens per parameter
    N = np.sqrt(compute / (6 * ratio))
    D = ratio * N
    clean = 1.8 + 450 * N**-0.345 + 2100 * D**-0.365
    noise = rng.normal(0.0, 0.005, n)
    outlier = rng.random(n) < 0.05
    noise = np.where(outlier, noise + np.abs(rng.normal(0.0, 0.05, n)), noise)
    return Problem(
        name=f"synthetic{n}",
        N=N,
        D=D,
        loss=clean * np.exp(noise),
        starts=classic_starts() if starts is None else starts,
        best_known=None,
        source=f"simulated: log-normal noise .005, 5 % outliers, seed {seed}",
    )


def default_problem() -> Problem:
    """Return the published runs where their table can be found, else simulated ones."""
    path = find(TABLE)
    return synthetic() if path is None else epoch(path)


def gold_problems() -> list[Problem]:
    """Return every table with a best-known optimum; empty where there is no copy of them."""
    path = find(GOLD)
    if path is None:
        return []
    import jaxscale  # the only place here that reads anything but CSV

    found = []
    for key, entry in json.loads(path.read_text())["huber_log_chinchilla"].items():
        file = path.parent / entry["file"]
        runs = jaxscale.read_runs(file, map=entry["columns"], where=entry["filter"])
        N, D = runs.columns["N"], runs.columns["D"]
        source, best = f"{entry['file']} where {entry['filter']}", entry["objective"]
        found.append(Problem(key, N, D, runs.loss, classic_starts(), best, source, entry["delta"]))
    return found
