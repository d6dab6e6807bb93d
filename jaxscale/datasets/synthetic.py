"""Simulated tables of training runs: an isoFLOP design and noise around a known law.

For tests and benchmarks, where the truth must be known. Real runs: `jaxscale.datasets`.
"""

from __future__ import annotations

import numpy as np

from jaxscale.data.runs import Runs
from jaxscale.laws import Chinchilla, Law, predict

TRUTH = Chinchilla(E=1.7, A=350.0, B=900.0, alpha=0.33, beta=0.31)
"""The truth behind `simulated_runs`: round numbers of the usual size, nobody's result."""


def isoflop_design(budgets: np.ndarray, sizes: int, spread: float = 1.3) -> tuple[np.ndarray, ...]:
    """Return (N, D) [budgets * sizes] of an isoFLOP sweep.

    Args:
        budgets: C in FLOPs [b].
        sizes: model sizes per budget, log-spaced around N = sqrt(C / 120) (20 tokens per
            parameter).
        spread: e-folds of N to each side.
    """
    center = 0.5 * np.log(budgets / 120)
    N = np.exp(center[:, None] + np.linspace(-spread, spread, sizes)[None, :])
    D = budgets[:, None] / (6 * N)
    return N.ravel(), D.ravel()


def simulate(law: Law, N: np.ndarray, D: np.ndarray, *, noise: float, seed: int) -> Runs:
    """Return runs with log-normal noise around a law of N and D.

    Args:
        law: the truth, without free parameters.
        N: parameters [n].
        D: tokens [n].
        noise: standard deviation of log loss.
        seed: of the noise.
    """
    error = np.random.default_rng(seed).normal(0.0, noise, len(N))
    loss = predict(law, N=N, D=D) * np.exp(error)
    return Runs(N=N, D=D, loss=loss, source="simulated")


def simulated_runs() -> Runs:
    """Simulate 6 isoFLOP budgets of 9 sizes around `TRUTH`.

    Budgets from 1e18 to 1e21 FLOPs, 0.4 % noise, and one run that diverged.
    """
    N, D = isoflop_design(np.logspace(18, 21, 6), sizes=9)
    N, D = np.round(N, -4), np.round(D, -7)
    runs = simulate(TRUTH, N, D, noise=0.004, seed=0)
    loss = np.round(runs.loss, 4)
    loss[4] = np.round(1.12 * loss[4], 4)
    return Runs(N=N, D=D, loss=loss, source="simulated")
