"""How it is measured: warm, interleaved rounds, CPU and wall seconds, ratios round by round.

Neighbors and clock speeds move times by factors. Ours and the rivals therefore take turns within
every round, the order alternates, and a ratio is taken within a round before the median over
rounds. A rival that runs a slice of the work per round has its time scaled up to all of it.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .problems import Problem


class Cost(NamedTuple):
    """Seconds of the whole process: all threads together, and on the clock."""

    cpu: float
    wall: float


class Missing(Exception):
    """A method cannot run here; the message says why and ends up in its record."""


@dataclasses.dataclass
class Options:
    """What a suite is asked for.

    Attributes:
        size: "quick" or "full".
        rounds: how often each method takes its turn.
        rival_starts: starts of each SciPy solver over all rounds; None: every classic start.
        precisions: of the jaxscale fits; rivals work in float64.
        devices: most host devices in the strong scaling.
        huge: also a million starts.
        seed: of every draw.
        problem: what to solve, instead of the suite's own problem.
        say: called with a line of progress.
    """

    size: str = "quick"
    rounds: int = 5
    rival_starts: int | None = 60
    precisions: tuple[str, ...] = ("float64",)
    devices: int = 2
    huge: bool = False
    seed: int = 0
    problem: Problem | None = None
    say: Callable[[str], None] = lambda text: None


@dataclasses.dataclass
class Record:
    """What was measured of one method on one problem.

    Attributes:
        suite: the suite.
        problem: name of the problem.
        n: its number of runs.
        method: name of the method.
        family: "jaxscale" or the library it comes from.
        job: what one unit of work is, in words.
        total: lanes (starts, refits, cells) of the whole job.
        run: lanes that were run.
        dtype: that it works in.
        devices: how many it uses.
        skipped: why it did not run, or None.
        cpu: per round, CPU seconds of the whole job.
        wall: per round, wall seconds of the whole job.
        values: [graded] the problem's value at the parameters that each graded lane reached.
        best: best known value, a scalar or one per graded lane.
        answer: the problem's value at the parameters of the answer.
        steps: evaluations per lane; empty where unknown.
        first: seconds of the first call, in which programs are compiled.
        extra: what only this suite has.
    """

    suite: str
    problem: str
    n: int
    method: str
    family: str
    job: str
    total: int = 1
    run: int = 1
    dtype: str = "float64"
    devices: int = 1
    skipped: str | None = None
    cpu: list[float] = dataclasses.field(default_factory=list)
    wall: list[float] = dataclasses.field(default_factory=list)
    values: np.ndarray = dataclasses.field(default_factory=lambda: np.array([]))
    best: Any = None
    answer: float | None = None
    steps: np.ndarray = dataclasses.field(default_factory=lambda: np.array([], int))
    first: dict[str, float | None] | None = None
    extra: dict[str, Any] = dataclasses.field(default_factory=dict)

    def add(self, cost: Cost, factor: float = 1.0) -> None:
        """Note one round; `factor` scales what was run to the whole job."""
        self.cpu.append(cost.cpu * factor)
        self.wall.append(cost.wall * factor)

    @property
    def extrapolated(self) -> bool:
        """Whether a part was run and the time scaled up."""
        return self.run < self.total


@dataclasses.dataclass
class Ratio:
    """How many times faster a method is than a rival, round by round.

    Attributes:
        suite: the suite.
        problem: name of the problem.
        question: what is compared, in words.
        method: name of the method.
        rival: name of the rival.
        dtype: of the method.
        rounds: one ratio per round; empty if a side did not run or never succeeded.
        target: the median that is asked for, or None.
        extrapolated: whether a side ran only a part.
    """

    suite: str
    problem: str
    question: str
    method: str
    rival: str
    dtype: str
    rounds: list[float]
    target: float | None = None
    extrapolated: bool = False


def ratio(question: str, own: Record, rival: Record, *, quantity: str = "wall", **rest: Any) -> Any:
    """Return the `Ratio` of the rival's cost to ours.

    Args:
        question: in words.
        own: our record.
        rival: the rival's record.
        quantity: "wall" or "cpu".
        **rest: `gain`, a factor, or None if a side never succeeded; `target`.
    """
    gain = rest.get("gain", 1.0)
    rounds: list[float] = []
    if gain is not None and not own.skipped and not rival.skipped:
        times = zip(getattr(own, quantity), getattr(rival, quantity), strict=True)
        rounds = [gain * theirs / max(ours, 1e-9) for ours, theirs in times]
    return Ratio(
        own.suite, own.problem, question, own.method, rival.method, own.dtype, rounds,
        rest.get("target"), own.extrapolated or rival.extrapolated,
    )  # fmt: skip


def timed(function: Callable[[], Any]) -> tuple[Any, Cost]:
    """Return what `function()` returns, and its cost."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = function()
    return result, Cost(time.process_time() - cpu, time.perf_counter() - wall)


class Job:
    """One method that takes its turn: `call(round)` does a part of the work, `repeats` times.

    Args:
        record: where the cost of every round is noted.
        call: does the work of a round and returns once it is done.
        repeats: calls in one round.
        factor: scales one call to the whole job; a list has one factor per round.
        finish: called with the list of all results, to grade them; untimed.
    """

    def __init__(
        self,
        record: Record,
        call: Callable[[int], Any],
        *,
        repeats: int = 1,
        factor: float | Sequence[float] = 1.0,
        finish: Callable[[Record, list[Any]], None] = lambda record, results: None,
    ) -> None:
        self.record, self.call, self.repeats = record, call, repeats
        self.factor = factor
        self._finish = finish
        self.results: list[Any] = []

    def round(self, turn: int) -> None:
        """Work once and note the cost."""
        found, cost = timed(lambda: [self.call(turn) for _ in range(self.repeats)])
        self.results.append(found[-1])
        factor = self.factor if isinstance(self.factor, float | int) else self.factor[turn]
        self.record.add(cost, factor / self.repeats)

    def finish(self) -> None:
        """Grade."""
        self._finish(self.record, self.results)


def first_call(function: Callable[[], Any]) -> tuple[Any, dict[str, float | None]]:
    """Return what the first call returns, and what it cost."""
    result, cost = timed(function)
    return result, {"compile_s": None, "cpu_s": cost.cpu, "wall_s": cost.wall}


def interleave(jobs: Sequence[Job], rounds: int, say: Callable[[str], None]) -> None:
    """Let all jobs take turns, in alternating order, and grade them at the end."""
    for turn in range(rounds):
        say(f"round {turn + 1} of {rounds}")
        for job in jobs if turn % 2 == 0 else reversed(jobs):
            job.round(turn)
    for job in jobs:
        job.finish()


def share(record: Record, tolerance: float) -> float | None:
    """Return the share of graded lanes within `tolerance` of the best, None if none is graded."""
    if record.best is None or not len(record.values):
        return None
    return float(np.mean(record.values <= np.asarray(record.best) * (1 + tolerance)))


def compiled(function: Callable[[], Any]) -> tuple[Any, dict[str, float | None]]:
    """Call twice; return the result, and the first call with compiling as the difference."""
    result, first = first_call(function)
    _, again = first_call(function)
    first["compile_s"] = max(0.0, first["wall_s"] - again["wall_s"])
    return result, first
