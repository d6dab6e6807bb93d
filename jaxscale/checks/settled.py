"""Which of many fits have their best size surely known: `undetermined` in one pass of NumPy.

Most fits of most tables leave nothing open, and to find that out takes some hundred evaluations of
the law. Here those of all tables are a few evaluations of arrays. What is not plainly settled is
left to `undetermined`, which has the sentences: so nothing is said or kept back here that it would
not say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxscale._numerics.precision import scope
from jaxscale.checks.information import CELLS, FACTOR, NEAR, RANK, SAFE, SHARE, STEP, Information
from jaxscale.flops import SixND, tokens_for
from jaxscale.laws import CATALOGUE, Law
from jaxscale.objective.space import Space

PLAIN = 1 - 1e-6
"""Of a limit: what is nearer to it than rounding is not plainly settled."""


def settled(cases: Sequence[Information]) -> np.ndarray:
    """Return [T]: whether `undetermined` surely has nothing to say of a fit.

    Args:
        cases: fits of one law with the same parameters free, each at its optimum.

    Cost: some 50 microseconds each for Chinchilla on 50 runs, many at a time.
    """
    law, surely = cases[0].law, np.zeros(len(cases), bool)
    known = CATALOGUE.has(type(law)) and isinstance(law.flops, SixND)
    if not known or set(law.inputs) != {"N", "D"}:
        return surely
    free = np.array([at.moving.all() and at.freedom > 0 for at in cases])
    if not free.any():
        return surely
    with scope(np.float64), np.errstate(all="ignore"):
        tables = _Tables.of([at for at, good in zip(cases, free, strict=True) if good])
        surely[free] = _within(tables)
    return surely


class _Tables(NamedTuple):
    """T fits; their tables are padded to n runs."""

    law: Law
    space: Space  # leaves [T, 1]
    z: np.ndarray  # [T, P]
    inputs: dict[str, np.ndarray]  # [T, n]
    steep: np.ndarray  # [T, n] of the residuals in the predictions, weighted; 0 for padding
    compute: np.ndarray  # [T, 1] the largest budget
    noise: np.ndarray  # [T]

    @classmethod
    def of(cls, cases: Sequence[Information]) -> _Tables:
        first, n = cases[0], max(len(at.loss) for at in cases)

        def padded(columns: Sequence[np.ndarray]) -> np.ndarray:
            rows = [np.concatenate([x, np.full(n - len(x), x[0])]) for x in columns]
            return np.stack(rows)

        inputs = {name: padded([at.inputs[name] for at in cases]) for name in first.law.inputs}
        space = jax.tree.map(
            lambda *leaves: np.array(leaves, float)[:, None], *(at.space for at in cases)
        )
        z = np.stack([at.z for at in cases])
        tables = cls(first.law, space, z, inputs, z, z, z)
        here = tables.predicted(tables.values(z[:, None]), inputs)[:, 0]
        loss = padded([at.loss for at in cases])
        residual = first.residual.between(here, loss)
        steep = first.residual.moved(here, loss, np.ones_like(here))
        noise = np.empty(len(cases))
        for k, at in enumerate(cases):
            count = len(at.loss)
            steep[k, :count] *= np.sqrt(at.weight / at.weight.mean())
            steep[k, count:] = 0.0
            noise[k] = at.noise(residual[k, :count])
        compute = np.asarray(first.law.flops(inputs["N"], inputs["D"]), float)
        return tables._replace(steep=steep, compute=compute.max(1, keepdims=True), noise=noise)

    def part(self, some: np.ndarray) -> _Tables:
        """Return the tables of which `some` [T] is true."""
        space, inputs = jax.tree.map(lambda leaf: leaf[some], (self.space, self.inputs))
        rest = (leaf[some] for leaf in (self.z, self.steep, self.compute, self.noise))
        z, steep, compute, noise = rest
        return _Tables(self.law, space, z, inputs, steep, compute, noise)

    def values(self, z: np.ndarray) -> dict[str, np.ndarray]:
        """Return every parameter [T, K] at coordinates `z` [T, K, P]."""
        found = self.space.physical(tuple(np.moveaxis(z, -1, 0)))
        return {name: np.broadcast_to(x, z.shape[:2]) for name, x in found.items()}

    def predicted(self, values: Mapping[str, Any], inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the losses [T, K, m] of laws [T, K] at inputs [T, m]."""
        law = self.law.replace(**{name: x[..., None] for name, x in values.items()})
        return np.asarray(law.loss(*(inputs[name][:, None] for name in law.inputs)), float)

    def along(self, values: Mapping[str, Any], log_N: np.ndarray) -> np.ndarray:
        """Return the losses [T, K, m] of laws [T, K] at sizes [T, m] of the largest budget."""
        N = np.exp(log_N)
        D = np.asarray(tokens_for(self.law.flops, N, self.compute * np.ones_like(N)), float)
        return self.predicted(values, {"N": N, "D": D})


