"""The compute multiplier of one recipe over another, as a function of compute.

Two fitted laws are compared at equal loss: what A must spend for the loss that B reaches. Both are
followed along their own compute-optimal frontier. Far beyond the runs the answer is that of the
two asymptotes, and where B's loss lies below A's asymptote no budget of A's is enough.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax
import numpy as np

from jaxscale._numerics.level import check_level
from jaxscale._numerics.precision import host
from jaxscale.decisions.frontier import log_scales, losses_at, scale_name
from jaxscale.fitting.linearized import linearize
from jaxscale.fitting.refit import refit
from jaxscale.fitting.result import FitResult
from jaxscale.flops import Flops
from jaxscale.laws import Law
from jaxscale.shown.blocks import Block, Grid, Shown
from jaxscale.shown.frames import frame
from jaxscale.uncertainty.bootstrap import bootstrap
from jaxscale.uncertainty.intervals import percentile, tail
from jaxscale.uncertainty.resampling import case_weights

OTHER_STREAM = 0x9E3779B9
"""Added to the seed of the second of two independent bootstraps."""


@dataclasses.dataclass(frozen=True)
class Multiplier(Shown):
    """What recipe A must spend for the loss that recipe B reaches, over what B spends.

    Attributes:
        compute: [m] what B spends: C, or the laws' only input.
        losses: [m] loss that B reaches there.
        factor: [m] above 1 where A needs more; inf where A never reaches the loss.
        low: [m] lower end of the interval; NaN without one.
        high: [m] upper end; inf where enough draws of A never reach the loss.
        level: confidence of every single interval.
        never: [m] share of the draws in which A never reaches the loss.
        paired: whether the runs of both fits are the same rows, drawn together.
        scale: name of `compute`.
        draws: number of draws.
        frame_kind: of the runs behind it, as `Runs.frame_kind`.
    """

    compute: np.ndarray
    losses: np.ndarray
    factor: np.ndarray
    low: np.ndarray
    high: np.ndarray
    level: float
    never: np.ndarray
    paired: bool
    scale: str
    draws: int
    frame_kind: str = dataclasses.field(default="", repr=False)

    def table(self, *, kind: str | None = None) -> Any:
        """Return the factors as a dataframe: the attributes [m] as columns.

        Args:
            kind: "pandas", "polars", "pyarrow" or "dict"; default the kind of frame that the runs
                came from, else the first of these that is installed.

        Raises:
            ImportError: the library asked for is not installed.
            ValueError: there is no such kind.
        """
        names = ("compute", "losses", "factor", "low", "high", "never")
        return frame({name: getattr(self, name) for name in names}, kind, self.frame_kind)

    def _blocks(self) -> list[Block]:
        how = f"{self.draws:,} {'paired' if self.paired else 'independent'} draws"
        rows: list[tuple[str, ...]] = [
            (f"{self.scale} of B", "loss", "A needs", f"{100 * self.level:g} % from", "to")
        ]
        for line in zip(self.compute, self.losses, self.factor, self.low, self.high, strict=True):
            rows.append((f"{line[0]:.3g}", f"{line[1]:.4f}", *(f"{x:.3g} x" for x in line[2:])))
        return [f"compute multiplier of B over A, {how}", Grid(rows, "<>>>>")]


@host()
def compute_multiplier(
    fit_a: FitResult | Law,
    fit_b: FitResult | Law,
    *,
    losses: Any = None,
    compute: Any = None,
    method: str = "case",
    level: float = 0.9,
    draws: int = 1000,
    seed: int = 0,
    flops: Flops | None = None,
) -> Multiplier:
    """Return by what factor recipe A must outspend recipe B for the same loss.

    Both are followed along their own compute-optimal frontier; laws of one scale must share it.

    Args:
        fit_a: the fit of the baseline, or a law, which is then taken as known.
        fit_b: the fit of the new recipe, or a law.
        losses: losses [m] at which to compare; give these or `compute`.
        compute: what B spends [m] (FLOPs, or the scale of the laws).
        method: of `bootstrap`. Under "case", fits to runs of the same sizes are drawn together:
            what the two tables have in common then cancels.
        level: confidence of every single interval.
        draws: of the bootstrap.
        seed: of the draws.
        flops: FLOPs model (in JAX) of laws of N and D; default their own, else C = 6 N D.

    Returns:
        Factors with intervals, as a function of compute.

    Raises:
        ValueError: the scales differ, or B reaches a loss nowhere.

    Cost: that of two calls of `refit`, and for laws without a closed form a search per draw and
    loss (`python -m benchmarks.answers`).

    Example:
        >>> import jaxscale
        >>> old = jaxscale.Chinchilla.preset("hoffmann_2022")
        >>> new = old.replace(A=0.8 * old.A)
        >>> jaxscale.compute_multiplier(old, new, compute=[1e21, 1e23]).factor.round(2)
        array([1.93, 1.93])
    """
    sides = (fit_a, fit_b)
    laws = [side.law if isinstance(side, FitResult) else side for side in sides]
    names = [scale_name(law) for law in laws]
    check_level(level)
    if names[0] != names[1]:
        raise ValueError(f"the laws have different scales: {names[0]} and {names[1]}")
    if (losses is None) == (compute is None):
        raise ValueError("give exactly one of losses and compute")
    given = np.atleast_1d(np.asarray(compute if losses is None else losses, float))
    if not np.isfinite(given).all() or (losses is None and not (given > 0).all()):
        raise ValueError("losses must be finite numbers, compute positive ones")
    log_c, reached, factor = _compared(laws, given, losses is None, flops)
    if not np.isfinite(log_c).all():
        bad = given[~np.isfinite(log_c[0])][0]
        raise ValueError(f"{type(laws[1]).__name__} of B reaches loss {bad:.6g} at no {names[1]}")
    low = high = never = np.full(given.shape, np.nan)
    samples, p, paired = _samples(sides, method, level=level, draws=draws, seed=seed)
    count = max((np.size(leaf) for leaf in jax.tree.leaves(samples)), default=1)
    if p is not None:
        spread = _compared(samples, np.tile(given, (count, 1)), losses is None, flops)[2]
        ends = [percentile(column[~np.isnan(column)], p) for column in spread.T]
        low, high = np.array(ends).reshape(-1, 2).T
        never = np.mean(spread == np.inf, axis=0)
    with np.errstate(over="ignore"):  # beyond e^709 a factor is infinite
        spent, times, low, high = (np.exp(x) for x in (log_c[0], factor[0], low, high))
    return Multiplier(
        compute=spent,
        losses=reached[0],
        factor=times,
        low=low,
        high=high,
        level=level,
        never=never,
        paired=paired,
        scale=names[0],
        draws=0 if p is None else count,
        frame_kind=next((x.runs.frame_kind for x in sides if isinstance(x, FitResult)), ""),
    )


def _compared(
    laws: list[Law], given: np.ndarray, at_compute: bool, flops: Flops | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (log C of B, loss, log factor), each [B, m], of two samples of laws."""
    given = np.atleast_2d(given)
    log_c = np.log(given) if at_compute else log_scales(laws[1], given, flops)
    losses = losses_at(laws[1], log_c, flops) if at_compute else given
    with np.errstate(invalid="ignore"):
        return log_c, losses, log_scales(laws[0], losses, flops) - log_c


