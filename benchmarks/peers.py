"""Other fitting libraries on the same runs: optimistix, lmfit, and the package `chinchilla`.

Each adapter uses the public interface as its documentation shows it, on the same objective, with
the form that is kindest to it: optimistix gets jaxscale's dimensionless coordinates (in raw
log-sum-exp coordinates its Levenberg-Marquardt is five times slower and reaches the optimum from
two starts of three), the minimizers the sum divided by delta**2. A library that is not installed
raises `Missing`, and its record says so.
"""

from __future__ import annotations

import importlib
import itertools
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from .measure import Missing
from .problems import Problem

CHUNK = 64
"""Lanes of one compiled optimistix call: 32 to 256 cost the same on a CPU."""


def load(name: str) -> Any:
    """Import an optional library.

    Raises:
        Missing: it is not installed, or cannot be imported.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise Missing(f"{name} cannot be imported: {error}") from error


def _objective_at(problem: Problem) -> tuple[Any, Callable[..., np.ndarray], Callable[..., Any]]:
    """Return the objective, starts theta -> z, and z -> theta, all in float64."""
    from jaxscale.varpro.starts import given_starts

    from .methods import law_of, prepared, theta_of

    objective = prepared(problem)

    def theta(z: np.ndarray) -> np.ndarray:
        physical = objective.space.physical(tuple(np.asarray(z, float).T))
        return theta_of(
            objective.law.replace(**{name: np.asarray(x) for name, x in physical.items()})
        )

    return objective, lambda starts: given_starts(objective, law_of(starts)), theta


def _optimistix(solver: str) -> Callable[[Problem], Callable[[np.ndarray], Any]]:
    def prepare_for(problem: Problem) -> Callable[[np.ndarray], Any]:
        optimistix = load("optimistix")
        import jax
        import jax.numpy as jnp

        from .methods import Solved

        objective, to_z, to_theta = _objective_at(problem)
        delta = problem.delta

        def residuals(z: Any, objective: Any) -> Any:  # half their squares sum to rho / delta^2
            r = objective.residuals(z)
            size = jnp.abs(r)
            tail = jnp.sqrt(jnp.where(size > delta, (2 * size - delta) * delta, 1.0))
            signed = jnp.where(size <= delta, r, jnp.sign(r) * tail)
            return jnp.sqrt(objective.weight) * signed / delta

        def one(z: Any, objective: Any) -> Any:
            options = {"args": objective, "max_steps": 1000, "throw": False}
            if solver == "LevenbergMarquardt":
                method = optimistix.LevenbergMarquardt(rtol=1e-8, atol=1e-8)
                found = optimistix.least_squares(residuals, method, z, **options)
            else:
                method = optimistix.BFGS(rtol=1e-8, atol=1e-8)
                found = optimistix.minimise(lambda z, o: o.value(z), method, z, **options)
            return found.value, found.stats["num_steps"]

        program = jax.jit(jax.vmap(one, in_axes=(0, None)))

        def solve(starts: np.ndarray) -> Solved:
            with jax.enable_x64(True), np.errstate(all="ignore"):
                z, parts = to_z(starts), []
                for first in range(0, len(z), CHUNK):
                    part = z[first : first + CHUNK]
                    padded = np.concatenate([part, np.repeat(part[:1], CHUNK - len(part), axis=0)])
                    parts.append(
                        [x[: len(part)] for x in jax.device_get(program(padded, objective))]
                    )
                z, steps = (np.concatenate(leaves) for leaves in zip(*parts, strict=True))
                return Solved(to_theta(z), steps)

        return solve

    return prepare_for


def _lmfit(problem: Problem) -> Callable[[np.ndarray], Any]:
    lmfit = load("lmfit")
    from .methods import one_by_one, terms

    names = ("a", "b", "e", "alpha", "beta")

    def residuals(parameters: Any) -> np.ndarray:
        return terms(problem, np.array([parameters[name].value for name in names]))[2]

    def solve(start: np.ndarray) -> tuple[np.ndarray, int]:
        parameters = lmfit.Parameters()
        for name, value in zip(names, start, strict=True):
            parameters.add(name, value=float(value))
        found = lmfit.Minimizer(residuals, parameters, calc_covar=False).minimize(
            method="least_squares", loss="huber", f_scale=problem.delta
        )
        return np.array([found.params[name].value for name in names]), int(found.nfev)

    return one_by_one(solve)


def rivals() -> tuple[Any, ...]:
    """Return the libraries that take any start; importing them is left to `prepare`."""
    from .methods import Rival

    return (
        Rival("optimistix LM", "optimistix",
              "LevenbergMarquardt under jit and vmap, residuals sqrt(2 rho), dimensionless",
              _optimistix("LevenbergMarquardt"), CHUNK),
        Rival("optimistix BFGS", "optimistix",
              "BFGS under jit and vmap on sum/delta^2, dimensionless", _optimistix("BFGS"), CHUNK),
        Rival("lmfit", "lmfit",
              "Minimizer, least_squares with loss='huber', f_scale=delta, numeric Jacobian",
              _lmfit, 4),
    )  # fmt: skip


# --- the package chinchilla: takes a grid, returns the best point only ------------------------


def chinchilla_subgrid(seed: int) -> dict[str, tuple[float, ...]]:
    """Return two neighbors per axis of the classic grid: 32 starts in the package's own words."""
    rng = np.random.default_rng(seed)
    axes = {"e": (-1.0, 1.0, 0.5), "a": (0.0, 25.0, 5.0), "b": (0.0, 25.0, 5.0),
            "alpha": (0.0, 2.0, 0.5), "beta": (0.0, 2.0, 0.5)}  # fmt: skip
    grid = {}
    for name, (low, high, step) in axes.items():
        values = np.arange(low, high + step / 2, step)
        first = int(rng.integers(len(values) - 1))
        grid[name] = tuple(float(x) for x in values[first : first + 2])
    return grid


class LogHuber:
    """The loss in the form that the package expects; its mean over n runs is sum / delta**2."""

    def __init__(self, problem: Problem) -> None:
        self.delta, self.n = problem.delta, len(problem.N)

    def __call__(self, true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """Return the loss of every run [n]."""
        size = np.abs(np.log(predicted) - np.log(true))
        tail = self.delta * (size - self.delta / 2)
        return np.where(size <= self.delta, size**2 / 2, tail) * self.n / self.delta**2


def chinchilla_fit(problem: Problem, grid: dict[str, Any], parallel: bool = True) -> dict[str, Any]:
    """Fit with `chinchilla.Chinchilla.fit`; runs in a process without JAX, because it forks.

    Returns:
        theta [5] as a list, the number of starts, and CPU and wall seconds of `fit` alone.
    """
    import resource

    package = load("chinchilla")

    def cpu() -> float:
        usage = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(u.ru_utime + u.ru_stime for u in usage)

    with tempfile.TemporaryDirectory() as folder, np.errstate(all="ignore"):
        fitter = package.Chinchilla(
            project_dir=folder, param_grid=grid, loss_fn=LogHuber(problem), log_level=50
        )
        for N, D, loss in zip(problem.N, problem.D, problem.loss, strict=True):
            fitter.append(N=float(N), D=float(D), loss=float(loss))
        wall, busy = time.perf_counter(), cpu()
        fitter.fit(parallel=parallel)
        cost = {"wall": time.perf_counter() - wall, "cpu": cpu() - busy}
        found = fitter.get_params()
    theta = [*(float(np.log(found[name])) for name in ("A", "B", "E")),
             found["alpha"], found["beta"]]  # fmt: skip
    return {"theta": theta, "starts": len(list(itertools.product(*grid.values()))), **cost}