def _within(tables: _Tables) -> np.ndarray:
    """Return [T]: whether the best size is plainly known within `FACTOR`; see `Information`."""
    limit = np.log(FACTOR)
    half, toward = _halves(tables, tables.z)
    surely = half < PLAIN * SAFE * limit
    near = ~surely & (half < PLAIN * limit)
    if near.any():
        some, step = tables.part(near), SHARE * toward[near]
        lower, upper = some.space.bounds()
        ends = [np.clip(some.z + sign * step, lower, upper) for sign in (-1, 1)]
        surely[near] = np.all([_halves(some, z)[0] < PLAIN * limit for z in ends], axis=0)
    return np.asarray(surely)


def _halves(tables: _Tables, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return half an interval [T] of the best size by the slopes at `z` [T, P], and its way there.

    Infinite where nothing bounds it, or where it takes a closer look.
    """
    order = z.shape[1]
    steps = STEP * np.eye(order)
    points = z[:, None] + np.concatenate([np.zeros((1, order)), steps, -steps])
    values = tables.values(points)
    near, bend, good = _best_size(tables, {name: x[:, :1] for name, x in values.items()})
    at = tables.predicted(values, tables.inputs)
    change = (at[:, 1 : order + 1] - at[:, order + 1 :]) / (2 * STEP)
    rows = np.swapaxes(change * tables.steep[:, None], 1, 2)
    size = -0.5 * NEAR * np.diff(tables.along(values, near))[..., 0] / bend[:, None]
    slope = (size[:, 1 : order + 1] - size[:, order + 1 :]) / (2 * STEP)
    unit = np.linalg.norm(rows, axis=1)
    good &= np.isfinite(rows).all((1, 2)) & np.isfinite(slope).all(1) & (unit > 0).all(1)
    rows, unit = np.where(good[:, None, None], rows, 1.0), np.where(good[:, None], unit, 1.0)
    _, spread, axes = np.linalg.svd(rows / unit[:, None], full_matrices=False)
    good &= (spread >= RANK * spread[:, :1]).all(1)
    along = np.einsum("tkp,tp->tk", axes, slope / unit)
    length = np.linalg.norm(along / spread, axis=1)
    toward = np.einsum("tkp,tk->tp", axes, along / spread**2) / unit
    half = np.where(good & np.isfinite(length), tables.noise * length, np.inf)
    return half, toward * (tables.noise / np.where(length > 0, length, 1.0))[:, None]


def _best_size(
    tables: _Tables, values: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return log N [T, 2] on both sides of the best, how the loss bends there [T], and whether.

    Args:
        tables: the fits.
        values: their parameters [T, 1].
    """
    count = len(tables.z)
    low, high, every = np.full(count, np.log(1e-3)), np.log(tables.compute[:, 0]), np.arange(count)
    good = np.ones(count, bool)
    for _ in range(3):
        grid = np.linspace(low, high, CELLS, axis=1)
        loss = tables.along(values, grid)[:, 0]
        k = np.argmin(np.where(np.isfinite(loss), loss, np.inf), axis=1)
        good &= (k > 0) & (k < CELLS - 1) & (np.ptp(loss, axis=1) > 1e-12 * np.abs(loss[every, k]))
        k = np.clip(k, 1, CELLS - 2)
        low, best, high = (grid[every, k + side] for side in (-1, 0, 1))
    near = best[:, None] + np.array([-NEAR, 0.0, NEAR])
    loss = tables.along(values, near)[:, 0]
    return near[:, ::2], loss[:, 0] + loss[:, 2] - 2 * loss[:, 1], good
