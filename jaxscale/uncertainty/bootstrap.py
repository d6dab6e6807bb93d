"""Uncertainty by refitting: a law fitted again to runs drawn again.

Every scheme is one batched `refit`, with a scan of each replicate for a better basin. Which holds
where is measured by `python -m benchmarks.coverage` on tables simulated from known laws; docstrings
quote its numbers. The spread over random starts is no error and does not appear here.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxscale._numerics.precision import host
from jaxscale.engine.dispatch import Progress
from jaxscale.engine.meshes import Devices
from jaxscale.errors import FitError
from jaxscale.fitting.families import FamilyFit
from jaxscale.fitting.linearized import Linearized, linearize
from jaxscale.fitting.refit import Refits, refit
from jaxscale.fitting.result import FitResult
from jaxscale.fitting.trials import weighs_trials
from jaxscale.laws import Law
from jaxscale.laws.grouped import FAMILY, FamilyLaw
from jaxscale.uncertainty.draws import Draws
from jaxscale.uncertainty.resampling import (
    bayesian_weights,
    case_weights,
    cluster_labels,
    cluster_weights,
    require_draws,
    residual_losses,
    trial_losses,
    wild_losses,
)
from jaxscale.uncertainty.shared import (
    Shares,
    Sharing,
    find_sharing,
    given_sharing,
    own_part,
    shares,
    tells,
)
from jaxscale.uncertainty.trends import Trend, noise_trend


class _Table(NamedTuple):
    """What a scheme draws from."""

    fit: FitResult
    at: Linearized
    labels: Any  # [n] clusters, or None
    seed: int
    draws: int
    trend: Trend
    shares: Shares | None  # what runs of a group share, for the method of that name


class _Scheme(NamedTuple):
    """One way to draw runs again."""

    versions: Callable[[_Table], dict[str, np.ndarray]]
    """Replicate weights or losses [draws, n], as `refit` takes them."""
    clustered: bool = False
    widening: Callable[[_Table], float] = lambda table: 1.0
    """Factor by which its draws are too narrow."""


def _weights(scheme: Callable[..., np.ndarray]) -> _Scheme:
    return _Scheme(
        lambda t: {"weights": scheme(t.fit.runs, t.seed, 0, t.draws, strata=strata(t.fit))},
        widening=lambda t: _case_widening(t.at),
    )


def _residuals(t: _Table) -> dict[str, np.ndarray]:
    return {"losses": residual_losses(t.at, t.fit.prediction, t.seed, 0, t.draws)}


def _trials(t: _Table) -> dict[str, np.ndarray]:
    return {"losses": trial_losses(t.fit, t.at.weight, t.seed, 0, t.draws)}


def _wild(t: _Table) -> dict[str, np.ndarray]:
    return {"losses": wild_losses(t.at, t.fit.prediction, t.seed, 0, t.draws, labels=t.labels)}


def _clusters(t: _Table) -> dict[str, np.ndarray]:
    return {"weights": cluster_weights(t.fit.runs, t.labels, t.seed, 0, t.draws)}


def _shared(t: _Table) -> dict[str, np.ndarray]:
    """Noise per group; and per run, or runs as cases where the size of their own noise moves."""
    assert t.shares is not None
    uneven = bool(t.trend.said)
    found = {"losses": t.shares.losses(t.at, t.fit.prediction, t.seed, t.draws, own=not uneven)}
    return found | ({"weights": _cases(t)} if uneven else {})


def _cases(t: _Table) -> np.ndarray:
    return case_weights(t.fit.runs, t.seed, 0, t.draws, strata=strata(t.fit))


def _leanings(fit: FitResult, seed: int, draws: int) -> dict[str, np.ndarray]:
    """Return what pooled families lean on in every draw [draws, K, G]; nothing without pooling.

    Replicates that leaned on the same mean would scatter too little: so their prior is drawn too
    ("randomize, then optimize").

    Source: Bardsley, Solonen, Haario & Laine 2014, SIAM J. Sci. Comput. 36(4).
    """
    pooled = fit.constraints.pooled
    if not pooled:
        return {}
    width = np.array([x for _, x, _ in pooled])
    shape = (len(pooled), len(fit.law.labels))  # type: ignore[attr-defined]
    centers = [
        width[:, None] * np.random.default_rng([seed, b, 2]).normal(size=shape)
        for b in range(draws)
    ]
    return {"centers": np.array(centers)}


def strata(fit: FitResult) -> np.ndarray | None:
    """Return the family [n] of every run, within which runs are drawn as cases; None without."""
    return fit.runs.column(FAMILY) if isinstance(fit.law, FamilyLaw) else None


def family_draws(draws: Draws, fit: FamilyFit) -> Draws:
    """Return the draws of a fit over families as those of one family.

    Args:
        draws: of the whole fit.
        fit: of the family.
    """
    law: Any = draws.law
    labels = (
        None if draws.labels is None else draws.labels[draws.fit.runs.column(FAMILY) == fit.code]
    )
    return dataclasses.replace(draws, law=law[fit.label], fit=fit, labels=labels)


def _cluster_widening(t: _Table) -> float:
    G = len(np.unique(t.labels))
    return math.sqrt(G / (G - 1))


SCHEMES = {
    "residual": _Scheme(_residuals),
    "case": _weights(case_weights),
    "bayesian": _weights(bayesian_weights),
    "cluster": _Scheme(_clusters, clustered=True, widening=_cluster_widening),
    "wild": _Scheme(_wild),
    "trials": _Scheme(_trials),
    "wild-cluster": _Scheme(_wild, clustered=True),
    "shared-noise": _Scheme(
        _shared, widening=lambda t: _case_widening(t.at) if t.trend.said else 1.0
    ),
}
"""Every scheme by its name; another one is a line here."""
METHODS = ("auto", *SCHEMES)
COUNTS = ("binomial", "beta-binomial")
"""Residuals of counts, whose noise is known."""
CLUSTERED = tuple(name for name, scheme in SCHEMES.items() if scheme.clustered)
GROUPED = (*CLUSTERED, "shared-noise")
"""Those that take groups."""


def _allowed(fit: FitResult, method: str, group: Any) -> None:
    """Raise for a method that there is not, or not for such a fit."""
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if method == "trials" and fit.residual.name not in COUNTS:
        raise ValueError(
            "method 'trials' draws counts anew: it goes with residual='binomial' "
            f"(--residual binomial), not with {fit.residual} residuals"
        )
    if group is not None and method not in GROUPED:
        raise ValueError(
            f"group goes with method='cluster', 'wild-cluster' or 'shared-noise', not {method!r}"
        )


@host()
def bootstrap(
    fit: FitResult,
    *,
    method: str = "auto",
    draws: int = 4000,
    seed: int = 0,
    group: Any = None,
    guards: int = 1,
    progress: Progress | None = None,
    mesh: Devices | None = None,
) -> Draws:
    """Refit a law to runs drawn again.

    Args:
        fit: the fit; its law, loss and residual are kept.
        method: "residual" (exchangeable noise around the fitted law, residuals freed from the
            fit and smoothed), "case" (runs drawn with replacement: noise may differ from run
            to run), "auto" (the default: shared-noise where a test says that residuals of one
            budget, size or group move together, case where the size of the residuals moves with
            an input or the loss, else residual), "bayesian" (smooth case weights), "cluster"
            (groups of runs drawn whole), "wild" (each residual at its place with a random
            sign; least squares only), "wild-cluster" (one sign per group), "trials" (counts of
            right answers drawn at the law's own rate; "auto" takes it under binomial residuals for
            "residual"), "shared-noise" (noise per group and run, of any size; few groups suffice).
        draws: B.
        seed: draw b depends on the seed and b only.
        group: for the cluster methods and "shared-noise": labels [n], the name of a column, or None
            for the runs' own group ("shared-noise" without any: what moves together most).
        guards: 0 for no search for better basins; see `refit`.
        progress: called between chunks with (draws done, draws in all).
        mesh: devices over which the draws are split; see `fit`.

    Measured coverage of nominal 90 % intervals of Chinchilla's parameters under the default Huber
    loss, 15 / 50 / 200 runs of an isoFLOP design, 1,000 tables each (`python -m
    benchmarks.coverage`): "auto" 92 / 88 / 90 % or more at exchangeable noise, 94 and 92 % where
    the noise shrinks with compute (50, 200 runs; "residual" falls to 77 % there); "case" 99 / 95 /
    92 %, too wide for few runs; "wild" 69 / 72 / 82 %: it is for least squares. Where half
    of the noise is shared and no column says by which runs, "auto" covers 90-92 % of the
    parameters with 5 budgets of 10 runs (54-64 before it looked), 94 % with 10 of 20 (48-60),
    87-93 and 89-92 % on grids of N and D whose rows or columns share it (43-79 where that
    matters); it sees that in 85 % of the tables of 50 runs and in all of 200. Of tables without
    shared noise it takes for such one in six of 5 budgets, one in four grids with 5 values of N
    or D, one in twenty of 10 budgets: their intervals are wider. With four budgets or fewer the
    law absorbs what would tell.

    Returns:
        The draws, with their laws, intervals and prediction bands.

    Raises:
        DataError: no groups are known.
        FitError: too few groups.
        ValueError: an option is not one of those allowed.

    Cost: one batched `refit`; 4,000 draws of Chinchilla on 240 runs take a fraction of a second
    after compiling (`python -m benchmarks.answers`).

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> fit = jaxscale.fit("Chinchilla", runs, starts=64)
        >>> draws = jaxscale.bootstrap(fit, draws=400)
        >>> interval = draws.interval("alpha")  # 90 %
        >>> f"{fit.law.alpha:.2f}, {interval.low:.2f} to {interval.high:.2f}"
        '0.42, 0.34 to 0.50'
    """
    if isinstance(fit, FamilyFit):
        options: dict[str, Any] = dict(method=method, draws=draws, seed=seed, group=group)
        whole = bootstrap(fit.whole, **options, guards=guards, progress=progress, mesh=mesh)
        return family_draws(whole, fit)
    _allowed(fit, method, group)
    require_draws(draws, len(fit.runs), 2)
    runs, at = fit.runs, linearize(fit)
    freedom, labels, noise = float(at.freedom), None, at.noise()
    drawn: Shares | None = None
    sharing, trend = _seen(fit, at, method, group)
    tested = method == "auto" and runs.group is not None and tells(at, runs.group)
    if method == "auto":
        plain = "trials" if fit.residual.name in COUNTS else "residual"
        method = "shared-noise" if sharing else "case" if trend.said else plain
    scheme = SCHEMES[method]
    if scheme.clustered:
        labels = cluster_labels(runs, group, method)
        _whole_families(fit, method, labels)
        freedom = float(min(len(np.unique(labels)) - 1, at.freedom))
    elif sharing:
        labels, drawn = sharing.labels, shares(at, sharing.labels, trend.size)
        noise = drawn.new_run
    elif method == "trials" and weighs_trials(runs):
        freedom = math.inf  # the noise of counts is known, and not estimated
    table = _Table(fit, at, labels, seed, draws, trend, drawn)
    versions: dict[str, Any] = {**scheme.versions(table), **_leanings(fit, seed, draws)}
    found = refit(fit, **versions, guards=guards, seed=seed, progress=progress, mesh=mesh)
    notes = [*_failures(found), *_doubts(fit, method, trend.said, tested)]
    return Draws(
        law=_kept(found),
        fit=fit,
        method=method,
        seed=seed,
        noise=noise,
        freedom=freedom,
        widening=scheme.widening(table),
        notes=(*([sharing.said] if sharing else []), *notes),
        seconds=dict(found.seconds),
        labels=labels,
        sharing=sharing,
    )


def _whole_families(fit: FitResult, method: str, labels: np.ndarray) -> None:
    """Raise where a draw could leave out a family whose own parameters are then unknown."""
    families = strata(fit)
    if families is None or method != "cluster":
        return
    for code, label in enumerate(fit.law.labels):  # type: ignore[attr-defined]
        if len(np.unique(labels[families == code])) < 2:
            raise FitError(
                f"method 'cluster' would leave {label} out of some tables, and with it all that "
                "its own parameters are known from: draw groups within families, or use another "
                "method"
            )


def _seen(fit: FitResult, at: Linearized, method: str, group: Any) -> tuple[Sharing | None, Trend]:
    """Return how residuals move together, if the method asks, and the trend of their sizes."""
    sharing, trend = None, noise_trend(fit, at)
    if method == "shared-noise" and (group is not None or fit.runs.group is not None):
        own = group is None or group is fit.runs.group
        called = fit.runs.names.get("group", "group") if own else "group"
        called = group if isinstance(group, str) else called
        sharing = given_sharing(called, cluster_labels(fit.runs, group, method), at)
    elif method in ("auto", "shared-noise"):
        sharing = find_sharing(fit, at, trend.size, **({} if method == "auto" else {"level": 1.0}))
    if method == "shared-noise" and sharing is None:
        raise FitError(
            f"{fit.runs.source}: no runs of equal C, N or D move together at all, or there are "
            "too few groups to tell: use method='residual' or 'case'"
        )
    if sharing:  # a group that is off as a whole is no trend
        trend = noise_trend(fit, own_part(at, sharing.labels))
    return sharing, trend


def case_draws(fit: FitResult, law: Law, *, seed: int = 0) -> Draws:
    """Return draws of runs as cases that were refitted elsewhere, such as those of a sweep.

    Args:
        fit: what was replicated.
        law: the laws of the replicates, free parameters [B]; those that ended at a finite value.
        seed: of the draws.

    Returns:
        The draws, with the intervals that `bootstrap(fit, method="case")` has on the same laws.
    """
    at = linearize(fit)
    return Draws(
        law=law,
        fit=fit,
        method="case",
        seed=seed,
        noise=at.noise(),
        freedom=float(at.freedom),
        widening=_case_widening(at),
        notes=(),
        seconds={},
    )


def _case_widening(at: Linearized) -> float:
    """Return by how much drawing n runs of n is too narrow: it does not know of P parameters."""
    return math.sqrt((at.weight > 0).sum() / at.freedom)


def _kept(found: Refits) -> Law:
    """Return the laws of the replicates that ended at a finite value."""
    used = np.isfinite(found.value)
    kept: Law = jax.tree.map(lambda leaf: leaf[used] if np.ndim(leaf) else leaf, found.law)
    return kept


def _failures(found: Refits) -> list[str]:
    lost, other = int((~np.isfinite(found.value)).sum()), float(found.guarded.mean())
    said = []
    if lost:
        said.append(f"{lost} of {len(found)} replicates had no finite optimum and are left out")
    if other > 0.05:
        said.append(
            f"{100 * other:.0f} % of the replicates have their optimum in another basin than the "
            "fit: the intervals mix basins, look at the draws themselves"
        )
    return said


def _doubts(fit: FitResult, method: str, trend: str, tested: bool = False) -> list[str]:
    """Return what speaks against the assumptions of a method, or against any interval."""
    said = []
    if fit.certificate.at_bound:
        names = ", ".join(fit.certificate.at_bound)
        said.append(f"{names} is at its bound: no method is known to cover there")
    if method not in GROUPED and fit.runs.group is not None and not tested:
        said.append("the runs have groups; if their errors move together, use method='cluster'")
    if method in ("wild", "wild-cluster") and not fit.loss.quadratic:
        said.append(
            "random signs of residuals take the fit for least squares; under a Huber width below "
            "the noise they cover far too little: use method='residual' or 'case'"
        )
    if trend and method == "residual":
        said.append(f"{trend}, which this method takes for equal: use method='case'")
    elif trend and method in ("case", "shared-noise"):
        said.append(f"{trend}: runs were drawn as cases, which allows for it")
    return said