def _samples(
    sides: tuple[FitResult | Law, ...], method: str, *, level: float, draws: int, seed: int
) -> tuple[list[Law], float | None, bool]:
    """Return a sample of laws per side, the lower percentile, and whether they were paired."""
    fits = [side for side in sides if isinstance(side, FitResult)]
    if not fits:
        return [side for side in sides if isinstance(side, Law)], None, False
    order = _same_rows(*fits) if len(fits) == 2 and method == "case" else None
    if order is not None:
        counts = case_weights(fits[0].runs.replace(weight=None), seed, 0, draws)
        other = np.empty_like(counts)
        other[:, order[1]] = counts[:, order[0]]
        found = [
            refit(fit, weights=w * fit.runs.weights)
            for fit, w in zip(fits, (counts, other), strict=True)
        ]
        good = np.all([np.isfinite(refits.value) for refits in found], axis=0)
        laws = [_rows(refits.law, good) for refits in found]
        freedom = min(linearize(fit).freedom for fit in fits)
        return laws, tail(level, freedom, math.sqrt(len(fits[0].runs) / max(freedom, 1))), True
    samples = {
        id(fit): bootstrap(fit, method=method, draws=draws, seed=seed + k * OTHER_STREAM)
        for k, fit in enumerate(fits)
    }
    least = np.arange(min(map(len, samples.values())))
    laws = [
        _rows(samples[id(side)].law, least) if isinstance(side, FitResult) else side
        for side in sides
    ]
    p = min(tail(level, some.freedom, some.widening) for some in samples.values())
    return laws, p, False


def _rows(law: Law, which: np.ndarray) -> Law:
    rows: Law = jax.tree.map(lambda leaf: leaf[which] if np.ndim(leaf) else leaf, law)
    return rows


def _same_rows(a: FitResult, b: FitResult) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the orders that bring the runs of two fits together; None if their sizes differ."""
    if len(a.runs) != len(b.runs) or set(a.law.inputs) != set(b.law.inputs):
        return None
    keys = [
        np.round(np.log([fit.runs.column(n, fit.law.flops) for n in names]), 6)
        for fit in (a, b)
        for names in [sorted(fit.law.inputs)]
    ]
    first, second = (np.lexsort(key) for key in keys)
    same = np.allclose(keys[0][:, first], keys[1][:, second], rtol=0, atol=1e-5)
    return (first, second) if same else None
