"""The main job: fit a law to runs from many starts, and certify the answer.

This is the host storey: it validates, opens the precision scope, sends chunks of starts through
the compiled engine, and hands out NumPy. Everything numerical lives below it and can be used
directly inside a user's own jitted program.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax

from jaxscale import _programs, engine
from jaxscale._precision import PRECISIONS, cast, refuse_tracers, scope
from jaxscale.engine import Limits, Solution, Status
from jaxscale.errors import FitError
from jaxscale.laws import Law
from jaxscale.losses import Huber, Loss
from jaxscale.objective import Objective
from jaxscale.optimizers import newton
from jaxscale.preparation import Prepared, prepare
from jaxscale.result import Basin, Certificate, FitResult
from jaxscale.runs import Runs
from jaxscale.starts import best_cells, given_starts, grid_points, random_starts

CHUNKS = (16, 64, 256, 1024)
"""Sizes of a compiled chunk of starts; the last is repeated."""
NEWTON_STEPS, OTHER_STEPS = 400, 5000
SAME = 1e-6
"""Relative distance within which two values are one basin."""

Progress = Callable[[int, int], None]


def fit(
    law: Law,
    runs: Runs,
    *,
    loss: Loss | None = None,
    residual: str = "log",
    optimizer: optax.GradientTransformation | None = None,
    starts: int | Law | Any = 1024,
    seed: int = 0,
    precision: str = "float64",
    max_steps: int | None = None,
    progress: Progress | None = None,
) -> FitResult:
    """Fit the free parameters of a law to runs.

    Args:
        law: e.g. `Chinchilla()`; parameters with a value stay fixed.
        runs: the runs, n of them.
        loss: robust loss; default `Huber(1e-3)`. `Square()` and `Absolute()` are the others.
        residual: "log", "relative" or "absolute".
        optimizer: an optax transformation; default `newton()`. Build it once and reuse it: every
            fresh closure compiles anew.
        starts: how many random starts, or the starts themselves: a law whose free parameters
            have a leading axis [S], or coordinates z [S, P]. Unless starts are given, the best
            cells of an exponent grid are added.
        seed: of the random starts; start i depends on the seed and i only.
        precision: "float64", "float32", or "mixed" (float32 search, float64 polish).
        max_steps: evaluations per start; default 400 for `newton()`, 5000 for others.
        progress: called between chunks with (starts done, starts in all).

    Returns:
        The fitted law with its certificate.

    Raises:
        DataError: the runs cannot determine the law; names column and row.
        FitError: every start was non-finite.
        ValueError: an option is not one of those allowed.

    Cost: about 0.1 s for 1,024 starts of Chinchilla on 240 runs on one CPU core, after 2 to 4 s
    of compiling the first time (`python -m benchmarks`).
    """
    begin = time.perf_counter()
    refuse_tracers((law, runs.loss), "fit")
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
    loss = Huber(1e-3) if loss is None else loss
    prepared = prepare(law, runs, loss, residual)
    steps = max_steps or (NEWTON_STEPS if optimizer is None else OTHER_STEPS)
    search = _Search(prepared.objective, optimizer or newton(), precision, steps)
    lanes, extra = _starts(search, starts, seed)
    solution = search.solve(lanes, progress)
    z, status = _best(search, solution)
    return _result(
        prepared, search, law, runs, solution, z, status, extra,
        settings={
            "optimizer": "newton" if optimizer is None else "optax",
            "seed": seed,
            "precision": precision,
            "fixed": list(law.fixed),
        },
        begin=begin,
    )


class _Search:
    """One objective with its optimizer and precision; counts compile time and work."""

    def __init__(self, objective: Objective, optimizer: Any, precision: str, steps: int) -> None:
        self.objective = cast(objective, np.float64)
        self.optimizer = optimizer
        self.polished = precision == "mixed"
        self.dtype = np.dtype(np.float64 if precision == "float64" else np.float32)
        self.limits = Limits.for_dtype(self.dtype, steps)
        self.compile = 0.0
        self.work = 0.0

    def run(self, function: Any, *args: Any, dtype: Any, **static: Any) -> Any:
        begin = time.perf_counter()
        result, seconds = _programs.run(function, *args, dtype=dtype, **static)
        self.compile += seconds
        self.work += time.perf_counter() - begin - seconds
        return result

    def solve(self, z: np.ndarray, progress: Progress | None = None) -> Solution:
        """Solve from every row of z [S, P], chunk by chunk; values plain, in float64."""
        objective = cast(self.objective, self.dtype)
        return self._chunks(objective, self.optimizer, self.limits, z, progress)

    def polish(self, z: np.ndarray, loss: Loss) -> Solution:
        """Solve from a few points in float64 with `newton()` under a given loss."""
        objective = cast(_with_loss(self.objective, loss), np.float64)
        limits = Limits.for_dtype(np.float64, NEWTON_STEPS)
        return self._chunks(objective, newton(), limits, z, None)

    def _chunks(
        self,
        objective: Objective,
        optimizer: Any,
        limits: Limits,
        z: np.ndarray,
        progress: Progress | None,
    ) -> Solution:
        dtype = objective.target.value.dtype
        total = len(z)
        size = next((chunk for chunk in CHUNKS if total <= chunk), CHUNKS[-1])
        rows = objective.weight.shape[0]
        width = int(np.clip(32768 // rows, 32, 128))
        parts = []
        for first in range(0, total, size):
            part = z[first : first + size]
            count = len(part)
            part = np.concatenate([part, np.repeat(part[:1], size - count, axis=0)])
            solution = self.run(
                _solve, objective, part.astype(dtype), np.int32(count), limits,
                dtype=dtype, optimizer=optimizer, width=width,
            )
            parts.append([np.asarray(leaf)[:count] for leaf in solution])
            if progress is not None:
                progress(first + count, total)
        joined = [np.concatenate(leaves) for leaves in zip(*parts, strict=True)]
        merged = Solution(*joined)
        plain = np.asarray(merged.value, float) * float(self_scale(objective))
        return merged._replace(z=np.asarray(merged.z, float), value=plain)


def self_scale(objective: Objective) -> Any:
    """Return the factor between the solver's value and the plain sum."""
    return np.asarray(objective.loss.scale, float)


