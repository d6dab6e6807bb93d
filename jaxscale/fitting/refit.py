"""One law refitted to many versions of its runs, as one batched solve.

Replicate weights, other losses, other fixed values: each is an axis [B] of the same compiled
program, and every replicate starts from the optimum of the original fit. A guard then looks for
a better basin. Where the law separates, it is a scan of the replicate's own exponent grid, one
matrix product for all replicates: a second minimum that shows there becomes a start. Elsewhere it
is a number of random starts. What the replicates mean (a bootstrap, a jackknife, a profile) is up
to the caller.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxscale._numerics.positive import Positive
from jaxscale._numerics.precision import PRECISIONS, host, scope
from jaxscale.engine.dispatch import Progress, Search
from jaxscale.engine.loop import Status
from jaxscale.engine.meshes import Devices
from jaxscale.engine.problems import Problems
from jaxscale.fitting.certificate import SAME
from jaxscale.fitting.result import FitResult
from jaxscale.laws import Law
from jaxscale.objective.objective import Objective
from jaxscale.objective.prior import Prior
from jaxscale.objective.space import Space
from jaxscale.optimizers import method
from jaxscale.shown.blocks import Block, Grid, Shown, said
from jaxscale.shown.frames import frame
from jaxscale.text import many, quantity
from jaxscale.varpro.grid import cells, replicate_cells
from jaxscale.varpro.reduced import Reduced
from jaxscale.varpro.separation import separates
from jaxscale.varpro.starts import grid_axes, random_starts

SCANNED_CELLS = 144
"""Cells of the scanned grid."""
ALIVE = 0.02
"""Share of a typical loss to which a dead term is raised at a start."""
SCANNED = 512
"""Replicates scanned at a time."""


@dataclasses.dataclass(frozen=True)
class Refits(Shown):
    """B refits.

    Attributes:
        law: a law whose free parameters have a leading axis [B].
        value: [B] plain sum of w rho(r) at each optimum; inf where no start was finite.
        status: [B] `engine.Status` of the start that ended there.
        guarded: [B] whether a guard found a value lower by more than 1e-6 (relative) than the
            start at the original optimum: the replicate's best basin is another one.
        seconds: {"compile", "solve"}.
        frame_kind: of the runs behind it, as `Runs.frame_kind`.

    Example:
        >>> import numpy as np
        >>> import jaxscale
        >>> fit = jaxscale.fit("Chinchilla", jaxscale.datasets.load("stdlib_ladder"), starts=64)
        >>> again = jaxscale.refit(fit, weights=np.ones((3, 68)))
        >>> np.allclose(again.value, fit.value), again.guarded.any().item()
        (True, False)
    """

    law: Law
    value: np.ndarray
    status: np.ndarray
    guarded: np.ndarray
    seconds: Mapping[str, float]
    frame_kind: str = dataclasses.field(default="", repr=False)

    def __len__(self) -> int:
        return len(self.value)

    def table(self, *, kind: str | None = None) -> Any:
        """Return a dataframe with a row per refit: the parameters, value, status and guarded.

        Args:
            kind: "pandas", "polars", "pyarrow" or "dict"; default the kind of frame that the runs
                came from, else the first of these that is installed.

        Raises:
            ImportError: the library asked for is not installed.
            ValueError: there is no such kind.
        """
        B = len(self)
        values = {k: np.broadcast_to(np.asarray(x, float), B) for k, x in self.law.values.items()}
        more = {"status": [Status(int(x)).name.lower() for x in self.status]}
        return frame(
            {**values, "value": self.value, **more, "guarded": self.guarded}, kind, self.frame_kind
        )

    def _blocks(self) -> list[Block]:
        rows = [["", "median", "5 %", "95 %"]]
        for name, x in self.law.values.items():
            middle, low, high = np.quantile(np.asarray(x, float), (0.5, 0.05, 0.95))
            rows.append([f"  {name}", quantity(middle, 6), quantity(low), quantity(high)])
        lost = int((~np.isfinite(self.value)).sum())
        notes = [f"{many(lost, 'refit')} without a finite optimum"] if lost else []
        kind = type(self.law).__name__
        return [f"{many(len(self), 'refit')} of {kind}", Grid(rows, "<>>>"), *said(notes)]


@host()
def refit(
    fit: FitResult,
    *,
    weights: Any = None,
    losses: Any = None,
    fixed: Mapping[str, Any] | None = None,
    centers: Any = None,
    guards: int = 1,
    seed: int = 0,
    precision: str = "float64",
    progress: Progress | None = None,
    mesh: Devices | None = None,
) -> Refits:
    """Refit a fitted law B times: to reweighted runs, other losses, other fixed values.

    Args:
        fit: the original fit; its law, runs, robust loss and residual are kept.
        weights: [B, n] weights of the runs, in place of the runs' own; zero leaves a run out.
        losses: [B, n] losses of the runs (nats per token, or as in the table).
        fixed: values [B] of parameters that are fixed in `fit`, by name.
        centers: [B, K, G] what the K own parameters of G pooled families lean on, relative to
            their common mean; see `objective.prior`.
        guards: 0 for no search for better basins; else random starts per replicate for a law
            that does not separate (one that does is scanned, whatever the number).
        seed: of the random starts; those of replicate b depend on the seed and b only.
        precision: "float64" or "float32".
        progress: called between chunks with (starts done, starts in all).
        mesh: devices over which the starts are split; see `fit`.

    Returns:
        The B laws with their values and statuses.

    Raises:
        ValueError: nothing varies, a shape does not fit, a value is not finite.

    A replicate starts from the original optimum, terms that are dead there revived. Absolute loss
    is refitted at the smoothing of the search.

    Cost: about 50 microseconds of CPU per replicate of Chinchilla on 240 runs, the scan included
    (`python -m benchmarks run --suite bootstrap`).

    Example:
        >>> import numpy as np
        >>> import jaxscale
        >>> fit = jaxscale.fit("Chinchilla", jaxscale.datasets.load("stdlib_ladder"), starts=64)
        >>> left_out = jaxscale.refit(fit, weights=1 - np.eye(68))  # [B, n]: each run left out once
        >>> left_out.law.alpha.shape, round(float(left_out.law.alpha.std()), 3)
        ((68,), 0.004)
    """
    if precision not in PRECISIONS[:2]:
        raise ValueError(f"precision must be float64 or float32, got {precision!r}")
    if guards < 0:
        raise ValueError(f"guards must be 0 or more, got {guards}")
    objective, z = fit.problem.objective, fit.optimum
    if fit.certificate.at_bound or fit.certificate.degenerate:
        z = _alive(objective.space, z)
    fields, count = _fields(objective, fit, weights=weights, losses=losses, fixed=fixed or {})
    if centers is not None:
        fields["prior"] = _centered(objective, centers, count)
    search = Search(objective, method(), precision, mesh=mesh)
    every, alike = np.arange(count), _alike(objective, fields, count)
    solution = search.solve(np.tile(z, (count, 1)), progress, Problems(alike, every))
    value = np.where(np.isfinite(solution.value), solution.value, np.inf)
    z, status, guarded = solution.z.astype(float), solution.status, np.zeros(count, bool)
    if guards:
        starts, which = _guards(search, fields, z, guards=guards, seed=seed)
        if len(which):
            second = search.solve(starts, None, Problems(alike, which))
            for k, b in enumerate(which):
                if second.value[k] < value[b]:
                    guarded[b] |= second.value[k] < value[b] * (1 - SAME)
                    value[b], z[b], status[b] = second.value[k], second.z[k], second.status[k]
    return Refits(
        law=_laws(objective, fields, z, fit.law),
        value=value,
        status=status,
        guarded=guarded,
        seconds={"compile": search.compile, "solve": search.work},
        frame_kind=fit.runs.frame_kind,
    )


def _alive(space: Space, z: np.ndarray) -> np.ndarray:
    """Return coordinates [P] from which no term of the law is dead.

    The gradient of a positive coefficient vanishes with it, so that a replicate that starts where
    a term is dead cannot bring it back.
    """
    z = z.copy()
    for k, spec in enumerate(space.specs):
        if spec.role == "exponent":
            z[k] = np.clip(z[k], *spec.start)
        elif spec.positive and spec.role != "breakpoint":
            z[k] = max(z[k], np.log(ALIVE))
    return z


def _guards(
    search: Search, fields: dict[str, Any], z: np.ndarray, *, guards: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return further starts [G, P], and the replicate [G] that each belongs to."""
    objective, count = search.objective, len(z)
    axes = grid_axes(objective)
    if not axes or not separates(objective):
        return random_starts(objective, count * guards, seed), np.repeat(np.arange(count), guards)
    side = round(SCANNED_CELLS ** (1 / len(axes)))
    axes = tuple(np.linspace(axis[0], axis[-1], side) for axis in axes)
    starts, found = [], []
    for first in range(0, count, SCANNED):
        some = np.arange(first, min(first + SCANNED, count))
        rows = np.concatenate([some, np.repeat(some[:1], SCANNED - len(some))])
        own = jax.tree.map(lambda leaf, rows=rows: leaf[rows], fields)
        here = dataclasses.replace(objective, **own)
        cell, other = search.run(
            _other_basins, here, axes, z[rows], dtype=np.float64, names=tuple(own)
        )
        starts.append(cell[: len(some)])
        found.append(other[: len(some)])
    which = np.flatnonzero(np.concatenate(found))
    return np.concatenate(starts)[which], which


