"""Time to a solution on every table with a best-known optimum: a performance profile.

A problem counts as solved within 1e-6 of the best. jaxscale is charged for a whole warm fit. A
rival is charged for random classic starts, one after another, up to the first that succeeds: an
oracle that no user has tells it when to stop, which is kinder to it than any rule it could use.
It gives up after a budget of seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..measure import Cost, Missing, Options, Ratio, Record, timed
from ..methods import OWN, SCIPY, Own, Rival, fit, theta_of
from ..peers import rivals
from ..problems import Problem, gold_problems, synthetic

BUDGET = {"quick": 0.5, "full": 4.0}
NAMES = ("L-BFGS-B", "L-BFGS-B scaled", "BFGS scaled", "optimistix LM")
QUESTION = "wall to a solution, geometric mean over the problems both solve"
EVERY = 5
"""The quick suite takes every fifth table."""


def own_round(record: Record, own: Own, problem: Problem, precision: str) -> None:
    """Fit once, warm; the first call is noted apart."""
    if record.first is None:
        result, cost = timed(lambda: fit(own, problem, precision))
        record.first = {"compile_s": float(result.seconds["compile"]), "cpu_s": cost.cpu,
                        "wall_s": cost.wall}  # fmt: skip
    result, cost = timed(lambda: fit(own, problem, precision))
    record.answer = float(problem.value(theta_of(result.law)))
    record.add(cost)


def rival_round(
    record: Record,
    solve: Callable[[np.ndarray], Any],
    problem: Problem,
    limits: tuple[int, float, int],
) -> None:
    """Try starts until one succeeds or the budget is spent; grading is not charged.

    Args:
        record: where the cost goes.
        solve: takes starts theta [K, 5].
        problem: grades.
        limits: starts per call, seconds at most, seed of the order of the starts.
    """
    each, budget, seed = limits
    order = np.random.default_rng(seed).permutation(len(problem.starts))
    cpu = wall = 0.0
    lowest = np.inf
    for first in range(0, len(order), each):
        part = problem.starts[order[first : first + each]]
        solved, cost = timed(lambda part=part: solve(part))
        cpu, wall = cpu + cost.cpu, wall + cost.wall
        record.run = max(record.run, first + len(part))
        value = problem.value(solved.theta)
        lowest = min(lowest, float(np.min(np.where(np.isfinite(value), value, np.inf))))
        if problem.success(lowest, record.best) or wall > budget:
            break
    record.add(Cost(cpu, wall))
    record.answer = lowest
    record.extra["solved"].append(bool(problem.success(lowest, record.best)))


def _record(problem: Problem, method: Own | Rival, dtype: str) -> Record:
    family = getattr(method, "family", "jaxscale")
    record = Record("gold", problem.name, len(problem.N), method.name, family,
                    "time to a solution", dtype=dtype, best=problem.best_known)  # fmt: skip
    record.extra["solved"] = []
    return record


def _one(problem: Problem, options: Options) -> list[Record]:
    budget = BUDGET[options.size]
    records, turns = [], []
    for precision in options.precisions:
        for own in (each for each in OWN if each.name != "jaxscale classic"):
            record = _record(problem, own, precision)
            records.append(record)

            def turn(_: int, record: Any = record, own: Any = own, precision: Any = precision):
                own_round(record, own, problem, precision)
                record.extra["solved"].append(bool(problem.success(record.answer, record.best)))

            turns.append(turn)
    for rival in (r for r in (*SCIPY, *rivals()) if r.name in NAMES):
        record = _record(problem, rival, "float64")
        records.append(record)
        try:
            solve = rival.prepare(problem)
        except Missing as error:
            record.skipped, record.run = str(error), 0
            continue
        _, cost = timed(lambda solve=solve: solve(problem.starts[:1]))
        if rival.per_round:
            record.first = {"compile_s": None, "cpu_s": cost.cpu, "wall_s": cost.wall}
        each = rival.per_round or 1

        def turn(k: int, record: Any = record, solve: Any = solve, each: int = each):
            rival_round(record, solve, problem, (each, budget, options.seed + k))

        turns.append(turn)
    for k in range(options.rounds):
        for turn in turns if k % 2 == 0 else reversed(turns):
            turn(k)
    return records


def _with_best(problem: Problem) -> Problem:
    """Return the problem with the value of a fit from every classic start as its best."""
    import dataclasses

    classic = next(own for own in OWN if own.name == "jaxscale classic")
    best = float(problem.value(theta_of(fit(classic, problem, "float64").law)))
    return dataclasses.replace(problem, best_known=best)


def run(options: Options) -> tuple[list[Record], list[Ratio]]:
    """Run every fifth table (quick) or all; without tables, three simulated ones."""
    if options.problem is not None:
        problems = [options.problem]
    else:
        problems = gold_problems()[:: EVERY if options.size == "quick" else 1]
        problems = problems or [synthetic(n, seed=n) for n in (60, 120, 240)]
    records = []
    for k, problem in enumerate(problems):
        options.say(f"gold {k + 1} of {len(problems)}: {problem.name}")
        known = problem if problem.best_known is not None else _with_best(problem)
        records += _one(known, options)
    return records, _ratios(records, options)


def _ratios(records: list[Record], options: Options) -> list[Ratio]:
    names = dict.fromkeys((r.method, r.dtype) for r in records if r.family == "jaxscale")
    rivals = dict.fromkeys(r.method for r in records if r.family != "jaxscale")
    found = []
    for own, dtype in names:
        for rival in rivals:
            pairs = [
                (a, b)
                for a in records
                for b in records
                if a.method == own and a.dtype == dtype and b.method == rival
                if a.problem == b.problem and all(a.extra["solved"]) and all(b.extra["solved"])
                if a.wall and b.wall
            ]
            rounds = [
                float(np.exp(np.mean([np.log(b.wall[k] / a.wall[k]) for a, b in pairs])))
                for k in range(options.rounds if pairs else 0)
            ]
            name = f"{len({r.problem for r in records})} tables"
            found.append(Ratio("gold", name, QUESTION, own, rival, dtype, rounds))
    return found
