"""Refits of bootstrap replicates: `jaxscale.refit` on a batch of weights against SciPy, warm.

A replicate draws n runs with replacement: integer weights w[B, n]. Both start at the optimum of
all runs. SciPy refits a few replicates per round and its time is scaled up to all of them. On
those few, the lowest value that anybody found counts as the best of a replicate.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize

import jaxscale

from ..apart import SimpleJob, least_squares_job
from ..measure import Job, Options, Ratio, Record, compiled, interleave, ratio
from ..methods import OWN, fit, theta_of, value_and_grad
from ..problems import Problem, default_problem

QUESTION = "wall of all refits"
DRAWS = 1000
"""Refits of simple-scaling-laws, as it comes."""


def weights_of(problem: Problem, count: int, seed: int) -> np.ndarray:
    """Return how often every run is drawn, w [count, n], as floats."""
    n = len(problem.N)
    rng = np.random.default_rng(seed)
    return rng.multinomial(n, np.full(n, 1 / n), size=count).astype(float)


def scipy_job(record: Record, problem: Problem, weights: np.ndarray, theta: np.ndarray) -> Job:
    """Return SciPy BFGS on sum/delta^2 from the optimum, a slice of replicates per round."""
    scale = problem.delta**2

    def one(weight: np.ndarray) -> Any:
        arguments = (problem, scale, weight)
        return minimize(value_and_grad, theta, args=arguments, jac=True, method="BFGS")

    each = record.extra["per_round"]

    def call(turn: int) -> Any:
        with np.errstate(all="ignore"):
            return [one(weight) for weight in weights[turn * each : (turn + 1) * each]]

    def finish(record: Record, results: list[Any]) -> None:
        found = [one for part in results for one in part]
        record.values = problem.value(np.array([f.x for f in found]), weights[: len(found)])
        record.steps = np.array([f.nfev for f in found])

    return Job(record, call, factor=record.total / each, finish=finish)


def own_job(record: Record, fitted: Any, problem: Problem, weights: np.ndarray) -> Job | Record:
    """Return `jaxscale.refit` on all replicates, or its record with the reason of a skip."""
    if not hasattr(jaxscale, "refit"):
        record.skipped, record.run = "this jaxscale has no refit()", 0
        return record

    def call(_: int = 0) -> Any:
        return jaxscale.refit(fitted, weights=weights, guards=1)

    try:
        _, record.first = compiled(call)
    except TypeError as error:
        record.skipped, record.run = f"jaxscale.refit has another signature: {error}", 0
        return record

    def finish(record: Record, results: list[Any]) -> None:
        theta = theta_of(results[-1].law)
        record.values = problem.value(theta, weights)
        record.extra["reported"] = np.asarray(results[-1].value)

    return Job(record, call, finish=finish)


def run(options: Options) -> tuple[list[Record], list[Ratio]]:
    """Refit replicates of the published problem: 4,096, or 64 of a given one."""
    problem = options.problem or default_problem()
    count = 4096 if options.problem is None else 64
    each = min(4 if options.size == "quick" else 20, count // options.rounds)
    weights = weights_of(problem, count, options.seed)
    options.say("bootstrap: fit of all runs")
    fitted = fit(OWN[0], problem, "float64")

    def record(method: str, family: str, job: str, run: int) -> Record:
        return Record("bootstrap", problem.name, len(problem.N), method, family, job, count, run)

    job = f"{count} replicate refits from the optimum"
    own = record("jaxscale refit", "jaxscale", f"{job} and one guard", count)
    rival = record("BFGS scaled", "scipy", f"SciPy, {job}", each * options.rounds)
    rival.extra["per_round"] = each
    jobs = [own_job(own, fitted, problem, weights),
            scipy_job(rival, problem, weights, theta_of(fitted.law)),
            least_squares_job(problem, min(count, DRAWS)),
            SimpleJob(problem, min(count, DRAWS))]  # fmt: skip
    interleave([j for j in jobs if isinstance(j, Job)], options.rounds, options.say)
    _grade([own, rival])
    squares, simple = (job.record for job in jobs[2:])  # of another objective
    again = ratio("CPU of a fit and its refits, warm", squares, simple, quantity="cpu")
    return [own, rival, squares, simple], [ratio(QUESTION, own, rival, target=200.0), again]


def _grade(records: list[Record]) -> None:
    """Grade the replicates that every method refitted; no single answer stands for a batch."""
    graded = [r for r in records if len(r.values)]
    if len(graded) < 2:  # nobody grades himself
        return
    shared = min(len(r.values) for r in graded)
    for record in graded:
        record.values = record.values[:shared]
    best = np.min([r.values for r in graded], axis=0)
    for record in graded:
        record.best = best
