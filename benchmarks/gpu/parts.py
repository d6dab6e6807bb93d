"""The parts of the script: what they measure, in the order of the list `PARTS`."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

import jaxscale
from jaxscale._numerics.precision import scope
from jaxscale.engine import planning
from jaxscale.engine.loop import Status

from . import cases, roofline
from .cases import DOUBLE, SINGLE, Sizes
from .session import Case, Session
from .tables import main_problem

SAME = 1e-6
"""A start is a success within this of the lowest value, relatively."""
KNOWN = 3.04e6
"""Fits a second that Gpufit's authors give for their problem."""


@dataclasses.dataclass
class Plan:
    """What is run.

    Attributes:
        session: the clock.
        sizes: how much.
        small: whether sizes are for a test.
        tables: of the correctness part.
        known: best values of the tables that somebody else knows, or none.
        parts: names of the parts.
        made: the cases of every part, in order.
    """

    session: Session
    sizes: Sizes
    small: bool
    tables: list[Any]
    known: np.ndarray | None
    parts: tuple[str, ...]
    made: dict[str, list[Case]] = dataclasses.field(default_factory=dict)

    def gather(self) -> None:
        """Make the cases of all parts; one that jaxscale refuses is noted."""
        sizes, small = self.sizes, self.small
        makers: dict[str, Callable[[], list[Case]]] = {
            "correctness": lambda: list(cases.correctness(self.tables, sizes.each).values()),
            "starts": lambda: cases.searches(sizes, small),
            "slab": lambda: cases.slabs(sizes, small),
            "gpufit": lambda: cases.gpufit(sizes),
            "refits": lambda: cases.refits(sizes, small),
            "grid": lambda: cases.grids(sizes, small),
            "tall": lambda: cases.tall(sizes, small),
            "variants": lambda: cases.variants(sizes, small),
        }
        for part in self.parts:
            tries = [makers[part]] if part in makers else []
            if part == "wide":
                tries = [functools.partial(self._wide, terms) for terms in sizes.terms]
            for make in tries:
                try:
                    self.made.setdefault(part, []).extend(make())
                except (ValueError, jaxscale.JaxscaleError) as error:
                    self.session.note(part, "", "", skipped=str(error)[:300])

    def _wide(self, terms: int) -> list[Case]:
        return [cases.wide(self.sizes, terms)]

    def submit(self) -> None:
        """Trace and submit everything that was made, most important first.

        The first program is compiled alone: its seconds are what one program takes.
        """
        first = True
        for case in [case for part in self.parts for case in self.made.get(part, [])]:
            if self.session.left < 0.55 * self.session.budget:
                break
            try:
                self.session.submit(case)
            except ValueError as error:  # more parameters than jaxscale takes
                self.session.skip(case, str(error)[:300])
                self.made[case.part] = [c for c in self.made[case.part] if c is not case]
                continue
            if first:
                made = self.session.take(case)
                first = False
                if made is not None:
                    self.session.note("compile", "one program, alone", case.dtype,
                                      trace_s=made.trace_s, compile_s=made.compile_s,
                                      says=f"traced in {made.trace_s:.1f} s")  # fmt: skip


def correctness(plan: Plan) -> None:
    """Compare the optima of all tables with a run on the CPU, and with known ones."""
    session = plan.session
    own = dict(zip((DOUBLE, SINGLE, "polish", "host"), plan.made["correctness"], strict=True))
    count, each = len(plan.tables), plan.sizes.each
    there, _ = session.measure(own["host"])
    if there is None:
        return
    scale = np.asarray(own["host"].args[0].loss.scale, float)
    best = _values(there, scale, count, each).min(axis=1)
    here, _ = session.measure(own[DOUBLE])
    if here is not None:
        _grade(plan, "float64", DOUBLE, _values(here, scale, count, each).min(axis=1), best)
    rough, _ = session.measure(own[SINGLE])
    if rough is None:
        return
    values = _values(rough, scale, count, each)
    _grade(plan, "float32, not polished", SINGLE, values.min(axis=1), best)
    rows = np.arange(count) * each + values.argmin(axis=1)
    with scope(DOUBLE):
        given = list(jax.device_put(own["polish"].small()))
        given[1] = jax.device_put(np.asarray(rough.z, float)[rows])
    fine, _ = session.measure(own["polish"], tuple(given))
    if fine is not None:
        values = np.asarray(fine.value, float) * scale
        _grade(plan, "float32 and polish", "mixed", values, best)


