"""Surfaces over the exponents: `jaxscale.exponent_grid` against the same grid in NumPy, warm.

`surface` is the compiled kernel alone; `exponent_grid` also checks the runs and finds the minima.
Least squares of relative residuals on 99 x 99 and 981 x 981 cells, log-Huber on 99 x 99. NumPy
takes the normal equations of all cells from matrix products (`einsum`), solves them in one
batched call, and meets the Huber loss by reweighting. The answer of either
is its lowest cell, and the problem grades the parameters there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

import jaxscale
from jaxscale._numerics import programs
from jaxscale._numerics.precision import cast, scope
from jaxscale.fitting.preparation import prepare
from jaxscale.varpro.grid import coordinates, surface

from ..measure import Job, Options, Ratio, Record, compiled, interleave, ratio
from ..methods import runs_of, theta_of
from ..problems import Problem, default_problem

CASES = (("square 99x99", 0.01, False), ("square 981x981", 0.001, False),
         ("huber 99x99", 0.01, True))  # fmt: skip
ROUNDS = 6
"""Reweightings in NumPy: what it takes to get as low as jaxscale does."""


def axis(resolution: float) -> np.ndarray:
    """Return the exponents from .02 to 1 in steps of `resolution`."""
    count = round(0.98 / resolution) + 1
    return 0.02 + 0.98 / (count - 1) * np.arange(count)


def relative_squares(problem: Problem, theta: np.ndarray) -> float:
    """Return the sum of squared relative residuals at `theta` [5]."""
    a, b, e, alpha, beta = theta
    prediction = np.exp(e) + np.exp(a) * problem.N**-alpha + np.exp(b) * problem.D**-beta
    return float((((prediction - problem.loss) / problem.loss) ** 2).sum())


def _solve(gram: list[list[Any]], rhs: list[Any]) -> np.ndarray:
    """Return coefficients [..., 3]; cells that are singular or not positive give NaN."""
    shape = np.broadcast_shapes(*(np.shape(x) for row in gram for x in row))
    left = np.stack([np.stack([np.broadcast_to(x, shape) for x in row], -1) for row in gram], -2)
    right = np.stack([np.broadcast_to(x, shape) for x in rhs], -1)[..., None]
    size = np.sqrt(np.einsum("...kk->...k", left))
    scaled = left / size[..., :, None] / size[..., None, :]
    found = np.linalg.solve(scaled, right / size[..., None])[..., 0] / size
    return np.where((found > 0).all(-1, keepdims=True), found, np.nan)


def numpy_grid(problem: Problem, resolution: float, huber: bool) -> np.ndarray:
    """Return theta [5] of the lowest cell."""
    alpha = beta = axis(resolution)
    x_scale, y_scale = np.exp(problem.logs[0].mean()), np.exp(problem.logs[1].mean())
    X = (problem.N / x_scale) ** -alpha[:, None] / problem.loss  # [a, n], relative
    Z = (problem.D / y_scale) ** -beta[:, None] / problem.loss  # [b, n]
    one = 1 / problem.loss
    xx, xo, xy = (X * X).sum(1)[:, None], (X @ one)[:, None], X.sum(1)[:, None]
    zz, zo, zy = (Z * Z).sum(1), Z @ one, Z.sum(1)
    xz, oo, oy = np.einsum("an,bn->ab", X, Z, optimize=True), one @ one, one.sum()
    c = _solve([[oo, xo, zo], [xo, xx, xz], [zo, xz, zz]], [oy, xy, zy])  # [a, b, 3]
    value = len(one) - c[..., 0] * oy - c[..., 1] * xy - c[..., 2] * zy
    if huber:
        c, value = _reweighted(problem, X, Z, c)
    at = np.unravel_index(int(np.nanargmin(value)), value.shape)
    i, j = at
    e, a, b = np.log(c[at])
    a += alpha[i] * np.log(x_scale)
    b += beta[j] * np.log(y_scale)
    return np.array([a, b, e, alpha[i], beta[j]])


def _reweighted(
    problem: Problem, X: np.ndarray, Z: np.ndarray, c: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return coefficients [a, b, 3] and log-Huber values [a, b] after `ROUNDS` reweightings."""
    c, delta, one = c.copy(), problem.delta, 1 / problem.loss
    value = np.full(c.shape[:2], np.nan)
    for i, x in enumerate(X):
        columns = np.stack([np.broadcast_to(one, Z.shape), np.broadcast_to(x, Z.shape), Z])
        if i:  # a row starts from the one before, as jaxscale's does
            c[i] = np.where(np.isfinite(c[i - 1]), c[i - 1], c[i])
        for _ in range(ROUNDS):
            r = np.abs(np.einsum("bk,kbn->bn", c[i], columns) - 1)
            w = columns * (delta / np.maximum(r, delta))
            gram, rhs = np.einsum("kbn,lbn->klb", w, columns), w.sum(-1)
            good = np.isfinite(gram).all((0, 1))
            gram[:, :, ~good] = np.eye(3)[..., None]
            c[i] = np.where(good[:, None], _solve(list(map(list, gram)), list(rhs)), np.nan)
        r = np.abs(np.log(np.einsum("bk,kbn->bn", c[i], columns)))
        value[i] = np.where(r <= delta, r * r / 2, delta * (r - delta / 2)).sum(-1)
    return c, value


