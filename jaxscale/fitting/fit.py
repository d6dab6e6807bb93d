"""The main job: fit a law to runs from many starts, and certify the answer.

This is the host storey: it validates, opens the precision scope, sends chunks of starts through
the compiled engine, and hands out NumPy. Everything numerical lives below it and can be used
directly inside a user's own jitted program.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jaxscale._numerics.precision import PRECISIONS, cast, host, scope
from jaxscale.data.runs import Runs
from jaxscale.engine.dispatch import Progress, Search, chunk_size
from jaxscale.engine.loop import Solution, Status
from jaxscale.engine.meshes import Devices
from jaxscale.errors import FitError
from jaxscale.fitting.assembly import assembled
from jaxscale.fitting.constraints import Constraints, with_errors
from jaxscale.fitting.families import with_families
from jaxscale.fitting.pooling import fit_pooled, weak
from jaxscale.fitting.preparation import Problem, prepare, runs_given
from jaxscale.fitting.result import FitResult
from jaxscale.fitting.second import refuse_twofold, second, sized
from jaxscale.laws import Law
from jaxscale.laws.grouped import FamilyLaw, Grouped
from jaxscale.laws.names import Given, law_given
from jaxscale.objective.losses import Loss, usual_loss
from jaxscale.objective.objective import Objective
from jaxscale.objective.residuals import Residual, residual_named
from jaxscale.optimizers import name_of, row_of, transformation
from jaxscale.varpro.starts import (
    MAX_STARTS,
    best_cells,
    completed,
    given_starts,
    grid_axes,
    random_starts,
    starts_near,
)

if TYPE_CHECKING:  # importing it takes as long as a fit
    import optax

NEAR = 32
"""Starts of a second search around the best point of the first, at most."""


class Stated(NamedTuple):
    """What a fit is asked for, its runs aside, checked."""

    law: Law
    loss: Loss
    residual: Residual
    constraints: Constraints

    @classmethod
    def of(
        cls, law: Any, loss: Any, residual: Any, *, bounds: Any, tie: Any, precision: str
    ) -> Stated:
        """Return it; options and errors as `fit`.

        Args:
            law: see `fit`.
            loss: see `fit`.
            residual: see `fit`.
            bounds: see `fit`.
            tie: see `fit`.
            precision: see `fit`.
        """
        if not isinstance(loss, Loss | None):
            raise TypeError(f"loss must be one such as Huber(1e-3), got {type(loss).__name__}")
        if precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
        law, residual = law_given(law), residual_named(residual)
        loss = usual_loss(residual) if loss is None else loss
        return cls(law, loss, residual, Constraints.of(law, bounds, tie))

    def on(self, runs: Any, error: Any = None) -> Problem:
        """Return the problem of runs that `fit` takes; errors as `fit`."""
        runs = runs_given(self.law, runs)
        runs = runs if error is None else with_errors(runs, error, self.residual)
        return prepare(self.law, runs, self.loss, self.residual, self.constraints)


@host()
def fit(
    law: Given | Grouped,
    runs: Runs | Any,
    *,
    loss: Loss | None = None,
    residual: str | Residual = "log",
    optimizer: str | optax.GradientTransformation | None = None,
    starts: int | Law | Any = 1024,
    seed: int = 0,
    precision: str = "float64",
    max_steps: int | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    tie: Mapping[str, str] | None = None,
    error: Any = None,
    delta: float | str | None = None,
    progress: Progress | None = None,
    mesh: Devices | None = None,
) -> FitResult:
    """Fit the free parameters of a law to runs.

    Of more than 16,384 runs the starts are searched on 4,096, and the optima found there that
    could be the lowest are solved on on all of them (`Certificate.sampled`, `solved_on`).

    Args:
        law: e.g. `Chinchilla()`, whose parameters with a value stay fixed; its class, or its name
            in the catalogue, "PowerLaw:C"; `Grouped`, a law of families of runs; or a plain
            function, `lambda N, a, b, c: c + a * N**-b` (see `law_of`).
        runs: the runs, n of them; or a dataframe, or a dict of arrays, whose columns are
            recognized by their names.
        loss: robust loss; default `Huber(1e-3)`, of fractions `Square()`. Others are `Absolute()`,
            `Asymmetric()`, `Quantile(tau)`, `StudentT()`, and whatever subclasses `Loss`.
        residual: "log", "relative" or "absolute"; of fractions "logit", or "binomial", which is
            their likelihood, every run weighted by the column `trials`, or "beta-binomial", where
            runs vary by more than counts do; or a `Residual`.
        optimizer: a name of `optimizers.OPTIMIZERS` or an optax transformation; default "newton".
            Build a transformation once and reuse it: every fresh closure compiles anew.
        starts: how many random starts, or the starts themselves: a law whose free parameters
            have a leading axis [S], or coordinates z [S, P]. Unless starts are given, the best
            cells of an exponent grid are added, and a second search of as many starts is made
            where the first leaves a doubt (`Certificate.doubt`).
        seed: of the random starts; start i depends on the seed and i only.
        precision: "float64", "float32", or "mixed" (float32 search, float64 polish).
        max_steps: evaluations per start; default what the table says of the optimizer, 400 for
            "newton" (the starts in the lead 4000 more where the best has not arrived by then; of
            more than 12 parameters 40 for all and 200 for the best eighth first), and 5000 for a
            transformation that is not in it.
        bounds: ranges of parameters in the units of the runs, {"E": (1, 2)}. Other bounds compile
            anew.
        tie: parameters that are to be what another one is, {"beta": "alpha"}.
        error: standard errors [n] of the losses, or the name of their column: runs are weighted
            by their inverse squares, beside their own weights.
        delta: width of the loss, in place of its own; "auto" for 1.345 robust standard deviations
            of the residuals of a first fit. What it came to is the width of the result's loss.
        progress: called between chunks with (starts done, starts in all).
        mesh: devices over which the starts are split, all their processes taking part: a mesh,
            `jax.devices()`, or how many of them. Default one device, and on a CPU all its cores.

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

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> fit = jaxscale.fit("Chinchilla", runs, starts=64)
        >>> round(fit.law.alpha, 2), fit.certificate.trusted
        (0.42, True)
        >>> fit = jaxscale.fit(jaxscale.Chinchilla(alpha=0.34), runs, starts=64)  # alpha held
        >>> fit.free
        ('E', 'A', 'B', 'beta')
    """
    begin = time.perf_counter()
    if isinstance(law, Grouped):
        law, runs = with_families(law, runs)
    stated = Stated.of(law, loss, residual, bounds=bounds, tie=tie, precision=precision)
    stated = stated._replace(loss=sized(stated.loss, delta))
    options: dict[str, Any] = dict(
        optimizer=optimizer,
        starts=starts,
        seed=seed,
        precision=precision,
        max_steps=max_steps,
        progress=progress,
        mesh=mesh,
        begin=begin,
    )
    refuse_twofold(stated.residual, delta, isinstance(stated.law, FamilyLaw) and stated.law.pooled)
    if isinstance(stated.law, FamilyLaw) and stated.law.pooled:
        held = stated.constraints
        stated = stated._replace(constraints=held._replace(pooled=weak(stated.law, len(runs))))
        return fit_pooled(stated.on(runs, error), held, fit_problem, **options)
    problem = stated.on(runs, error)
    result = fit_problem(problem, **options)
    told = second(result, problem, delta)
    result = result if told.problem is None else fit_problem(told.problem, **options)
    settings, warnings = {**result.settings, **told.settings}, (*result.warnings, *told.notes)
    return dataclasses.replace(result, settings=settings, warnings=warnings)


def fit_problem(
    problem: Problem,
    *,
    optimizer: str | optax.GradientTransformation | None = None,
    starts: int | Law | Any = 1024,
    seed: int = 0,
    precision: str = "float64",
    max_steps: int | None = None,
    progress: Progress | None = None,
    mesh: Devices | None = None,
    begin: float | None = None,
) -> FitResult:
    """Fit a problem that is prepared already; options and errors as `fit`.

    Args:
        problem: of another fit, say: `fit_problem(result.problem.under(loss=Square()))`.
        optimizer: see `fit`.
        starts: see `fit`.
        seed: see `fit`.
        precision: see `fit`.
        max_steps: see `fit`.
        progress: see `fit`.
        mesh: see `fit`.
        begin: `time.perf_counter()` from which the total counts; default now.
    """
    begin = time.perf_counter() if begin is None else begin
    optimizer = transformation(optimizer)
    lap = row_of(optimizer).lap(len(problem.objective.space.specs))
    steps = lap if max_steps is None else max_steps
    search = Search(problem.objective, optimizer, precision, steps, mesh)
    lanes, extra = _starts(search, starts, seed)
    patient = max_steps is None
    found = _solved(search, lanes, patient, progress)
    # The grid's cells are no sample of the start box.
    sample = Solution(*(leaf[extra:] for leaf in found)) if len(lanes) > extra else found
    point = _best(search, found)
    result = assembled(problem, search, sample, point)
    if result.certificate.unsettled and isinstance(starts, int | np.integer):
        search.objective = cast(problem.objective, np.float64)  # a kink may have taken its place
        again = _solved(
            search, _fresh_starts(search, point[0], len(lanes), int(starts), seed), patient
        )
        found, sample = joined(found, again), joined(sample, again, int(starts))
        search.rounds = 2
        result = assembled(problem, search, sample, _best(search, found))
    settings = {
        "optimizer": name_of(optimizer),
        "max_steps": int(search.limits.max_steps),
        "seed": seed,
        "precision": precision,
    }
    seconds = {
        "compile": search.compile,
        "solve": search.work,
        "total": time.perf_counter() - begin,
    }
    return dataclasses.replace(result, settings=settings, seconds=seconds)


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
            raise ValueError(
                "starts=0 needs a law with linear parameters, and of the others few enough for a "
                "grid; give starts >= 1"
            )
        return lanes, 0
    cells, _ = search.run(best_cells, search.searched, axes, dtype=np.float64)
    return np.concatenate([cells, _completed(search, lanes)]), len(cells)


def _completed(search: Search, lanes: np.ndarray) -> np.ndarray:
    """Return random starts with their linear coordinates solved for where they may be negative."""
    specs = search.objective.space.specs
    if len(lanes) and any(spec.linear and not spec.positive for spec in specs):
        return search.each(completed, lanes)
    return lanes


def _fresh_starts(search: Search, z: np.ndarray, lanes: int, starts: int, seed: int) -> np.ndarray:
    """Return the starts of a second search: as many as of the first, and some around its best.

    Args:
        search: with the objective.
        z: the best point [P].
        lanes: of the first search; what its chunks leave room for starts around `z`.
        starts: random ones among them.
        seed: of the draws.
    """
    fresh = _completed(search, random_starts(search.objective, starts, seed, search=1))
    return np.concatenate([fresh, starts_near(search.objective, z, near(lanes, starts), seed)])


def near(lanes: int, starts: int) -> int:
    """Return how many starts of a second search are around the best point of the first.

    Args:
        lanes: of the first search.
        starts: random ones of the second.
    """
    size = chunk_size(lanes)
    return min(NEAR, -(-lanes // size) * size - starts)


def _solved(
    search: Search, lanes: np.ndarray, patient: bool, progress: Progress | None = None
) -> Solution:
    """Solve from `lanes` [S, P]; with patience the leaders go on beyond the limit of steps."""
    return search.solve(lanes, progress, patient=patient)


def joined(one: Solution, other: Solution, count: int | None = None) -> Solution:
    """Return the lanes of two searches.

    Args:
        one: the first search.
        other: the second.
        count: how many of its lanes; default all.
    """
    parts = zip(one, (leaf[:count] for leaf in other), strict=True)
    return Solution(*(np.concatenate(both) for both in parts))


def best_start(objective: Objective, solution: Solution) -> int:
    """Return the start that reached the least value.

    Args:
        objective: what was minimized.
        solution: what every start led to.

    Raises:
        FitError: every value is non-finite.
    """
    value = np.where(np.isfinite(solution.value), solution.value, np.inf)
    if np.isfinite(value).any():
        return int(np.argmin(value))
    counts = np.bincount(solution.status, minlength=len(Status))
    common = ", ".join(
        f"{Status(k).name.lower()} {counts[k]}" for k in np.argsort(-counts)[:3] if counts[k]
    )
    residual, size = objective.residual, float(objective.space.loss_scale)
    if residual.has_unit and size > 2.0**491:
        raise FitError(
            f"the objective overflows: losses of about {size:.1g}, squared, are beyond what "
            "float64 can hold; give the loss in smaller units, or use log residuals"
        )
    positive = f", and positive under {residual} residuals," if residual.positive else ""
    raise FitError(
        f"no start of {len(value)} led to a finite objective ({common}): is the law finite"
        f"{positive} on these runs?"
    )


def _best(search: Search, solution: Solution) -> tuple[np.ndarray, int]:
    """Return (z [P], status) of the best start, polished where the precision or loss asks."""
    best = best_start(search.objective, solution)
    z, status = solution.z[best], int(solution.status[best])
    loss = search.objective.loss
    sharper = loss.refinements()
    if not sharper and not search.polished:
        return z, status
    value = np.where(np.isfinite(solution.value), solution.value, np.inf)
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