def _values(found: Any, scale: np.ndarray, count: int, each: int) -> np.ndarray:
    value = np.asarray(found.value, float).reshape(count, each) * scale[:, None]
    return np.where(np.isfinite(value), value, np.inf)


def _grade(plan: Plan, name: str, dtype: str, value: np.ndarray, best: np.ndarray) -> None:
    for reference, what in ((best, "CPU"), (plan.known, "best known")):
        if reference is None:
            continue
        gap = value / reference - 1
        worst = int(np.argmax(gap))
        found = {"tables": len(gap), "within_1e-9": int((gap <= 1e-9).sum()),
                 "within_1e-6": int((gap <= 1e-6).sum()), "worst": float(gap[worst]),
                 "worst_table": plan.tables[worst].name}  # fmt: skip
        said = f"within 1e-9 of the {what} optimum: {found['within_1e-9']} of {len(gap)}"
        plan.session.note("correctness", f"{name} against {what}", dtype, **found,
                          says=f"{said}, worst {found['worst']:.1e}")  # fmt: skip


def starts(plan: Plan) -> None:
    """Measure starts per second, and float64 solves that go on from float32 ends."""
    lowest, rough, best_double = np.inf, None, None
    for case in plan.made["starts"]:
        found, record = plan.session.measure(case)
        if found is None:
            continue
        value = np.asarray(found.value, float)
        if case.dtype == DOUBLE:
            lowest = min(lowest, float(np.nanmin(value)))
        same = SAME if case.dtype == DOUBLE else 1e-3
        share = float(np.mean(value <= lowest * (1 + same)))
        ended = float(np.mean(np.asarray(found.status) <= Status.CONVERGED_STEP))
        plan.session.note("starts", f"{case.name}: share", case.dtype, successful=share,
                          converged=ended, median_steps=float(np.median(np.asarray(found.steps))),
                          successes_per_s=share * record["lanes_per_s"],
                          says=f"{share:.1%} at the optimum, {ended:.1%} converged")  # fmt: skip
        full = case.lanes == plan.sizes.starts
        if case.dtype == SINGLE and full and (rough is None or record["median_s"] < rough[0]):
            rough = (record["median_s"], found, case)
        if (
            case.dtype == DOUBLE
            and full
            and (best_double is None or record["median_s"] < best_double[0])
        ):
            best_double = (record["median_s"], case)
    _suggest(plan)
    if rough is None or best_double is None:
        return
    case = dataclasses.replace(best_double[1], part="mixed", dtype=DOUBLE,
                               name="float64 from the ends of float32")  # fmt: skip
    plan.session.waiting[id(case)] = plan.session.waiting[id(best_double[1])]
    plan.session.traced[id(case)] = plan.session.traced[id(best_double[1])]
    with scope(DOUBLE):
        given = list(jax.device_put(case.small()))
        given[1] = jax.device_put(np.asarray(rough[1].z, float))
    _, record = plan.session.measure(case, tuple(given))
    if record is not None:
        both = rough[0] + record["median_s"]
        plan.session.note("mixed", f"{case.lanes:,} starts, every end polished", "mixed",
                          median_s=both, lanes_per_s=case.lanes / both,
                          says=f"float32 alone: {case.lanes / rough[0]:,.0f}/s")  # fmt: skip


def _suggest(plan: Plan) -> None:
    """Note the width and the chunk that were quickest, as a row of `engine.planning.MEASURED`."""
    rates = [r for r in plan.session.records if r["part"] == "starts" and "lanes_per_s" in r]
    for dtype in (DOUBLE, SINGLE):
        own = [r for r in rates if r["dtype"] == dtype]
        if not own:
            continue
        best = max(own, key=lambda r: r["lanes_per_s"])
        there = planning.plan()
        said = f"Plan(chunks=(16, 64, 1040, {best['lanes']}), widths=(), wide={best['width']}, "
        said += f"memory={there.memory}); now wide={there.width(best['rows'])}, "
        said += f"chunk={there.chunks[-1]}"
        plan.session.note("plan", "quickest", dtype, width=best["width"], chunk=best["lanes"],
                          memory=there.memory, says=said)  # fmt: skip


