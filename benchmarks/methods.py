"""What solves it: jaxscale from three kinds of starts, and what the field uses of SciPy.

Every SciPy solver minimizes the same function of theta = (a, b, e, alpha, beta) in log-sum-exp
form with its analytic gradient, with SciPy's default options. The plain sum is what the field
minimizes; as it is about 1e-3 at its minimum, SciPy's absolute tolerances stop early there, so
that each minimizer is also run on the sum divided by delta**2 ("scaled"), kinder to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from scipy.optimize import least_squares, minimize

import jaxscale
from jaxscale.engine.dispatch import Search
from jaxscale.engine.thinning import worth_thinning
from jaxscale.fitting.preparation import prepare
from jaxscale.varpro.starts import given_starts, random_starts

from .problems import Problem

DEFAULT_STARTS = 1024


class Solved(NamedTuple):
    """What became of every start."""

    theta: np.ndarray  # [S, 5]
    steps: np.ndarray  # [S] evaluations
    thin: bool = (
        False  # whether most of them were on a thin table: then a cost per run means nothing
    )


class Own(NamedTuple):
    """A way to call `jaxscale.fit`."""

    name: str
    job: str  # in words
    starts: Callable[[Problem], Any]  # the argument `starts` of the fit
    repeats: int  # calls in one round


class Rival(NamedTuple):
    """A solver of another library, from given starts.

    Attributes:
        name: of the method.
        family: the library.
        job: in words.
        prepare: problem -> solve, which takes starts theta [K, 5] to `Solved`. Raises `Missing`.
        per_round: starts in one round; None: as many as the options ask for.
    """

    name: str
    family: str
    job: str
    prepare: Callable[[Problem], Callable[[np.ndarray], Solved]]
    per_round: int | None = None


def law_of(theta: np.ndarray) -> jaxscale.Chinchilla:
    """Return the law with leaves [S] at `theta` [S, 5]."""
    a, b, e, alpha, beta = theta.T
    return jaxscale.Chinchilla(E=np.exp(e), A=np.exp(a), B=np.exp(b), alpha=alpha, beta=beta)


def theta_of(law: jaxscale.Law) -> np.ndarray:
    """Return theta [..., 5] of a law; inverse of `law_of`."""
    values = [np.asarray(getattr(law, name), float) for name in ("A", "B", "E", "alpha", "beta")]
    return np.stack([*np.log(values[:3]), *values[3:]], axis=-1)


def runs_of(problem: Problem) -> jaxscale.Runs:
    """Return the problem's table as jaxscale takes it."""
    return jaxscale.Runs(N=problem.N, D=problem.D, loss=problem.loss)


def prepared(problem: Problem) -> jaxscale.Objective:
    """Return the objective of the problem as the engine takes it, in float64."""
    law, loss = jaxscale.Chinchilla(), jaxscale.Huber(problem.delta)
    objective = prepare(law, runs_of(problem), loss, "log").objective
    return jax.tree.map(lambda leaf: np.asarray(leaf, float), objective)


OWN = (
    Own("jaxscale default", "the default fit: 1,024 random starts and the grid",
        lambda problem: DEFAULT_STARTS, 3),
    Own("jaxscale grid", "variable projection: exponent grid, then 16 polishes (starts=0)",
        lambda problem: 0, 20),
    Own("jaxscale classic", "every classic start", lambda problem: law_of(problem.starts), 1),
)  # fmt: skip


def fit(own: Own, problem: Problem, precision: str) -> jaxscale.FitResult:
    """Call `jaxscale.fit` once, as a user would."""
    return jaxscale.fit(
        jaxscale.Chinchilla(),
        runs_of(problem),
        loss=jaxscale.Huber(problem.delta),
        starts=own.starts(problem),
        precision=precision,
    )


