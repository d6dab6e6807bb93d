"""The main job: fit a law to runs from many starts, and certify the answer.

This is the host storey: it validates, opens the precision scope, sends chunks of starts through
the compiled engine, and hands out NumPy. Everything numerical lives below it and can be used
directly inside a user's own jitted program.
"""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import numpy as np
import optax
from jax.sharding import Mesh

from jaxscale._numerics.precision import PRECISIONS, cast, refuse_tracers, scope
from jaxscale.checks.formula import check_fit
from jaxscale.data.runs import Runs
from jaxscale.engine.dispatch import Progress, Search
from jaxscale.engine.loop import Solution, Status
from jaxscale.errors import FitError
from jaxscale.fitting.certificate import Local, certify, local
from jaxscale.fitting.preparation import Prepared, prepare
from jaxscale.fitting.result import FitResult, statistics
from jaxscale.laws import Law
from jaxscale.objective.losses import Huber, Loss, describe
from jaxscale.objective.objective import Objective
from jaxscale.optimizers import name_of, row_of, transformation
from jaxscale.varpro.starts import (
    MAX_STARTS,
    best_cells,
    completed,
    given_starts,
    grid_axes,
    random_starts,
)

MAX_STEPS = 1_000_000_000
"""Evaluations per start at most: they are counted in 32 bits."""


def fit(
    law: Law,
    runs: Runs,
    *,
    loss: Loss | None = None,
    residual: str = "log",
    optimizer: str | optax.GradientTransformation | None = None,
    starts: int | Law | Any = 1024,
    seed: int = 0,
    precision: str = "float64",
    max_steps: int | None = None,
    progress: Progress | None = None,
    mesh: Mesh | None = None,
) -> FitResult:
    """Fit the free parameters of a law to runs.

    Args:
        law: e.g. `Chinchilla()`; parameters with a value stay fixed.
        runs: the runs, n of them.
        loss: robust loss; default `Huber(1e-3)`. `Square()` and `Absolute()` are the others.
        residual: "log", "relative" or "absolute".
        optimizer: a name of `optimizers.OPTIMIZERS` or an optax transformation; default "newton".
            Build a transformation once and reuse it: every fresh closure compiles anew.
        starts: how many random starts, or the starts themselves: a law whose free parameters
            have a leading axis [S], or coordinates z [S, P]. Unless starts are given, the best
            cells of an exponent grid are added.
        seed: of the random starts; start i depends on the seed and i only.
        precision: "float64", "float32", or "mixed" (float32 search, float64 polish).
        max_steps: evaluations per start; default what the table says of the optimizer, 400 for
            "newton", and 5000 for a transformation that is not in it.
        progress: called between chunks with (starts done, starts in all).
        mesh: devices over which the starts are split, all their processes taking part. Default
            one device, and on a CPU all its cores.

    Returns:
        The fitted law with its certificate.

    Raises:
        DataError: the runs cannot determine the law; names column and row.
        FitError: every start was non-finite, or a parameter leaves the range of float64.
        LawError: the law's formula does something else than its fields declare.
        TypeError: law, runs, loss or optimizer is of another kind, or a tracer.
        ValueError: an option is not one of those allowed.

    Cost: about 0.05 s for 1,024 starts of Chinchilla on 240 runs on two CPU cores, after 3 to 4 s
    of compiling the first time (`python -m benchmarks run --suite epoch`).
    """
    begin = time.perf_counter()
    if not isinstance(runs, Runs):
        raise TypeError(
            f"runs must be jaxscale.Runs, got {type(runs).__name__}; make them with "
            "jaxscale.read_runs(path), jaxscale.Runs.from_dataframe(df) or Runs(N=..., loss=...)"
        )
    if not isinstance(law, Law) or not isinstance(loss, Loss | None):
        raise TypeError("law must be a Law such as Chinchilla(), loss one such as Huber(1e-3)")
    refuse_tracers((law, runs.loss), "fit")
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
    optimizer = transformation(optimizer)
    prepared = prepare(law, runs, Huber(1e-3) if loss is None else loss, residual)
    steps = row_of(optimizer).steps if max_steps is None else max_steps
    if not 1 <= steps <= MAX_STEPS:
        raise ValueError(f"max_steps must be between 1 and {MAX_STEPS:,}, got {max_steps}")
    search = Search(prepared.objective, optimizer, precision, steps, mesh)
    lanes, extra = _starts(search, starts, seed)
    solution = search.solve(lanes, progress)
    z, status = _best(search, solution)
    if len(lanes) > extra:  # the grid's cells are no sample of the start box
        solution = Solution(*(leaf[extra:] for leaf in solution))
    settings = {
        "optimizer": name_of(optimizer),
        "max_steps": steps,
        "seed": seed,
        "precision": precision,
        "fixed": list(law.fixed),
    }
    result = _result(prepared, search, runs, solution, (z, status))
    seconds = {
        "compile": search.compile,
        "solve": search.work,
        "total": time.perf_counter() - begin,
    }
    return dataclasses.replace(
        result, law=_filled(law, result.law), settings=settings, seconds=seconds
    )