def slab(plan: Plan) -> None:
    """Measure a step against the card's limits, and name the kernels of one."""
    session, kind = plan.session, plan.session.environment["device_kind"]
    middle = plan.sizes.slabs[len(plan.sizes.slabs) // 2]
    for case in plan.made["slab"]:
        _, record = session.measure(case)
        if record is None:
            continue
        made = session.take(case)
        assert made is not None
        found = roofline.roofline(made, record["median_s"], plan.sizes.steps, kind)
        session.note("roofline", case.name, case.dtype, **found)
        if case.width != middle:
            continue
        path = session.lines.with_name(f"{session.lines.stem}-slab-{case.dtype}.hlo.gz")
        launched = roofline.launches(roofline.write_text(made, path))
        session.note("kernels", f"{case.name}: the loop's body", case.dtype, launches=launched,
                     says=f"{len(launched)} launches in a step, module in {path.name}")  # fmt: skip
        if session.left < 20:
            continue
        kernels, whole = roofline.profile(made, made.arguments())
        busy = sum(each["us"] for each in kernels) / 1e6
        said = "; ".join(
            f"{k['kernel'][:30]} {k['us']:.0f} us in {k['calls']}" for k in kernels[:5]
        )
        session.note("profile", case.name, case.dtype, kernels=kernels, span_s=whole, busy_s=busy,
                     says=said)  # fmt: skip


def gpufit(plan: Plan) -> None:
    """Measure the record's problem, and hold its answers against the truth."""
    for case in plan.made["gpufit"]:
        found, record = plan.session.measure(case)
        if found is None:
            continue
        ended = float(np.mean(np.asarray(found.status) <= Status.CONVERGED_STEP))
        far = float(np.median(np.abs(np.asarray(found.z[:, 1]) - 2.0)))
        times = record["lanes_per_s"] / KNOWN
        said = f"{times:.2f} times 3.04 million a second; {ended:.1%} converged; "
        said += f"median error of x0 {far:.4f} pixels"
        plan.session.note("gpufit", f"{case.name}: against the record", case.dtype,
                          converged=ended, error_of_x0=far, times_the_record=times,
                          says=said)  # fmt: skip


def plain(part: str) -> Callable[[Plan], None]:
    """Return a part that measures its cases and has nothing to add."""

    def run(plan: Plan) -> None:
        for case in plan.made[part]:
            plan.session.measure(case)

    return run


def first_fit(plan: Plan) -> None:
    """Call `fit` and `refit` as a person does: the first call, and warm ones."""
    problem = main_problem(plan.small)
    runs = jaxscale.Runs(N=problem.N, D=problem.D, loss=problem.loss)
    law, few, count = jaxscale.Chinchilla(), (16, 64) if plan.small else (1024, 100_000), 4
    fitted = None

    def repeated(name: str, dtype: str, call: Callable[[], Any], lanes: int) -> Any:
        if plan.session.left < 45 and not plan.small:
            plan.session.note("fit", name, dtype, skipped="the budget was over")
            return None
        seconds = []
        for _ in range(count):
            begin = time.perf_counter()
            found = call()
            seconds.append(time.perf_counter() - begin)
        middle = float(np.median(seconds[1:]))
        plan.session.note("fit", name, dtype, first_s=seconds[0], seconds=seconds[1:],
                          median_s=middle, lanes_per_s=lanes / middle,
                          says=f"first call {seconds[0]:.1f} s")  # fmt: skip
        return found

    for precision in (DOUBLE, "mixed"):
        call = functools.partial(jaxscale.fit, law, runs, starts=few[0], precision=precision)
        fitted = repeated("jaxscale.fit", precision, call, few[0]) or fitted
    if fitted is None:
        return
    weights = np.random.default_rng(0).standard_exponential((few[1], len(problem.N)))
    again = functools.partial(jaxscale.refit, fitted, weights=weights, guards=0)
    repeated(f"jaxscale.refit, {few[1]:,} replicates", DOUBLE, again, few[1])


PARTS: dict[str, Callable[[Plan], None]] = {
    "correctness": correctness,
    "starts": starts,
    "slab": slab,
    "gpufit": gpufit,
    "refits": plain("refits"),
    "grid": plain("grid"),
    "tall": plain("tall"),
    "variants": plain("variants"),
    "wide": plain("wide"),
    "fit": first_fit,
}