def _other_basins(
    objective: Objective, axes: tuple[Array, ...], z: Array, *, names: tuple[str, ...]
) -> tuple[Array, Array]:
    """Return per replicate the best cell [B, P] away from its optimum, and whether it matters.

    It does if it is a minimum of the grid among its neighbors, further than one cell from the
    optimum `z` [B, P], and not more than twice as high as the lowest cell. The grid is of least
    squares under the weights that the robust loss gives to the runs at `z`.
    """
    positions = Reduced(objective).nonlinear
    own = {name: getattr(objective, name) for name in names}

    def reweighted(own: dict[str, Any], z: Array) -> Array:
        here = dataclasses.replace(objective, **own)
        weight: Array = here.weight * here.loss.weight(here.residuals(z))
        return weight

    def scan(own: dict[str, Any], weight: Array) -> Any:
        return cells(dataclasses.replace(objective, **dict(own, weight=weight)), axes)

    def other(points: Array, value: Array, z: Array) -> tuple[Array, Array]:
        surface = jnp.where(jnp.isfinite(value), value, jnp.inf).reshape(
            [len(axis) for axis in axes]
        )
        far = jnp.zeros(surface.shape, bool)
        for k, (axis, position) in enumerate(zip(axes, positions, strict=True)):
            away = jnp.abs(axis - z[position]) > 1.5 * (axis[1] - axis[0])
            far = far | away.reshape([-1 if k == j else 1 for j in range(len(axes))])
        found = far & (surface <= _neighbors(surface)) & (surface <= 2 * jnp.min(surface))
        best = jnp.argmin(jnp.where(found, surface, jnp.inf))
        return points[best], jnp.any(found)

    weight = jax.vmap(reweighted)(own, z)
    if names == ("weight",):
        scanned = replicate_cells(objective, axes, weight)
    else:
        scanned = jax.vmap(scan)(own, weight)
    assert scanned is not None  # the law separates
    return jax.vmap(other)(scanned[0], scanned[1], z)