def trace(own: Own, problem: Problem, precision: str) -> Solved | None:
    """Return parameters and steps of every start of a fit, untimed; None for the grid.

    A `FitResult` holds the values that starts reached but not their parameters, without which
    nobody but the fit itself could grade them. So the same starts go through the same search once.
    """
    starts = own.starts(problem)
    if isinstance(starts, int) and starts == 0:
        return None
    law, objective = jaxscale.Chinchilla(), prepared(problem)
    with jax.enable_x64(True):
        if isinstance(starts, int):
            z = random_starts(objective, starts, 0)
        else:
            z = given_starts(objective, starts)
    solution = Search(objective, jaxscale.newton(), precision).solve(z)
    with jax.enable_x64(True):
        physical = objective.space.physical(tuple(np.asarray(solution.z, float).T))
        fitted = law.replace(**{name: np.asarray(x) for name, x in physical.items()})
    thin = worth_thinning(objective, len(z))
    return Solved(theta_of(fitted), np.asarray(solution.steps), thin)


def terms(problem: Problem, theta: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return log N, log D, log residuals [n] and the shares [n] of the three terms."""
    a, b, e, alpha, beta = theta
    log_N, log_D, log_loss = problem.logs
    x, y = a - alpha * log_N, b - beta * log_D
    top = np.maximum(np.maximum(x, y), e)
    p, q, s = np.exp(x - top), np.exp(y - top), np.exp(e - top)
    total = p + q + s
    return log_N, log_D, top + np.log(total) - log_loss, p / total, q / total, s / total


def value_and_grad(
    theta: np.ndarray, problem: Problem, scale: float = 1.0, weight: np.ndarray | float = 1.0
) -> tuple[float, np.ndarray]:
    """Return the weighted sum of the Huber loss divided by `scale`, and its gradient [5]."""
    log_N, log_D, r, p, q, s = terms(problem, theta)
    psi = np.minimum(np.maximum(r, -problem.delta), problem.delta)
    value = (weight * psi) @ (r - 0.5 * psi)
    psi = weight * psi
    gp, gq = psi * p, psi * q
    grad = np.array([gp.sum(), gq.sum(), psi @ s, -(gp @ log_N), -(gq @ log_D)])
    return value / scale, grad / scale


def one_by_one(
    solve: Callable[[np.ndarray], tuple[np.ndarray, int]],
) -> Callable[[np.ndarray], Solved]:
    """Return a solver of many starts from a solver of one: start [5] -> (theta [5], steps)."""

    def many(starts: np.ndarray) -> Solved:
        with np.errstate(all="ignore"):
            found = [solve(start) for start in starts]
        return Solved(np.array([theta for theta, _ in found]), np.array([k for _, k in found]))

    return many


def _minimizer(method: str, scaled: bool) -> Callable[[Problem], Callable[..., Solved]]:
    def prepare_for(problem: Problem) -> Callable[[np.ndarray], Solved]:
        scale = problem.delta**2 if scaled else 1.0

        def solve(start: np.ndarray) -> tuple[np.ndarray, int]:
            found = minimize(value_and_grad, start, args=(problem, scale), jac=True, method=method)
            return found.x, int(found.nfev)

        return one_by_one(solve)

    return prepare_for


def _least_squares(problem: Problem) -> Callable[[np.ndarray], Solved]:
    def residuals(theta: np.ndarray) -> np.ndarray:
        return terms(problem, theta)[2]

    def jacobian(theta: np.ndarray) -> np.ndarray:
        log_N, log_D, _, p, q, s = terms(problem, theta)
        return np.stack([p, q, s, -p * log_N, -q * log_D], axis=1)

    def solve(start: np.ndarray) -> tuple[np.ndarray, int]:
        found = least_squares(residuals, start, jac=jacobian, loss="huber", f_scale=problem.delta)
        return found.x, int(found.nfev)

    return one_by_one(solve)


REFERENCE = "L-BFGS-B"
SCIPY = (
    Rival(REFERENCE, "scipy", "SciPy L-BFGS-B on the plain sum", _minimizer("L-BFGS-B", False)),
    Rival("L-BFGS-B scaled", "scipy", "SciPy L-BFGS-B, sum/delta^2", _minimizer("L-BFGS-B", True)),
    Rival("BFGS", "scipy", "SciPy BFGS on the plain sum", _minimizer("BFGS", False)),
    Rival("BFGS scaled", "scipy", "SciPy BFGS on sum/delta^2", _minimizer("BFGS", True)),
    Rival("least_squares", "scipy", "SciPy least_squares(loss='huber', f_scale=delta)",
          _least_squares),
)  # fmt: skip
