"""Polynomials through the losses of one budget, and where they are lowest; for many tables at once.

The size is u, its logarithm brought to -1 .. 1 over the sizes of the budget. All here is linear
algebra over the last axes, so that a thousand resampled tables cost what one does.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from jaxscale.shown.blocks import Shown

DEGREES = {"parabola": 2, "cubic": 3, "quartic": 4, "local": 2}
"""Polynomials by their names; "local" is a parabola through the points near the minimum."""
GRID = np.linspace(-1, 1, 65)
SHRINK = 3
"""Rounds of weights of the local fit."""
REACH = 1.5
"""Half width of the local fit in logarithm of the size, a factor 4.5 each way ..."""
NEIGHBOURS = 5
"""... or further, until it has this many points at weights that count."""


class Lowest(NamedTuple):
    """Where polynomials are lowest within the sizes of their budget; NaN where nowhere.

    Attributes:
        u: [...] the size.
        value: [...] the loss.
        bend: [...] the second derivative there.
    """

    u: np.ndarray
    value: np.ndarray
    bend: np.ndarray


@dataclasses.dataclass(frozen=True)
class Valley(Shown):
    """The sizes of one budget, and what a polynomial through their losses needs.

    Attributes:
        x: [n] logarithm of the sizes.
        name: of the polynomial, a key of `DEGREES`.
        middle: of the sizes' logarithms.
        half: of their range.
    """

    x: np.ndarray
    name: str

    @property
    def degree(self) -> int:
        """Of the polynomial."""
        return DEGREES[self.name]

    @property
    def middle(self) -> float:
        """The logarithm of the middle size."""
        return float(self.x.min() + self.x.max()) / 2

    @property
    def half(self) -> float:
        """Half of the range of the logarithms."""
        return float(self.x.max() - self.x.min()) / 2

    @property
    def u(self) -> np.ndarray:
        """The sizes [n] from -1 to 1."""
        return (self.x - self.middle) / self.half

    def weights(self, center: np.ndarray) -> np.ndarray:
        """Return the weights [..., n] of a local fit around u = center [...]."""
        if self.name != "local":
            return np.ones((*np.shape(center), len(self.x)))
        far = np.abs(self.u - np.asarray(center)[..., None]) * self.half
        k = min(NEIGHBOURS, len(self.x)) - 1
        reach = np.maximum(REACH, 1.35 * np.sort(far, axis=-1)[..., k : k + 1])
        tricube: np.ndarray = np.clip(1 - (far / reach) ** 3, 0, None) ** 3
        return tricube

    def fit(self, losses: np.ndarray) -> np.ndarray:
        """Return the coefficients [..., degree + 1] of losses [..., n], the constant first."""
        powers = np.vander(self.u, self.degree + 1, increasing=True)
        coefficients: np.ndarray = losses @ np.linalg.pinv(powers).T
        if self.name != "local":
            return coefficients
        for _ in range(SHRINK):
            found = lowest(coefficients).u
            center = np.where(np.isfinite(found), found, self.u[np.argmin(losses, axis=-1)])
            weighted = self.weights(center)[..., None] * powers
            inverse = np.linalg.pinv(np.swapaxes(weighted, -1, -2) @ powers, hermitian=True)
            right = np.swapaxes(weighted, -1, -2) @ losses[..., None]
            coefficients = (inverse @ right)[..., 0]
        return coefficients

    def predicted(self, coefficients: np.ndarray) -> np.ndarray:
        """Return the losses [..., n] of coefficients [..., degree + 1]."""
        powers = np.vander(self.u, self.degree + 1, increasing=True)
        found: np.ndarray = coefficients @ powers.T
        return found

    def spare(self, center: float = 0.0) -> np.ndarray:
        """Return what a fit leaves of the variance [n] of every loss, of weights around `center`.

        The sums of squares of the rows of I - H, with H the matrix from losses to predictions.
        """
        powers = np.vander(self.u, self.degree + 1, increasing=True)
        inverse = self.inverse(center)
        own = np.einsum("ij,ji->i", powers, inverse)
        others = np.einsum("ij,jk,ik->i", powers, inverse @ inverse.T, powers)
        return np.asarray(1 - 2 * own + others)

    def inverse(self, center: float = 0.0) -> np.ndarray:
        """Return the matrix [degree + 1, n] from losses to coefficients; of weights as `spare`."""
        powers = np.vander(self.u, self.degree + 1, increasing=True)
        root = np.sqrt(self.weights(np.asarray(center)))
        found: np.ndarray = np.linalg.pinv(root[:, None] * powers) * root
        return found


def slope(coefficients: np.ndarray, order: int = 1) -> np.ndarray:
    """Return the coefficients of a derivative, the constant first, on the last axis."""
    for _ in range(order):
        coefficients = coefficients[..., 1:] * np.arange(1, coefficients.shape[-1])
    return coefficients


def value(coefficients: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Return polynomials [..., degree + 1] at u [...]."""
    found = np.zeros(np.broadcast_shapes(coefficients.shape[:-1], np.shape(u)))
    for k in range(coefficients.shape[-1] - 1, -1, -1):
        found = found * u + coefficients[..., k]
    return found


def lowest(coefficients: np.ndarray) -> Lowest:
    """Return the lowest interior minimum of polynomials [..., degree + 1] of degree 2 to 4."""
    degree = coefficients.shape[-1] - 1
    with np.errstate(all="ignore"):
        if degree < 4:
            c1, c2 = coefficients[..., 1], coefficients[..., 2]
            c3 = coefficients[..., 3] if degree == 3 else 0.0
            # Of the two points of no slope, the one where the curve bends upward; for c3 -> 0 too.
            u = -c1 / (c2 + np.sqrt(c2**2 - 3 * c3 * c1))
        else:
            u = _from_grid(coefficients)
        bend = value(slope(coefficients, 2), u)
        inside = (np.abs(u) < 1) & (bend > 0)
        u = np.where(inside, u, np.nan)
    return Lowest(u, value(coefficients, u), np.where(inside, bend, np.nan))


def _from_grid(coefficients: np.ndarray) -> np.ndarray:
    """Return the lowest of the minima [...] that lie between points of a grid, by Newton steps."""
    on_grid = coefficients @ np.vander(GRID, coefficients.shape[-1], increasing=True).T
    inner = on_grid[..., 1:-1]
    low = (inner <= on_grid[..., :-2]) & (inner <= on_grid[..., 2:])
    at = np.argmin(np.where(low, inner, np.inf), axis=-1)
    u = np.where(low.any(axis=-1), GRID[1:-1][at], np.nan)
    for _ in range(6):
        u = u - value(slope(coefficients), u) / value(slope(coefficients, 2), u)
    return u