def _with_loss(objective: Objective, loss: Loss) -> Objective:
    import dataclasses

    return dataclasses.replace(objective, loss=loss)


def _solve(
    objective: Objective, starts: Any, count: Any, limits: Limits, *, optimizer: Any, width: int
) -> Solution:
    solution = engine.solve(
        objective, optimizer, starts, count=count, limits=limits, width=width
    )
    return engine.classify(objective, solution)


def _at(objective: Objective, z: Any) -> tuple[Any, ...]:
    value, grad, gauss_newton, hessian = objective.model(z)
    residuals = objective.residuals(z)
    return (
        value * objective.loss.scale, grad / value, gauss_newton, hessian, residuals,
        objective.loss.inside(residuals), objective.shares(z), objective.law_at(z),
    )


def _starts(search: _Search, starts: Any, seed: int) -> tuple[np.ndarray, int]:
    """Return the lanes [G + S, P], and how many of them came from the grid."""
    objective = search.objective
    if not isinstance(starts, int | np.integer):
        with scope(np.float64):
            return given_starts(objective, starts), 0
    if starts < 0:
        raise ValueError(f"starts must be a positive number, got {starts}")
    lanes = random_starts(objective, int(starts), seed)
    points = grid_points(objective)
    if points is None:
        if starts == 0:
            raise ValueError("starts=0 needs a law with linear parameters; give starts >= 1")
        return lanes, 0
    cells, _ = search.run(best_cells, objective, points, dtype=np.float64)
    return np.concatenate([cells, lanes]), len(cells)


def _best(search: _Search, solution: Solution) -> tuple[np.ndarray, int]:
    """Return (z [P], status) of the best start, polished where the precision or loss asks."""
    value = np.where(np.isfinite(solution.value), solution.value, np.inf)
    if not np.isfinite(value).any():
        counts = np.bincount(solution.status, minlength=len(Status))
        common = ", ".join(
            f"{Status(k).name.lower()} {counts[k]}" for k in np.argsort(-counts)[:3] if counts[k]
        )
        raise FitError(
            f"no start of {len(value)} led to a finite objective ({common}): is the law finite "
            "and, under log residuals, positive on these runs?"
        )
    best = int(np.argmin(value))
    z, status = solution.z[best], int(solution.status[best])
    loss = search.objective.loss
    sharper = loss.refinements()
    if not sharper and not search.polished:
        return z, status
    order = np.argsort(value, kind="stable")[:16]
    few = solution.z[order]
    for each in sharper or (loss,):
        step = search.polish(few, each)
        good = np.isfinite(step.value)
        few = np.where(good[:, None], step.z, few)
        best = int(np.argmin(np.where(good, step.value, np.inf)))
        z, status = few[best], int(step.status[best])
    if sharper:
        search.objective = cast(_with_loss(search.objective, sharper[-1]), np.float64)
    return z, status