def _kernel(problem: Problem, case: tuple[str, float, bool]) -> Job:
    """Return the compiled surface of a case, called on prepared data."""
    name, resolution, huber = case
    axes = (axis(resolution),) * 2
    loss = jaxscale.Huber(problem.delta) if huber else jaxscale.Square()
    law, residual = jaxscale.Chinchilla(), "log" if huber else "relative"
    objective = cast(prepare(law, runs_of(problem), loss, residual).objective, np.float64)
    made, _ = programs.program(surface, objective, axes, dtype=np.float64)
    record = Record("grid", problem.name, len(problem.N), f"surface {name}", "jaxscale",
                    "the compiled kernel", axes[0].size**2, axes[0].size**2)  # fmt: skip

    def call(_: int = 0) -> Any:
        with scope(np.float64):
            return jax.block_until_ready(made.executable(objective, axes))

    def finish(record: Record, results: list[Any]) -> None:
        with scope(np.float64):
            found = jax.device_get(results[-1])
            at = np.unravel_index(int(np.argmin(found.value)), found.value.shape)
            point = [values[k] for values, k in zip(axes, at, strict=True)]
            z = coordinates(objective, point, [x[at] for x in found.coefficients])
            theta = theta_of(objective.law_at(z))
        record.answer = _grade(problem, theta, huber)

    call()
    return Job(record, call, repeats=5, finish=finish)


def _grade(problem: Problem, theta: np.ndarray, huber: bool) -> float:
    return float(problem.value(theta)) if huber else relative_squares(problem, theta)


def _jobs(problem: Problem, case: tuple[str, float, bool]) -> list[Job | Record]:
    name, resolution, huber = case
    cells = len(axis(resolution)) ** 2

    def own() -> Any:
        loss = jaxscale.Huber(problem.delta) if huber else jaxscale.Square()
        return jaxscale.exponent_grid(
            jaxscale.Chinchilla(), runs_of(problem), loss=loss, resolution=resolution,
            residual="log" if huber else "relative",
        )  # fmt: skip

    def rival() -> Any:
        with np.errstate(all="ignore"):
            return numpy_grid(problem, resolution, huber)

    def job(method: str, family: str, call: Callable[[], Any], theta: Any) -> Job | Record:
        record = Record("grid", problem.name, len(problem.N), f"{method} {name}", family,
                        f"{cells} cells", cells, cells)  # fmt: skip
        if family == "jaxscale":
            if not hasattr(jaxscale, "exponent_grid"):
                record.skipped, record.run = "this jaxscale has no exponent_grid()", 0
                return record
            _, record.first = compiled(call)

        def finish(record: Record, results: list[Any]) -> None:
            record.answer = _grade(problem, theta(results[-1]), huber)

        repeats = 5 if family == "jaxscale" and resolution > 0.005 else 1
        return Job(record, lambda turn: call(), repeats=repeats, finish=finish)

    return [job("exponent_grid", "jaxscale", own, lambda found: theta_of(found.law)),
            job("numpy", "numpy", rival, lambda theta: theta)]  # fmt: skip


def run(options: Options) -> tuple[list[Record], list[Ratio]]:
    """Time the surfaces of the published problem, or the small ones of a given one."""
    problem = options.problem or default_problem()
    cases = CASES if options.problem is None else (("square 99x99", 0.01, False),
                                                   ("huber 50x50", 0.02, True))  # fmt: skip
    options.say("grid: first calls")
    pairs = [_jobs(problem, case) for case in cases]
    kernels = [_kernel(problem, case) for case in cases]
    jobs = [job for pair in pairs for job in pair if isinstance(job, Job)] + kernels
    interleave(jobs, options.rounds, options.say)
    records, ratios = [], []
    for case, pair, kernel in zip(cases, pairs, kernels, strict=True):
        own, rival = (job.record if isinstance(job, Job) else job for job in pair)
        answers = [r.answer for r in (own, rival, kernel.record) if r.answer is not None]
        own.best = rival.best = kernel.record.best = min(answers)
        records += [own, rival, kernel.record]
        ratios.append(ratio(f"wall of the surface, {case[0]}", own, rival))
    return records, ratios
