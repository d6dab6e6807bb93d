"""Uncertainty by refitting: a law fitted again to runs drawn again.

Every scheme is one batched `refit`, with a scan of each replicate for a better basin. Which scheme
holds where is measured, not argued: `python -m benchmarks.coverage` simulates tables from known
laws and counts how often the intervals cover; the docstrings quote its numbers. The spread over
random starts is no error and does not appear here.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jaxscale._numerics import programs
from jaxscale._numerics.level import check_level
from jaxscale.engine.dispatch import Progress
from jaxscale.fitting.refit import Refits, refit
from jaxscale.fitting.result import FitResult
from jaxscale.laws import Law, predict
from jaxscale.text import columns, marked
from jaxscale.text import quantity as shown
from jaxscale.uncertainty.intervals import KINDS, Interval, from_draws, percentile, tail
from jaxscale.uncertainty.jackknife import jackknife
from jaxscale.uncertainty.linearized import Linearized, Noise, linearize
from jaxscale.uncertainty.quantities import Asked, asked_of, evaluate, quantity
from jaxscale.uncertainty.resampling import (
    WEIGHTS,
    cluster_labels,
    cluster_weights,
    require_draws,
    residual_losses,
    wild_losses,
    with_residuals,
)

METHODS = ("auto", "residual", "case", "bayesian", "cluster", "wild", "wild-cluster")
CLUSTERED = ("cluster", "wild-cluster")
SIZES_DIFFER = 2.4
"""Standard errors of a rank correlation from which residuals count as of different sizes: 5 % in
all, over two inputs and the predicted loss."""


@dataclasses.dataclass(frozen=True)
class Band:
    """A prediction with its interval, arrays of the shape of the inputs.

    Attributes:
        center: the fitted law.
        low: lower limit.
        high: upper limit.
        level: nominal coverage.
        of: "the mean law", or "a new run" (with the noise of a run of mean weight).
    """

    center: np.ndarray
    low: np.ndarray
    high: np.ndarray
    level: float
    of: str


@dataclasses.dataclass(frozen=True)
class Draws:
    """Replicates of a fit.

    Attributes:
        law: a law whose free parameters have a leading axis [B].
        fit: what was replicated.
        method: the scheme, one of `METHODS`.
        seed: of the draws.
        noise: the residuals of a run of mean weight, as a distribution.
        freedom: degrees of freedom that the noise was estimated with.
        widening: factor by which draws of this scheme are too narrow; intervals allow for it.
        notes: sentences that a reader should see beside the numbers.
        seconds: {"compile", "solve"}.
        labels: [n] cluster of every run, for the methods that draw clusters.
    """

    law: Law
    fit: FitResult
    method: str
    seed: int
    noise: Noise
    freedom: float
    widening: float
    notes: tuple[str, ...]
    seconds: dict[str, float]
    labels: np.ndarray | None = None

    def __len__(self) -> int:
        return max(np.size(leaf) for leaf in jax.tree.leaves(self.law))

    def values(self, what: Asked) -> np.ndarray:
        """Return a quantity [B] under every draw.

        Args:
            what: a parameter or derived name, a `Quantity`, or a JAX function of a law.
        """
        return evaluate([quantity(what, self.fit.law)], self.law)[:, 0]

    def error(self, what: Asked) -> float:
        """Return the standard error of a quantity: the standard deviation of its draws.

        NaN where some draws are infinite, as a budget is that reaches no loss.
        """
        return self.interval(what).error

    def interval(self, what: Asked, *, level: float = 0.9, kind: str = "percentile") -> Interval:
        """Return a confidence interval; see `intervals`."""
        return self.intervals([what], level=level, kind=kind)[0]

    def intervals(
        self,
        what: Sequence[Asked] | None = None,
        *,
        level: float = 0.9,
        kind: str = "percentile",
    ) -> list[Interval]:
        """Return confidence intervals of quantities.

        Args:
            what: names, quantities or JAX functions of a law; default all free parameters and
                what the law derives from them.
            level: nominal coverage.
            kind: "percentile" (the default: quantiles of the draws), "bca" (corrected for bias
                and skewness, with a jackknife), "basic" (reflected) or "t" (standard error
                times Student's t, on the logarithmic scale for what lives on it). All of them
                use Student's t and allow for the narrowness of the scheme.

        Raises:
            ValueError: an option is not one of those allowed; a quantity is unknown.
        """
        check_level(level)
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
        law = self.fit.law
        asked = asked_of(self.fit, what)
        draws, center = evaluate(asked, self.law), evaluate(asked, law)[0]
        out = evaluate(asked, self._left_out()) if kind == "bca" else None
        found = []
        for k, q in enumerate(asked):
            low, high = from_draws(
                float(center[k]),
                draws[:, k],
                level,
                kind,
                freedom=self.freedom,
                widening=self.widening,
                logarithmic=q.logarithmic,
                left_out=None if out is None else out[:, k],
            )
            some = draws[~np.isnan(draws[:, k]), k]
            stated = len(some) > 1 and np.isfinite(some).all()
            error = float(some.std(ddof=1)) if stated else math.nan
            method = f"{self.method} {kind}"
            found.append(Interval(q.name, float(center[k]), low, high, level, error, method))
        return found

    def _left_out(self) -> Law:
        """Return the fits without one run, or without one cluster where clusters were drawn."""
        whole = self.labels is not None
        return jackknife(self.fit, group=self.labels, leave_groups=whole).law

    def predict(self, *, level: float = 0.9, new_run: bool = False, **inputs: Any) -> Band:
        """Return predictions with intervals at named inputs.

        Args:
            level: nominal coverage.
            new_run: False for where the mean law lies; True for where the loss of a new run of
                mean weight will, its noise included.
            **inputs: one array per input of the law, broadcastable to [m]; any two of N, D, C
                for a law of N and D.
        """
        check_level(level)
        center = np.asarray(predict(self.fit.law, **inputs))
        draws = predictions(self.law, **inputs)
        if new_run:
            rng = np.random.default_rng([self.seed, len(draws)])
            noise = self.noise.draw((len(draws),), rng)  # one run per draw, wherever it stands
            noise = noise.reshape(-1, *[1] * (draws.ndim - 1))
            draws = with_residuals(draws, noise, self.fit.residual)
        low, high = percentile(draws, tail(level, self.freedom, self.widening))
        return Band(center, low, high, level, "a new run" if new_run else "the mean law")

    def __str__(self) -> str:
        of = "the posterior" if self.method == "posterior" else f"the {self.method} bootstrap"
        table = interval_table(self.intervals(), f"{len(self)} draws of {of}")
        return table + marked(self.notes)


def interval_table(intervals: Sequence[Interval], title: str) -> str:
    """Return intervals as aligned text under a title."""
    level = f"{100 * intervals[0].level:g} %"
    rows = [["", "estimate", "s.e.", f"{level} from", "to"]]
    rows += [
        ["  " + i.name, shown(i.estimate, 6), *(shown(x) for x in (i.error, i.low, i.high))]
        for i in intervals
    ]
    return f"{title}\n" + columns(rows, "<>>>>")


def _predictions(law: Law, inputs: dict[str, Any]) -> Any:
    return jax.vmap(lambda one: predict(one, **inputs))(law)


def predictions(law: Law, **inputs: Any) -> np.ndarray:
    """Return the predictions [B, ...] of a sample of laws (leaves [B]) at named inputs."""
    size = max(np.size(leaf) for leaf in jax.tree.leaves(law))
    full = jax.tree.map(lambda leaf: np.broadcast_to(np.asarray(leaf, float), (size,)), law)
    given = {name: np.asarray(x, float) for name, x in inputs.items()}
    return np.asarray(programs.run(_predictions, full, given, dtype=np.float64)[0], float)


def bootstrap(
    fit: FitResult,
    *,
    method: str = "auto",
    draws: int = 4000,
    seed: int = 0,
    group: Any = None,
    guards: int = 1,
    progress: Progress | None = None,
) -> Draws:
    """Refit a law to runs drawn again.

    Args:
        fit: the fit; its law, loss and residual are kept.
        method: "residual" (exchangeable noise around the fitted law, residuals freed from the
            fit and smoothed), "case" (runs drawn with replacement: noise may differ from run
            to run), "auto" (the default: residual, but case where the size of the residuals
            moves with an input or the loss), "bayesian" (smooth case weights), "cluster"
            (groups of runs drawn whole), "wild" (each residual at its place with a random
            sign; least squares only), "wild-cluster" (one sign per group).
        draws: B.
        seed: draw b depends on the seed and b only.
        group: for the cluster methods: labels [n], the name of a column, or None for the runs'
            own group.
        guards: 0 for no search for better basins; see `refit`.
        progress: called between chunks with (draws done, draws in all).

    Measured coverage of nominal 90 % intervals of Chinchilla's parameters under the default Huber
    loss, 15 / 50 / 200 runs of an isoFLOP design, 1,000 tables each (`python -m
    benchmarks.coverage`): "auto" 92 / 88 / 90 % or more at exchangeable noise, 94 and 92 % where
    the noise shrinks with compute (50, 200 runs; "residual" falls to 77 % there); "case" 99 / 95 /
    92 %, too wide for few runs; "wild" 69 / 72 / 82 %: it is for least squares. Where half of the
    noise is shared within groups of runs, "auto" falls to 85 % at 200 runs and "cluster" holds 94.

    Returns:
        The draws: laws, intervals, prediction bands.

    Raises:
        DataError: no groups are known.
        FitError: too few groups.
        ValueError: an option is not one of those allowed.

    Cost: one batched `refit`; 4,000 draws of Chinchilla on 240 runs take a fraction of a second
    after compiling (`python -m benchmarks.answers`).
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    require_draws(draws, len(fit.runs), 2)
    if group is not None and method not in CLUSTERED:
        raise ValueError(f"group goes with method='cluster' or 'wild-cluster', not {method!r}")
    runs, at = fit.runs, linearize(fit)
    labels: np.ndarray | None = None
    freedom, widening = float(at.freedom), 1.0
    trend = _trend(fit, at)
    if method == "auto":
        method = "case" if trend else "residual"
    if method in WEIGHTS:
        versions: dict[str, Any] = {"weights": WEIGHTS[method](runs, seed, 0, draws)}
        widening = _case_widening(at)
    elif method == "residual":
        versions = {"losses": residual_losses(at, fit.prediction, seed, 0, draws)}
    else:
        if method != "wild":
            labels = cluster_labels(runs, group, method)
            G = len(np.unique(labels))
            freedom = float(min(G - 1, at.freedom))
        if method == "cluster":
            assert labels is not None
            versions = {"weights": cluster_weights(runs, labels, seed, 0, draws)}
            widening = math.sqrt(G / (G - 1))
        else:
            versions = {"losses": wild_losses(at, fit.prediction, seed, 0, draws, labels=labels)}
    found = refit(fit, **versions, guards=guards, seed=seed, progress=progress)
    notes = [*_failures(found), *_doubts(fit, method, trend)]
    return Draws(
        law=_kept(found),
        fit=fit,
        method=method,
        seed=seed,
        noise=at.noise(),
        freedom=freedom,
        widening=widening,
        notes=tuple(notes),
        seconds=dict(found.seconds),
        labels=labels,
    )


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
    return jax.tree.map(lambda leaf: leaf[used] if np.ndim(leaf) else leaf, found.law)


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


def _doubts(fit: FitResult, method: str, trend: str) -> list[str]:
    """Return what speaks against the assumptions of a method, or against any interval."""
    said = []
    if fit.certificate.at_bound:
        names = ", ".join(fit.certificate.at_bound)
        said.append(f"{names} is at its bound: no method is known to cover there")
    if method not in CLUSTERED and fit.runs.group is not None:
        said.append("the runs have groups; if their errors move together, use method='cluster'")
    if method in ("wild", "wild-cluster") and fit.loss["loss"] != "square":
        said.append(
            "random signs of residuals take the fit for least squares; under a Huber width below "
            "the noise they cover far too little: use method='residual' or 'case'"
        )
    if trend and method == "residual":
        said.append(f"{trend}, which this method takes for equal: use method='case'")
    elif trend and method == "case":
        said.append(f"{trend}: runs were drawn as cases, which allows for it")
    return said


def _trend(fit: FitResult, at: Linearized) -> str:
    """Return in words how the size of the residuals moves with something; empty if it does not."""
    size, used = np.abs(at.residual) * np.sqrt(at.weight), at.weight > 0
    flops = fit.law.flops
    scales = {name: fit.runs.column(name, flops) for name in fit.law.inputs}
    scales["the predicted loss"] = fit.prediction
    ranks = {name: _rank_correlation(size[used], scale[used]) for name, scale in scales.items()}
    name, rank = max(ranks.items(), key=lambda item: abs(item[1]))
    if abs(rank) * math.sqrt(used.sum() - 1) <= SIZES_DIFFER:
        return ""
    return f"residuals {'grow' if rank > 0 else 'shrink'} with {name} (rank correlation {rank:.2f})"


def _rank_correlation(x: np.ndarray, y: np.ndarray) -> float:
    a, b = _ranks(x), _ranks(y)
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 0 and b.std() > 0 else 0.0


def _ranks(x: np.ndarray) -> np.ndarray:
    """Return ranks [n]; those of equal values are their mean, whatever their order."""
    _, where, count = np.unique(x, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - 0.5 * (count - 1))[where]