def _neighbors(surface: Array) -> Array:
    """Return the lowest value among each cell and its neighbors, diagonal ones included."""
    for k, side in enumerate(surface.shape):
        edge = jnp.full_like(jax.lax.slice_in_dim(surface, 0, 1, axis=k), jnp.inf)
        before = [edge, jax.lax.slice_in_dim(surface, 0, side - 1, axis=k)]
        after = [jax.lax.slice_in_dim(surface, 1, side, axis=k), edge]
        shifted = jnp.minimum(jnp.concatenate(before, k), jnp.concatenate(after, k))
        surface = jnp.minimum(surface, shifted)
    return surface


def _table(name: str, given: Any, shape: tuple[int, ...], rule: str) -> np.ndarray:
    """Return a checked float64 array [B, ...]."""
    array = np.asarray(given, float)
    if array.ndim != len(shape) + 1 or array.shape[1:] != shape or len(array) == 0:
        wanted = ", ".join(["B", *map(str, shape)])
        raise ValueError(f"{name} must have shape [{wanted}], got {list(array.shape)}")
    good = np.isfinite(array) & {"any": True, "positive": array > 0, "zero": array >= 0}[rule]
    if not good.all():
        at = np.argwhere(~good)[0]
        allowed = {"any": "finite", "positive": "positive and finite", "zero": "0 or more"}[rule]
        raise ValueError(f"{name}{list(map(int, at))} is {array[tuple(at)]:g}: must be {allowed}")
    return array


