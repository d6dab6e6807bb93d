"""The published problem: three ways to call `fit` against SciPy and other fitting libraries."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import child
from ..apart import NlsqJob
from ..measure import Job, Missing, Options, Ratio, Record, interleave, ratio, share, timed
from ..methods import OWN, REFERENCE, SCIPY, Own, Rival, fit, theta_of, trace
from ..peers import chinchilla_subgrid, rivals
from ..problems import TOLERANCE, Problem, default_problem

SUCCESS_TARGETS = {REFERENCE: 300.0, "optimistix LM": 40.0}
WALL_TARGETS = {"default": 20.0, "grid": 4000.0, "classic": 35.0}
SUCCESS = "CPU per successful classic start"


def own_job(own: Own, problem: Problem, precision: str, suite: str = "epoch") -> Job:
    """Return a warm job that calls `jaxscale.fit`; its first call is made, and noted, here."""

    def call(_: int) -> Any:
        return fit(own, problem, precision)

    result, cost = timed(lambda: call(0))
    solved = trace(own, problem, precision)
    count = 1 if solved is None else len(result.start_values)
    record = Record(
        suite, problem.name, len(problem.N), own.name, "jaxscale", own.job, count, count, precision
    )
    record.first = {
        "compile_s": float(result.seconds["compile"]), "cpu_s": cost.cpu, "wall_s": cost.wall,
    }  # fmt: skip
    record.answer = float(problem.value(theta_of(result.law)))
    record.values = np.array([record.answer])
    record.extra["median_steps"] = float(result.certificate.median_steps)
    if solved is not None:
        record.values, record.steps = problem.value(solved.theta), solved.steps
        record.extra["reported"] = np.asarray(result.start_values)
        record.extra["thin"] = solved.thin
    call(0)
    return Job(record, call, repeats=own.repeats)


def rival_job(rival: Rival, problem: Problem, options: Options, rounds: int) -> Job | Record:
    """Return a job that solves another slice of the classic starts per round, or a skip."""
    total = len(problem.starts)
    each = rival.per_round
    if each is None:
        count = total if options.rival_starts is None else options.rival_starts
    else:
        count = total if options.rival_starts is None and each > 32 else each * rounds
    count = min(max(count, rounds), total)
    record = Record(
        "epoch", problem.name, len(problem.N), rival.name, rival.family, rival.job, total, count
    )
    drawn = np.random.default_rng(options.seed).permutation(total)[:count]
    slices = np.array_split(drawn, rounds)
    try:
        solve = rival.prepare(problem)
    except Missing as error:
        record.run, record.skipped = 0, str(error)
        return record
    _, cost = timed(lambda: solve(problem.starts[:1]))
    if rival.family == "optimistix":
        record.first = {"compile_s": None, "cpu_s": cost.cpu, "wall_s": cost.wall}

    def finish(record: Record, results: list[Any]) -> None:
        values = problem.value(np.concatenate([solved.theta for solved in results]))
        record.values = np.where(np.isfinite(values), values, np.inf)
        record.steps = np.concatenate([solved.steps for solved in results])
        record.answer = float(record.values.min())

    factor = [total / len(part) for part in slices]
    return Job(
        record, lambda turn: solve(problem.starts[slices[turn]]), factor=factor, finish=finish
    )


class ChinchillaJob(Job):
    """The package chinchilla on a random sub-grid per round; seconds are those of its `fit`."""

    def __init__(self, problem: Problem, options: Options) -> None:
        record = Record(
            "epoch", problem.name, len(problem.N), "chinchilla", "chinchilla",
            "its own grid and BFGS (numeric gradient, long double, all cores), sum/delta^2; "
            "the answer alone is graded, starts are not reported", len(problem.starts), 0,
        )  # fmt: skip
        super().__init__(record, lambda turn: None)
        self.problem, self.seed, self.packed = problem, options.seed, child.pack(problem)

    def round(self, turn: int) -> None:
        """Fit once in a child process."""
        if self.record.skipped:
            return
        grid = chinchilla_subgrid(self.seed + turn)
        found = child.ask("chinchilla", {"problem": self.packed, "grid": grid})
        if "missing" in found:
            self.record.skipped = found["missing"]
            return
        self.record.run += found["starts"]
        factor = self.record.total / found["starts"]
        self.record.wall.append(found["wall"] * factor)
        self.record.cpu.append(found["cpu"] * factor)
        value = float(self.problem.value(np.array(found["theta"])))
        self.record.answer = min(self.record.answer or np.inf, value)


def _ratios(records: list[Record], precision: str) -> list[Ratio]:
    own = {r.method: r for r in records if r.family == "jaxscale" and r.dtype == precision}
    classic = own["jaxscale classic"]
    mine = share(classic, TOLERANCE)
    found = []
    for rival in (r for r in records if r.family != "jaxscale"):
        theirs = share(rival, TOLERANCE)
        if rival.method == "chinchilla":  # it says of no start where it ended
            question = "CPU per classic start"
            found.append(ratio(question, classic, rival, quantity="cpu"))
            continue
        gain = mine / theirs if mine and theirs else None
        target = SUCCESS_TARGETS.get(rival.method)
        found.append(ratio(SUCCESS, classic, rival, quantity="cpu", gain=gain, target=target))
    rival = next(r for r in records if r.method == REFERENCE)
    for key, target in WALL_TARGETS.items():
        question = f"wall of the {key} fit, warm, against all classic starts"
        found.append(ratio(question, own[f"jaxscale {key}"], rival, target=target))
    return found


def run(options: Options) -> tuple[list[Record], list[Ratio]]:
    """Run every method on the published problem, or on the one in the options."""
    problem = options.problem or default_problem()
    jobs: list[Job] = []
    skipped: list[Record] = []
    for precision in options.precisions:
        for own in OWN:
            options.say(f"first call: {own.name}, {precision}")
            jobs.append(own_job(own, problem, precision))
    for rival in (*SCIPY, *rivals()):
        job = rival_job(rival, problem, options, options.rounds)
        (skipped if isinstance(job, Record) else jobs).append(job)
    jobs += [NlsqJob(problem, options), ChinchillaJob(problem, options)]
    interleave(jobs, options.rounds, options.say)
    records = [*(job.record for job in jobs), *skipped]
    lowest = min(float(r.values.min()) for r in records if len(r.values))
    for record in records:
        record.best = lowest if problem.best_known is None else problem.best_known
    ratios = [each for precision in options.precisions for each in _ratios(records, precision)]
    return records, ratios
