"""How the size of residuals moves with an input or with the loss."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from jaxscale.fitting.linearized import Linearized
from jaxscale.fitting.result import FitResult
from jaxscale.laws import Law
from jaxscale.laws.grouped import FAMILY, FamilyLaw

SIZES_DIFFER = 2.4
"""Standard errors of a rank correlation from which residuals count as of different sizes: 5 % in
all, over two inputs and the predicted loss."""
PREDICTED = "the predicted loss"


class Trend(NamedTuple):
    """How the size of residuals moves with something.

    Attributes:
        said: in words; empty if it does not.
        size: [n] typical size of a run's noise; ones if it does not move.
        scale: what it moves with, an input or `PREDICTED`; empty if it is no power of anything.
        power: its exponent.
        center: logarithm of the scale where the size is 1.
    """

    said: str
    size: np.ndarray
    scale: str = ""
    power: float = 0.0
    center: float = 0.0

    def at(self, inputs: Mapping[str, np.ndarray], law: Law) -> np.ndarray:
        """Return the typical size [m] of the noise at inputs, within the range that runs show.

        Args:
            inputs: [m] each, of the law.
            law: with values, for the predicted loss.
        """
        m = len(next(iter(inputs.values())))
        if not self.scale or m == 0:
            return np.ones(m)
        if self.scale == PREDICTED:
            x = np.asarray(law.loss(*(inputs[name] for name in law.inputs)), float)
        else:
            x = inputs[self.scale]
        size: np.ndarray = np.exp(self.power * (np.log(x) - self.center))
        within: np.ndarray = np.clip(size, self.size.min(), self.size.max())
        return within


def noise_trend(fit: FitResult, at: Linearized) -> Trend:
    """Return how the size of the residuals moves with an input or the loss.

    Args:
        fit: the fit.
        at: the fit linearized, or a part of its residuals.
    """
    r, used = np.abs(at.residual) * np.sqrt(at.weight), at.weight > 0
    flops = fit.law.flops
    scales = {name: fit.runs.column(name, flops) for name in fit.law.inputs}
    scales[PREDICTED] = fit.prediction
    ranks = {name: rank_correlation(r[used], scale[used]) for name, scale in scales.items()}
    name, rank = max(ranks.items(), key=lambda item: abs(item[1]))
    if abs(rank) * math.sqrt(used.sum() - 1) <= SIZES_DIFFER:
        return Trend("", np.ones(len(r)))
    verb = "grow" if rank > 0 else "shrink"
    said = f"residuals {verb} with {name} (rank correlation {rank:.2f})"
    if isinstance(fit.law, FamilyLaw) and name == FAMILY:
        said = f"residuals differ in size from {fit.law.by} to {fit.law.by}"
    return _power_law(said, r, name, scales[name], used)


def _power_law(said: str, r: np.ndarray, name: str, scale: np.ndarray, used: np.ndarray) -> Trend:
    """Return the power law of |r| in a scale [n], 1 on average; ones for scales with a zero."""
    if not (scale > 0).all():
        return Trend(said, np.ones(len(r)))
    center = float(np.log(scale[used]).mean())
    x = np.log(scale) - center
    y = np.log(np.maximum(r, 0.05 * np.median(r[used]) + np.finfo(float).tiny))
    power = float(x[used] @ y[used] / (x[used] @ x[used]))
    return Trend(said, np.exp(power * x), name, power, center)


def rank_correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Return Spearman's correlation of two columns [n]; 0 where one of them does not vary."""
    a, b = _ranks(x), _ranks(y)
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 0 and b.std() > 0 else 0.0


def _ranks(x: np.ndarray) -> np.ndarray:
    """Return ranks [n]; those of equal values are their mean, whatever their order."""
    _, where, count = np.unique(x, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - 0.5 * (count - 1))[where]