def _at(objective: Objective, z: Any) -> tuple[Local, Law, Any]:
    prediction = objective.prediction(*z) * objective.space.loss_scale
    return local(objective, z), objective.law_at(z), prediction


def _starts(search: Search, starts: Any, seed: int) -> tuple[np.ndarray, int]:
    """Return the lanes [G + S, P], and how many of them came from the grid."""
    objective = search.objective
    if not isinstance(starts, int | np.integer):
        with scope(np.float64):
            return given_starts(objective, starts), 0
    if not 0 <= starts <= MAX_STARTS:
        raise ValueError(f"starts must be between 0 and {MAX_STARTS:,}, got {starts}")
    lanes = random_starts(objective, int(starts), seed)
    axes = grid_axes(objective)
    if axes is None:
        if starts == 0:
            raise ValueError("starts=0 needs a law with linear parameters; give starts >= 1")
        return lanes, 0
    cells, _ = search.run(best_cells, objective, axes, dtype=np.float64)
    if starts and any(spec.linear and not spec.positive for spec in objective.space.specs):
        lanes = search.each(completed, lanes)
    return np.concatenate([cells, lanes]), len(cells)


def _best(search: Search, solution: Solution) -> tuple[np.ndarray, int]:
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
        search.objective = cast(dataclasses.replace(search.objective, loss=sharper[-1]), np.float64)
    return z, status


def _result(
    prepared: Prepared,
    search: Search,
    runs: Runs,
    solution: Solution,
    point: tuple[np.ndarray, int],
) -> FitResult:
    objective, n = search.objective, len(runs)
    z, status = point
    at, fitted, prediction = search.run(_at, objective, z.astype(float), dtype=np.float64)
    if objective.loss.refinements():
        # A kink has no curvature: the condition is that of the smooth loss of the search.
        smooth, *_ = search.run(_at, prepared.objective, z.astype(float), dtype=np.float64)
        at = at._replace(hessian=smooth.hessian)
    rounding = 16 * np.finfo(float).eps * float(objective.space.loss_scale)
    if objective.residual == "absolute" and not rounding**2 > np.finfo(float).tiny:
        raise FitError(
            f"the objective underflows: losses of about {np.median(np.abs(runs.loss)):.1g}, "
            "squared, are below what float64 can hold; give the loss in larger units, or use log "
            "residuals"
        )
    law = fitted.replace(**{name: float(value) for name, value in fitted.values.items()})
    prediction = prediction[:n]
    _representable(law, objective.space.free)
    check_fit(
        objective,
        z.astype(float),
        law,
        inputs=prepared.inputs,
        prediction=prediction,
        rows=runs.rows,
    )
    return FitResult(
        law=law,
        value=float(at.value),
        loss=describe(objective.loss),
        residual=objective.residual,
        certificate=certify(
            objective.space,
            solution,
            z.astype(float),
            status,
            at,
            weaknesses=prepared.weaknesses,
            sharpened=bool(objective.loss.refinements()),
        ),
        statistics=statistics(runs, prediction),
        runs=runs,
        prediction=prediction,
        start_values=np.where(np.isfinite(solution.value), solution.value, np.nan),
        start_status=solution.status,
        intervals=_intervals(law, objective.space.free, prepared.inputs),
        suspects=_suspects(at.residuals[:n], rounding=bool(at.value <= at.floor)),
        warnings=prepared.warnings,
        seconds={},
        settings={},
    )


def _representable(law: Law, free: tuple[str, ...]) -> None:
    """Raise where a fitted parameter has no number in the units of the runs."""
    for name in free:
        value = getattr(law, name)
        zero = value == 0 and law.parameters[name].positive
        if zero or not np.isfinite(value):
            raise FitError(
                f"the fitted {name} is {value:g} in the units of the runs: float64 cannot hold "
                "it; give the loss or the inputs in other units"
            )


def _filled(law: Law, fitted: Law) -> Law:
    """Return the user's law with its free parameters filled in; fixed values stay to the bit."""
    return law.replace(**{name: getattr(fitted, name) for name in law.free})


def _suspects(residuals: np.ndarray, rounding: bool) -> np.ndarray:
    """Return the indices of residuals beyond 5 scaled median absolute deviations.

    Rounding, which is all that an exact fit leaves, points to no run.
    """
    if rounding:
        return np.zeros(0, int)
    center = np.median(residuals)
    mad = 1.4826 * np.median(np.abs(residuals - center))
    return np.flatnonzero(np.abs(residuals - center) > 5 * mad) if mad > 0 else np.zeros(0, int)


def _intervals(
    law: Law, free: tuple[str, ...], inputs: dict[str, np.ndarray]
) -> dict[str, tuple[float, float]]:
    """Return, per free break, the neighboring data values between which it lies."""
    found = {}
    for name, spec in law.parameters.items():
        if spec.role == "breakpoint" and name in free:
            values = np.unique(inputs[spec.per[0][0]])
            at = float(getattr(law, name))
            found[name] = (
                float(values[values <= at].max(initial=values[0])),
                float(values[values >= at].min(initial=values[-1])),
            )
    return found
