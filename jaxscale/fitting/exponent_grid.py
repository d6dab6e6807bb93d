"""The surface of a fit over its exponents: every cell of a fine grid, everything else at its best.

A fit reports one point; the surface shows the valley it lies in. It is exhaustive where a fit is
a search: a basin that shows on the grid was not missed. Least squares over a million cells takes
a hundredth of a second, a robust loss about a second.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jax import Array

from jaxscale._numerics import programs
from jaxscale._numerics.precision import cast, host
from jaxscale.data.runs import Runs
from jaxscale.errors import FitError
from jaxscale.fitting.preparation import prepare, runs_given
from jaxscale.fitting.second import refuse_first
from jaxscale.laws import Law
from jaxscale.laws.names import Given, law_given
from jaxscale.objective.losses import Loss, usual_loss
from jaxscale.objective.objective import Objective
from jaxscale.objective.residuals import Residual, residual_named
from jaxscale.shown.blocks import Block, Shown
from jaxscale.varpro.grid import coordinates, surface
from jaxscale.varpro.separation import separates

MAX_CELLS = 4_000_000
"""Cells of a grid at most: 32 MB per quantity."""
BASINS = 8
"""Local minima kept at most."""
LOWEST, HIGHEST = 0.02, 1.0
"""Default range of an exponent; from -1 where its start box contains negative values."""


@dataclasses.dataclass(frozen=True)
class ExponentGrid(Shown):
    """The objective over a grid of exponents, everything linear at its best in each cell.

    Attributes:
        names: the one or two exponents.
        axes: per exponent its values, [a] and [b].
        value: [a, b], or [a] for one exponent: plain sum of w rho(r), as `FitResult.value`;
            infinite where the law cannot be evaluated.
        law: the law at the lowest cell, in the units of the runs.
        basins: the law at the lowest local minima, leaves [k], best first: `fit(starts=...)`
            takes it as it is.
        basin_values: [k] value of each basin.
        loss: the robust loss.
        residual: kind of residual in `value`: "relative" where log residuals were asked for with
            least squares, to which it agrees to first order.
        warnings: what was noticed about the runs.
        seconds: {"compile", "solve", "total"}.

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> square = jaxscale.Square()
        >>> grid = jaxscale.exponent_grid(jaxscale.Chinchilla(), runs, loss=square, resolution=0.02)
        >>> grid.names, grid.value.shape, grid.at_edge
        (('alpha', 'beta'), (50, 50), ())
    """

    names: tuple[str, ...]
    axes: tuple[np.ndarray, ...]
    value: np.ndarray
    law: Law
    basins: Law
    basin_values: np.ndarray
    loss: Loss
    residual: Residual
    warnings: tuple[str, ...]
    seconds: Mapping[str, float]

    @property
    def minimum(self) -> tuple[dict[str, float], float]:
        """The exponents of the lowest cell, and its value."""
        at = np.unravel_index(int(np.argmin(self.value)), self.value.shape)
        found = {n: float(x[k]) for n, x, k in zip(self.names, self.axes, at, strict=True)}
        return found, float(self.value[at])

    @property
    def at_edge(self) -> tuple[str, ...]:
        """Exponents whose range ends at the minimum: the valley may go on beyond."""
        point, _ = self.minimum
        return tuple(
            n for n, x in zip(self.names, self.axes, strict=True) if point[n] in (x[0], x[-1])
        )

    def _blocks(self) -> list[Block]:
        point, value = self.minimum
        where = ", ".join(f"{name} = {x:.6g}" for name, x in point.items())
        spans = ", ".join(
            f"{name} {x[0]:.6g} to {x[-1]:.6g} in {len(x):,} values"
            for name, x in zip(self.names, self.axes, strict=True)
        )
        others = ", ".join(
            f"{name} = {float(x):.6g}" for name, x in self.law.values.items() if name not in point
        )
        lines: list[Block] = [
            f"{type(self.law).__name__}: {self.loss.name} loss of {self.residual} residuals "
            f"over {self.value.size:,} cells ({spans})",
            f"minimum {value:.6g} at {where}; {others}",
        ]
        count = len(self.basin_values)
        rest = ", ".join(f"{v / value:.4g}" for v in self.basin_values[1:]) if value > 0 else ""
        others = f"; the others at {rest} times the lowest" if rest else ""
        lines.append(("1 local minimum" if count == 1 else f"{count} local minima") + others)
        lines += [f"the minimum lies at the edge of {n}: widen its range" for n in self.at_edge]
        return [*lines, *(f"note: {text}" for text in self.warnings)]


@host()
def exponent_grid(
    law: Given,
    runs: Runs | Any,
    *,
    loss: Loss | None = None,
    residual: str | Residual = "log",
    resolution: float = 0.001,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    weights: Any = None,
) -> ExponentGrid:
    """Evaluate a fit's objective over a grid of its exponents, all other parameters at their best.

    Use it to see the valley of a fit, to check that no basin was missed, and for starts.

    Args:
        law: a law with one or two free exponents, everything else free in it linear; fix the
            others to look at a slice.
        runs: see `fit`.
        loss: robust loss; default `Huber(1e-3)`, as in `fit`. `Square()` is a hundred times
            faster. A robust loss is met by a few reweightings per cell: values exceed the
            minimum over the linear parameters, by 1e-4 of themselves at steps of 0.01 or less,
            by up to several percent where the law fits badly.
        residual: "log", "relative" or "absolute". `Square()` with "log" gives the surface of
            relative residuals, and says so.
        resolution: step of every exponent. Zero itself, where a power is a constant, is left out.
        ranges: per exponent (first, last); default 0.02 to 1, or -1 to 1 where the exponent may
            be negative.
        weights: [n] in place of the weights of the runs.

    Returns:
        The grid as NumPy arrays with its minimum and its basins.

    Raises:
        DataError: the runs cannot determine the law; names column and row.
        FitError: no cell has a finite value.
        TypeError: law, runs or loss is of another kind, or a tracer.
        ValueError: the law has no or too many non-linear parameters, or an option is not one of
            those allowed.

    Cost: 980 x 980 cells of Chinchilla on 240 runs and two CPU cores: 0.02 s for `Square()`,
    1 to 3 s for `Huber`, after one to three seconds of compiling. A law whose terms do not
    separate is solved cell by cell, about 20 us each.

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> square = jaxscale.Square()
        >>> grid = jaxscale.exponent_grid(jaxscale.Chinchilla(), runs, loss=square, resolution=0.02)
        >>> exponents, value = grid.minimum
        >>> {name: round(float(x), 2) for name, x in exponents.items()}
        {'alpha': 0.42, 'beta': 0.52}
    """
    begin = time.perf_counter()
    if not isinstance(loss, Loss | None):
        raise TypeError(f"loss must be one such as Huber(1e-3), got {type(loss).__name__}")
    law = law_given(law)
    runs = runs_given(law, runs)
    refuse_first(residual_named(residual), "exponent_grid()")
    loss = usual_loss(residual_named(residual)) if loss is None else loss
    names = _exponents(law)
    axes = _axes(law, names, resolution, ranges or {})
    runs = runs if weights is None else runs.replace(weight=weights)
    prepared = prepare(law, runs, loss, residual)
    objective = cast(prepared.objective, np.float64)
    found, compiling = programs.run(surface, objective, axes, dtype=np.float64)
    if not np.isfinite(found.value).any():
        raise FitError(
            f"{type(law).__name__} is finite in no cell of the grid: is it, under log residuals, "
            "positive on these runs?"
        )
    lows = _minima(found.value)
    index = tuple(np.resize(k, BASINS) for k in np.unravel_index(lows, found.value.shape))
    points = [axis[k] for axis, k in zip(axes, index, strict=True)]
    coefficients = [x[index] for x in found.coefficients]
    sample, more = programs.run(_laws, objective, points, coefficients, dtype=np.float64)
    basins = law.replace(**{k: np.asarray(getattr(sample, k))[: len(lows)] for k in law.free})
    kind = prepared.objective.residual
    if loss.quadratic and separates(objective):
        kind = kind.linear
    return ExponentGrid(
        names=names,
        axes=axes,
        value=found.value,
        law=law.replace(**{k: float(getattr(basins, k)[0]) for k in law.free}),
        basins=basins,
        basin_values=found.value.ravel()[lows],
        loss=loss,
        residual=kind,
        warnings=prepared.warnings,
        seconds={
            "compile": compiling + more,
            "solve": time.perf_counter() - begin - compiling - more,
            "total": time.perf_counter() - begin,
        },
    )


def _exponents(law: Law) -> tuple[str, ...]:
    """Return the free non-linear parameters; raise unless they are one or two exponents."""
    called = type(law).__name__
    names = [name for name in law.free if not law.parameters[name].linear]
    if not names:
        raise ValueError(f"{called} has no free exponent: all its free parameters are linear")
    for name in names:
        if law.parameters[name].role != "exponent":
            raise ValueError(
                f"{called} is not linear in {name}, a {law.parameters[name].role}: a grid runs "
                f"over exponents only; fix it ({called}({name}=...))"
            )
    if len(names) > 2:
        raise ValueError(
            f"{called} has {len(names)} free exponents ({', '.join(names)}); a grid runs over one "
            f"or two: fix the others ({called}({names[-1]}=...))"
        )
    return tuple(names)


def _axes(
    law: Law, names: tuple[str, ...], resolution: float, ranges: Mapping[str, tuple[float, float]]
) -> tuple[np.ndarray, ...]:
    """Return the values of every exponent."""
    unknown = sorted(set(ranges) - set(names))
    if unknown:
        raise ValueError(
            f"ranges: {unknown[0]!r} is no free exponent; those are {', '.join(names)}"
        )
    if not (resolution > 0 and math.isfinite(resolution)):
        raise ValueError(f"resolution must be a positive number, got {resolution!r}")
    spans = []
    for name in names:
        spec = law.parameters[name]
        default = (-HIGHEST if spec.start[0] < 0 else LOWEST, HIGHEST)
        low, high = (float(x) for x in ranges.get(name, default))
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError(f"ranges: {name} needs first < last, got {low, high}")
        if low < spec.bounds[0] or high > spec.bounds[1]:
            raise ValueError(
                f"ranges: {name} lies between {spec.bounds[0]:g} and {spec.bounds[1]:g}, "
                f"got {low, high}"
            )
        spans.append((low, high, 1 + max(1, math.floor((high - low) / resolution + 1e-6))))
    cells = math.prod(count for *_, count in spans)
    if cells > MAX_CELLS:
        fitting = resolution * (cells / MAX_CELLS) ** (1 / len(names))
        raise ValueError(
            f"{' x '.join(str(count) for *_, count in spans)} cells are more than {MAX_CELLS:,}; "
            f"take resolution={math.ceil(fitting * 1e4) / 1e4:g} or narrower ranges"
        )
    values = [low + (high - low) / (count - 1) * np.arange(count) for low, high, count in spans]
    return tuple(x[np.abs(x) > 1e-9] for x in values)


def _minima(value: np.ndarray) -> np.ndarray:
    """Return flat indices of the strict local minima, lowest first, at most `BASINS`.

    The lowest cell is always among them: of a plateau, where no cell is lower than its
    neighbors (a term that is zero has no exponent), its first cell.
    """
    around = np.pad(value, 1, constant_values=np.inf)
    lowest = np.full(value.shape, np.inf)
    for shift in np.ndindex(*[3] * value.ndim):
        if any(k != 1 for k in shift):
            part = tuple(slice(k, k + side) for k, side in zip(shift, value.shape, strict=True))
            lowest = np.minimum(lowest, around[part])
    found = np.flatnonzero((value < lowest).ravel())
    found = np.union1d(found, [int(np.argmin(value))])
    return found[np.argsort(value.ravel()[found], kind="stable")][:BASINS]


def _laws(objective: Objective, points: list[Array], coefficients: list[Array]) -> Law:
    return jax.vmap(objective.law_at)(coordinates(objective, points, coefficients))
