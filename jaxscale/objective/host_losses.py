"""The losses that have a name, in NumPy: for small solves on the host that may compile nothing."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from jaxscale.objective.losses import Absolute, Huber, Loss, Square

_erf = np.vectorize(math.erf, otypes=[float])


class HostLoss(NamedTuple):
    """A loss: half the square within `delta`, linear outside; divided by `unit`.

    Attributes:
        delta: width; infinite for the square.
        unit: 1, or of the absolute loss its smoothing.
    """

    delta: float
    unit: float = 1.0

    def sharper(self, factor: float) -> HostLoss:
        """Return the absolute loss of another smoothing."""
        return HostLoss(self.delta * factor, self.unit * factor)

    def rho(self, r: np.ndarray) -> np.ndarray:
        """Return the loss of residuals, as `Loss.rho`."""
        if self.delta == math.inf:
            return np.asarray(0.5 * r * r)
        size = np.abs(r)
        inner = np.minimum(size, self.delta)
        rho: np.ndarray = inner * (size - 0.5 * inner) / self.unit
        return rho if self.unit == 1 else rho + 0.5 * self.unit

    def psi(self, r: np.ndarray) -> np.ndarray:
        """Return rho'(r)."""
        return np.asarray(np.clip(r, -self.delta, self.delta) / self.unit)

    def curvature(self, r: np.ndarray) -> np.ndarray:
        """Return rho''(r)."""
        return np.asarray((np.abs(r) <= self.delta) / self.unit)

    def weight(self, r: np.ndarray) -> np.ndarray:
        """Return rho'(r) / r."""
        if self.delta == math.inf:
            return np.ones_like(r)
        weight: np.ndarray = self.delta / np.maximum(np.abs(r), self.delta) / self.unit
        return weight

    def smoothed(self, r: np.ndarray, width: float) -> np.ndarray:
        """Return the mean of rho'' under a Gaussian kernel, as `Loss.smoothed_curvature`."""
        if self.delta == math.inf:
            return np.ones_like(r)
        root = math.sqrt(2.0) * width
        upper, lower = _erf((self.delta - r) / root), _erf((self.delta + r) / root)
        smoothed: np.ndarray = 0.5 * (upper + lower) / self.unit
        return smoothed


def on_host(loss: Loss) -> HostLoss | None:
    """Return the NumPy form of a loss; None for one of a person's own."""
    if type(loss) is Square:
        return HostLoss(math.inf)
    if type(loss) is Huber:
        return HostLoss(float(loss.delta))
    if type(loss) is Absolute:
        return HostLoss(float(loss.smoothing), float(loss.smoothing))
    return None


def log_normalizer(loss: Loss, s: np.ndarray) -> np.ndarray | None:
    """Return log of the integral of exp(-rho / s), as `Loss.log_normalizer` of log s; or None.

    Args:
        loss: the loss; None is returned for one of a person's own.
        s: scales.
    """
    if type(loss) is Square:
        return np.asarray(0.5 * np.log(2 * np.pi * s))
    if type(loss) is Absolute:
        return np.asarray(np.log(2 * s))
    if type(loss) is not Huber:
        return None
    delta = float(loss.delta)
    core = np.sqrt(2 * np.pi * s) * _erf(delta / np.sqrt(2 * s))
    return np.asarray(np.log(core + 2 * (s / delta) * np.exp(-(delta**2) / (2 * s))))
