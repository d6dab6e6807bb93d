"""How it is measured: warm, interleaved rounds, CPU and wall seconds, ratios round by round.

Neighbors and clock speeds move times by factors. Ours and the rivals therefore take turns within
every round, the order alternates, and a ratio is taken within a round before the median over
rounds. A rival runs a slice of its starts per round; its time is scaled up to all of them.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .methods import OWN, RIVALS, Own, Rival, fit, theta_of, trace
from .problems import Problem


class Cost(NamedTuple):
    """Seconds of the whole process: all threads together, and on the clock."""

    cpu: float
    wall: float


@dataclasses.dataclass
class Record:
    """What was measured of one method.

    Attributes:
        name: of the method.
        job: what one unit of work is, in words.
        family: "jaxscale" or "scipy".
        starts_total: starts of the whole job.
        starts_run: starts that were run and graded.
        cpu: per round, CPU seconds of the whole job.
        wall: per round, wall seconds of the whole job.
        values: [starts_run] the problem's value at the parameters reached.
        steps: [starts_run] evaluations; empty where unknown.
        answer: the problem's value at the parameters of the answer.
        first: seconds of the first call, in which programs are compiled; own methods only.
        reported: share successful by the values that the fit itself reports; own methods only.
        median_steps: as the certificate says, where `steps` is empty.
    """

    name: str
    job: str
    family: str
    starts_total: int
    starts_run: int
    cpu: list[float] = dataclasses.field(default_factory=list)
    wall: list[float] = dataclasses.field(default_factory=list)
    values: np.ndarray = dataclasses.field(default_factory=lambda: np.array([]))
    steps: np.ndarray = dataclasses.field(default_factory=lambda: np.array([], int))
    answer: float = float("nan")
    first: dict[str, float] | None = None
    reported: np.ndarray | None = None
    median_steps: float = float("nan")

    def add(self, cost: Cost, factor: float) -> None:
        """Note one round; `factor` scales what was run to the whole job."""
        self.cpu.append(cost.cpu * factor)
        self.wall.append(cost.wall * factor)


def timed(function: Callable[[], Any]) -> tuple[Any, Cost]:
    """Return what `function()` returns, and its cost."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = function()
    return result, Cost(time.process_time() - cpu, time.perf_counter() - wall)


class _OwnJob:
    """One way to call `jaxscale.fit`; the first call is made, and noted, on construction."""

    def __init__(self, own: Own, problem: Problem, precision: str) -> None:
        self.own, self.problem, self.precision = own, problem, precision
        result, cost = timed(self._call)
        solved = trace(own, problem, precision)
        count = len(result.start_values) if solved is not None else 1
        self.record = Record(own.name, own.job, "jaxscale", count, count)
        self.record.answer = float(problem.value(theta_of(result.law)))
        self.record.values = np.array([self.record.answer])
        self.record.first = {
            "compile_s": float(result.seconds["compile"]), "cpu_s": cost.cpu, "wall_s": cost.wall,
        }  # fmt: skip
        self.record.median_steps = result.certificate.median_steps
        if solved is not None:
            self.record.values = problem.value(solved.theta)
            self.record.steps = solved.steps
            self.record.reported = np.asarray(result.start_values)
        self._call()

    def _call(self) -> Any:
        return fit(self.own, self.problem, self.precision)

    def round(self) -> None:
        _, cost = timed(lambda: [self._call() for _ in range(self.own.repeats)])
        self.record.add(cost, 1 / self.own.repeats)


class _RivalJob:
    """One SciPy solver with its slices of the starts."""

    def __init__(self, rival: Rival, problem: Problem, slices: list[np.ndarray]) -> None:
        self.rival, self.problem, self.slices = rival, problem, slices
        total = len(problem.starts)
        self.record = Record(rival.name, rival.job, "scipy", total, sum(map(len, slices)))
        self.theta: list[np.ndarray] = []
        self.steps: list[int] = []
        self._solve(problem.starts[:1])

    def _solve(self, starts: np.ndarray) -> list[tuple[np.ndarray, int]]:
        with np.errstate(all="ignore"):
            return [self.rival.solve(self.problem, start) for start in starts]

    def round(self) -> None:
        part = self.problem.starts[self.slices[len(self.record.cpu)]]
        found, cost = timed(lambda: self._solve(part))
        self.record.add(cost, self.record.starts_total / len(part))
        self.theta += [theta for theta, _ in found]
        self.steps += [steps for _, steps in found]

    def finish(self) -> None:
        values = self.problem.value(np.array(self.theta))
        self.record.values = np.where(np.isfinite(values), values, np.inf)
        self.record.steps = np.array(self.steps)
        self.record.answer = float(self.record.values.min())


def measure(
    problem: Problem,
    *,
    rounds: int = 5,
    rival_starts: int = 60,
    precision: str = "float64",
    seed: int = 0,
    say: Callable[[str], None] = lambda text: None,
) -> list[Record]:
    """Run every method on the problem.

    Args:
        problem: what to solve.
        rounds: how often each method takes its turn.
        rival_starts: starts of each SciPy solver over all rounds, drawn without replacement.
        precision: of the jaxscale fits; SciPy works in float64.
        seed: of the draw.
        say: called with a line of progress.

    Returns:
        One record per method, ours first.
    """
    count = min(max(rival_starts, rounds), len(problem.starts))
    drawn = np.random.default_rng(seed).permutation(len(problem.starts))[:count]
    slices = np.array_split(drawn, min(rounds, count))
    ours = []
    for own in OWN:
        say(f"first call: {own.name}")
        ours.append(_OwnJob(own, problem, precision))
    rivals = [_RivalJob(rival, problem, slices) for rival in RIVALS]
    jobs = [*ours, *rivals]
    for turn in range(len(slices)):
        say(f"round {turn + 1} of {len(slices)}")
        for job in jobs if turn % 2 == 0 else reversed(jobs):
            job.round()
    for rival in rivals:
        rival.finish()
    return [job.record for job in jobs]