def _fields(
    objective: Objective,
    fit: FitResult,
    *,
    weights: Any,
    losses: Any,
    fixed: Mapping[str, Any],
) -> tuple[dict[str, Any], int]:
    """Return the fields of the objective with a leading axis [B], and B."""
    n, rows = len(fit.runs), objective.weight.shape[0]
    fields: dict[str, Any] = {}
    counts: dict[str, int] = {}
    if weights is not None:
        table = _table("weights", weights, (n,), "zero")
        fields["weight"] = np.pad(table, ((0, 0), (0, rows - n)))
        counts["weights"] = len(table)
    if losses is not None:
        rule = "positive" if fit.residual.positive else "any"
        table = _table("losses", losses, (n,), rule) / float(objective.space.loss_scale)
        target = np.pad(table, ((0, 0), (0, rows - n)), constant_values=1.0)
        tiny = np.finfo(float).tiny
        fields["target"] = Positive(target, np.log(np.maximum(target, tiny)))
        counts["losses"] = len(table)
    for name, values in fixed.items():
        if name not in objective.space.fixed:
            known = ", ".join(objective.space.fixed) or "none"
            raise ValueError(
                f"fixed: {name!r} is not fixed in the original fit; fixed are: {known}"
            )
        counts[f"fixed {name}"] = len(_table(f"fixed {name}", values, (), "any"))
    if not counts:
        raise ValueError("nothing varies: give weights, losses or fixed")
    if len(set(counts.values())) > 1:
        raise ValueError(
            "every axis must have the same length B, got "
            + ", ".join(f"{name} {count}" for name, count in counts.items())
        )
    count = next(iter(counts.values()))
    if fixed:
        space = objective.space
        values = {name: np.full(count, float(v)) for name, v in space.fixed.items()}
        values |= {name: np.asarray(v, float) for name, v in fixed.items()}
        fields["space"] = dataclasses.replace(
            space,
            fixed=values,
            log_scale={name: np.full(count, float(v)) for name, v in space.log_scale.items()},
            loss_scale=np.full(count, float(space.loss_scale)),
        )
    return fields, count


def _centered(objective: Objective, centers: Any, count: int) -> Prior:
    """Return the prior of every replicate [B]."""
    prior = objective.prior
    if prior is None:
        raise ValueError("centers go with a fit of pooled families")
    center = _table("centers", centers, np.shape(prior.center), "any")
    if len(center) != count:
        raise ValueError(f"centers has {len(center)} replicates, the others have {count}")
    strength = np.broadcast_to(prior.strength, (count, *np.shape(prior.strength)))
    return dataclasses.replace(prior, strength=np.asarray(strength), center=center)


def _alike(objective: Objective, fields: dict[str, Any], count: int) -> dict[str, Any]:
    """Return the fields with weights and losses of every replicate, also where they do not vary.

    So all that refits a law, of other weights or of other losses, is one program.
    """

    def repeated(leaf: Any) -> np.ndarray:
        leaf = np.asarray(leaf)
        return np.broadcast_to(leaf, (count, *leaf.shape))

    same = {"weight": objective.weight, "target": objective.target}
    return {name: jax.tree.map(repeated, leaf) for name, leaf in same.items()} | fields


def _laws(objective: Objective, fields: dict[str, Any], z: np.ndarray, law: Law) -> Law:
    """Return the law with leaves [B] in the units of the runs, what is held staying as it was."""
    space = fields.get("space", objective.space)
    with scope(np.float64):
        values = space.physical(tuple(z.T))
        leaves = {name: np.asarray(value, float) for name, value in values.items()}
    return law.replace(**{name: leaf for name, leaf in leaves.items() if leaf.ndim})
