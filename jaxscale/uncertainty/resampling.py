"""How runs are drawn again: cases, clusters, weights, residuals, wild signs.

Each scheme returns replicate weights or replicate losses [draws, n] for `refit`. Draw b depends on
the seed and on b only, so that more draws extend fewer ones, and no split into chunks changes any.
Plain NumPy; nothing here fits.
"""

from __future__ import annotations

import numpy as np

from jaxscale.data.runs import Runs
from jaxscale.errors import DataError, FitError
from jaxscale.fitting.dispersion import dispersion
from jaxscale.fitting.linearized import Linearized
from jaxscale.fitting.result import FitResult
from jaxscale.fitting.trials import weighs_trials

FEWEST = {"cluster": 8, "wild-cluster": 5}
"""Clusters below which a scheme is refused."""
WEBB = np.sqrt(np.array([0.5, 1.0, 1.5]))
WEBB = np.concatenate([-WEBB[::-1], WEBB])
"""The six-point signs of Webb 2014 (QED working paper 1315): mean 0, variance 1."""


MAX_DRAWS = 1_000_000
MAX_VALUES = 1 << 28
"""Weights or losses [draws, n] at most: 2 GiB."""


def require_draws(draws: int, n: int, least: int, instead: str = "") -> None:
    """Check a number of draws, before hours of work or more memory than there is.

    Args:
        draws: how many were asked for.
        n: runs, of which every draw takes a row.
        least: how few make sense.
        instead: what else is allowed, as it stands in the message.

    Raises:
        ValueError: there are too few or too many.
    """
    if draws < least:
        raise ValueError(f"draws must be {instead}at least {least}, got {draws}")
    most = min(MAX_DRAWS, MAX_VALUES // max(n, 1))
    if draws > most:
        raise ValueError(f"draws of {n} runs must be at most {most:,}, got {draws}")


def generators(seed: int, first: int, count: int) -> list[np.random.Generator]:
    """Return the generators of draws `first`, `first` + 1, ...

    Args:
        seed: of all draws.
        first: number of the first draw.
        count: how many draws.
    """
    return [np.random.default_rng([seed, b]) for b in range(first, first + count)]


def case_weights(
    runs: Runs, seed: int, first: int, count: int, *, strata: np.ndarray | None = None
) -> np.ndarray:
    """Return [count, n]: how often each run was drawn, times its own weight.

    Args:
        runs: n runs.
        seed: of all draws.
        first: number of the first draw.
        count: how many draws.
        strata: labels [n]; as many runs of each are drawn as there are. Default one stratum.
    """
    n = len(runs)
    draws = np.zeros((count, n))
    of = np.zeros(n, int) if strata is None else membership(strata)
    parts = [np.flatnonzero(of == k) for k in range(int(of.max()) + 1)]
    for b, rng in enumerate(generators(seed, first, count)):
        for some in parts:
            draws[b, some] = rng.multinomial(len(some), np.full(len(some), 1 / len(some)))
    weights: np.ndarray = draws * runs.weights
    return weights


def bayesian_weights(
    runs: Runs, seed: int, first: int, count: int, *, strata: np.ndarray | None = None
) -> np.ndarray:
    """Return [count, n]: flat Dirichlet weights of mean 1, times the runs' own.

    Args:
        runs: n runs.
        seed: of all draws.
        first: number of the first draw.
        count: how many draws.
        strata: labels [n]; the mean is 1 in each. Default one stratum.

    Source: Rubin 1981, The Annals of Statistics 9(1).
    """
    n = len(runs)
    draws = np.array([rng.exponential(size=n) for rng in generators(seed, first, count)])
    draws = draws.reshape(count, n)
    of = np.zeros(n, int) if strata is None else membership(strata)
    for k in range(int(of.max()) + 1):
        draws[:, of == k] /= draws[:, of == k].mean(axis=1, keepdims=True)
    weights: np.ndarray = draws * runs.weights
    return weights


def cluster_weights(
    runs: Runs, labels: np.ndarray, seed: int, first: int, count: int
) -> np.ndarray:
    """Return [count, n]: how often each run's cluster was drawn, times the run's own weight.

    Args:
        runs: n runs.
        labels: [n], equal for runs of one cluster.
        seed: of all draws.
        first: number of the first draw.
        count: how many draws.
    """
    member = membership(labels)
    G = int(member.max()) + 1
    share = np.full(G, 1 / G)
    draws = [rng.multinomial(G, share) for rng in generators(seed, first, count)]
    weights: np.ndarray = np.array(draws, float).reshape(count, G)[:, member] * runs.weights
    return weights


def membership(labels: np.ndarray) -> np.ndarray:
    """Return [n] int: the number of each run's cluster."""
    return np.unique(labels, return_inverse=True)[1].reshape(-1)


def cluster_labels(runs: Runs, group: str | np.ndarray | None, method: str) -> np.ndarray:
    """Return the label [n] of every run's cluster.

    Args:
        runs: the runs.
        group: labels [n], the name of a column, or None for the runs' own group.
        method: for messages.

    Raises:
        DataError: there are no such labels.
        FitError: there are too few clusters for the method.
    """
    labels: np.ndarray | None
    if isinstance(group, str):
        labels = runs.column(runs.column_called(group))
    else:
        labels = runs.group if group is None else np.asarray(group)
    if labels is None:
        raise DataError(
            f"{runs.source}: method {method!r} needs to know which runs move together: give "
            "group= labels, the name of a column, or read the runs with map={'group': COLUMN}"
        )
    if labels.shape != (len(runs),):
        raise DataError(f"group has shape {list(labels.shape)}, there are {len(runs)} runs")
    G, least = len(np.unique(labels)), FEWEST.get(method, 2)
    if G < least:
        raise FitError(
            f"{G} clusters are too few for method {method!r}, which takes {least}: its intervals "
            "would be far too narrow; use more clusters, or a method that assumes independent runs"
        )
    return labels


def residual_losses(
    at: Linearized, prediction: np.ndarray, seed: int, first: int, count: int
) -> np.ndarray:
    """Return [count, n] losses: the fitted law plus exchangeable noise.

    Args:
        at: the fit linearized.
        prediction: [n] of the fit.
        seed: with the number of a draw, its random numbers.
        first: number of the first draw.
        count: how many.
    """
    n = len(prediction)
    relative = np.sqrt(at.weight / at.weight[at.weight > 0].mean())
    relative = np.where(relative > 0, relative, 1.0)
    noise = at.noise()
    draws = [noise.draw((n,), rng) / relative for rng in generators(seed, first, count)]
    return at.objective.residual.losses(prediction, np.array(draws).reshape(count, n))


def trial_losses(
    fit: FitResult, weight: np.ndarray, seed: int, first: int, count: int
) -> np.ndarray:
    """Return [count, n] fractions: as many right answers as so many trials at the law's own give.

    Of fewer trials where the runs vary by more than counts do, so that the variance is theirs.

    Args:
        fit: of fractions, whose runs are weighted by trials.
        weight: [n] trials.
        seed: with the number of a draw, its random numbers.
        first: number of the first draw.
        count: how many.
    """
    excess = max(1.0, dispersion(fit)) if weighs_trials(fit.runs) else dispersion(fit)
    trials = np.maximum(np.round(weight / max(excess, 1e-9)), 1.0).astype(np.int64)
    p = np.clip(fit.prediction, 0.0, 1.0)
    draws = [rng.binomial(trials, p) / trials for rng in generators(seed, first, count)]
    return np.array(draws).reshape(count, len(p))


def wild_losses(
    at: Linearized,
    prediction: np.ndarray,
    seed: int,
    first: int,
    count: int,
    *,
    labels: np.ndarray | None = None,
) -> np.ndarray:
    """Return [count, n] losses: every run's own residual with a random sign and size.

    Residuals are divided by the root of 1 - leverage (HC2); the runs of a cluster share a sign.

    Args:
        at: the fit linearized.
        prediction: [n] of the fit.
        seed: with the number of a draw, its random numbers.
        first: number of the first draw.
        count: how many.
        labels: [n] clusters, or None for independent runs.
    """
    n = len(prediction)
    member = np.arange(n) if labels is None else membership(labels)
    free = at.residual / np.sqrt(np.maximum(1 - at.leverage, 0.05))
    signs = [rng.choice(WEBB, int(member.max()) + 1) for rng in generators(seed, first, count)]
    drawn = np.array(signs).reshape(count, -1)[:, member] * free
    return at.objective.residual.losses(prediction, drawn)