def _result(
    prepared: Prepared,
    search: _Search,
    law: Law,
    runs: Runs,
    solution: Solution,
    z: np.ndarray,
    status: int,
    extra: int,
    *,
    settings: dict[str, Any],
    begin: float,
) -> FitResult:
    objective = search.objective
    n = len(runs)
    value, grad, gauss_newton, hessian, r, inside, shares, fitted = search.run(
        _at, objective, z, dtype=np.float64
    )
    fitted = law.replace(
        **{name: float(v) for name, v in fitted.values.items() if name in law.free}
    ).replace(**{name: float(v) for name, v in law.fixed.items()})
    random = solution._replace(**{k: v[extra:] for k, v in solution._asdict().items()})
    if len(random.value) == 0:
        random = solution
    certificate = _certificate(
        objective, random, z, status,
        (float(value), np.asarray(grad), np.asarray(gauss_newton), np.asarray(hessian),
         np.asarray(shares), int(np.asarray(inside)[:n].sum())),
    )
    with scope(np.float64):
        prediction = np.asarray(
            fitted(*[jnp.asarray(x) for x in prepared.inputs.values()]) * jnp.ones(n)
        )
    residuals = np.asarray(r)[:n]
    center = np.median(residuals)
    mad = 1.4826 * np.median(np.abs(residuals - center))
    suspects = np.flatnonzero(np.abs(residuals - center) > 5 * mad) if mad > 0 else np.array([], int)
    loss = objective.loss
    return FitResult(
        law=fitted,
        value=float(value),
        loss={
            "loss": type(loss).__name__.lower(),
            "delta": float(loss.delta) if isinstance(loss, Huber) else None,
        },
        residual=objective.residual,
        certificate=certificate,
        statistics=_statistics(runs, prediction),
        runs=runs,
        prediction=prediction,
        start_values=np.where(np.isfinite(random.value), random.value, np.nan),
        start_status=random.status,
        intervals=_intervals(fitted, law, prepared.inputs),
        suspects=suspects,
        warnings=prepared.warnings,
        seconds={
            "compile": search.compile,
            "solve": search.work,
            "total": time.perf_counter() - begin,
        },
        settings=settings,
    )


def _certificate(
    objective: Objective,
    random: Solution,
    z: np.ndarray,
    status: int,
    at: tuple[float, np.ndarray, np.ndarray, np.ndarray, np.ndarray, int],
) -> Certificate:
    value, grad, gauss_newton, hessian, shares, inside = at
    free, specs = objective.space.free, objective.space.specs
    lower, upper = map(np.array, objective.space.bounds())
    bound = (z <= lower) | (z >= upper)
    moving = ~bound & (np.diagonal(gauss_newton) > 0)
    eigenvalues = np.linalg.eigvalsh(hessian[np.ix_(moving, moving)]) if moving.any() else [1.0]
    low, high = float(eigenvalues[0]), float(eigenvalues[-1])
    values = np.where(np.isfinite(random.value), random.value, np.inf)
    best = min(float(values.min()), value) if not objective.loss.refinements() else values.min()
    names = {int(s): Status(int(s)).name.lower() for s in np.unique(random.status)}
    return Certificate(
        status=Status(status).name.lower(),
        starts=len(values),
        share_at_best=float(np.mean(values <= best + SAME * abs(best))),
        basins=_basins(values, random.status),
        statuses={name: int(np.sum(random.status == s)) for s, name in names.items()},
        grad_norm=float(np.max(np.abs(grad[moving]), initial=0.0)),
        condition=high / low if low > 0 else float("inf"),
        at_bound=tuple(name for name, hit in zip(free, bound, strict=True) if hit),
        degenerate=tuple(
            name for name, spec, share, hit in zip(free, specs, shares, bound, strict=True)
            if spec.linear and spec.positive and share < 1e-3 and not hit
        ),
        inside_delta=inside,
        median_steps=float(np.median(random.steps)),
    )


def _basins(values: np.ndarray, status: np.ndarray, most: int = 10) -> tuple[Basin, ...]:
    """Group sorted values whose neighbors differ by less than SAME, relatively."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    ordered = ordered[np.isfinite(ordered)]
    if len(ordered) == 0:
        return ()
    gap = np.diff(ordered) > SAME * np.abs(ordered[:-1])
    parts = np.split(np.arange(len(ordered)), np.flatnonzero(gap) + 1)
    result = []
    for part in parts[:most]:
        common = int(np.bincount(status[order[part]]).argmax())
        result.append(Basin(float(ordered[part[0]]), len(part), Status(common).name.lower()))
    return tuple(result)


def _statistics(runs: Runs, prediction: np.ndarray) -> dict[str, float]:
    """Return R² and RMSE of the loss and of its logarithm, weighted as the fit is."""
    weight = np.ones(len(runs)) if runs.weight is None else runs.weight

    def judge(y: np.ndarray, p: np.ndarray) -> tuple[float, float]:
        mean = np.average(y, weights=weight)
        error = np.average((y - p) ** 2, weights=weight)
        return float(1 - error / np.average((y - mean) ** 2, weights=weight)), float(error**0.5)

    r2, rmse = judge(runs.loss, prediction)
    r2_log = rmse_log = float("nan")
    if (runs.loss > 0).all() and (prediction > 0).all():
        r2_log, rmse_log = judge(np.log(runs.loss), np.log(prediction))
    return {"r2": r2, "rmse": rmse, "r2_log": r2_log, "rmse_log": rmse_log}


def _intervals(
    fitted: Law, law: Law, inputs: dict[str, np.ndarray]
) -> dict[str, tuple[float, float]]:
    """Return, per free break, the neighboring data values between which it lies."""
    found = {}
    for name, spec in law.parameters.items():
        if spec.role == "breakpoint" and name in law.free:
            values = np.unique(inputs[spec.per[0][0]])
            at = float(getattr(fitted, name))
            found[name] = (
                float(values[values <= at].max(initial=values[0])),
                float(values[values >= at].min(initial=values[-1])),
            )
    return found
