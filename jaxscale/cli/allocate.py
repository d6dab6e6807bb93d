"""The command `allocate`: the runs to make with a budget, or for a loss, with intervals."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jaxscale.cli.built import Built
from jaxscale.cli.given import (
    code,
    doubt_sentences,
    doubts,
    flops_given,
    refusal,
    source,
)
from jaxscale.cli.options import (
    figure_option,
    flops_option,
    force_option,
    goal_options,
    level_option,
    out_option,
    quiet_option,
    seed_option,
    source_options,
)
from jaxscale.cli.outputs import check_figure, deliver, with_progress
from jaxscale.cli.serving import lifetime_given, serving_options
from jaxscale.cli.values import integer, number
from jaxscale.decisions.allocation import AMOUNTS, Allocation
from jaxscale.decisions.allocation import allocate as of_law
from jaxscale.decisions.near import WITHIN, Near, near_optimal
from jaxscale.decisions.question import Question, ask
from jaxscale.decisions.repetition import DATA_WORTH, SIZE_WORTH
from jaxscale.fitting.fractions import beyond_a_fraction
from jaxscale.fitting.result import FitResult
from jaxscale.flops import UNIT, unit_of
from jaxscale.laws import Law
from jaxscale.text import columns, count, quantity
from jaxscale.uncertainty.allocations import (
    DRAWS,
    doubted,
    interval_of,
    quantile_names,
    with_intervals,
)
from jaxscale.uncertainty.bootstrap import bootstrap
from jaxscale.uncertainty.draws import Draws

EXAMPLES = (
    "jaxscale allocate fit.json --compute 1e21 1e24",
    "jaxscale allocate Chinchilla:hoffmann_2022 --target-loss 2.0 --json",
)
COUNTED = ("compute", "N", "D")
CALLED = {"tokens_per_parameter": "tokens/param", "excess": "above best"}
KINDS = ("allocation", "contours", "overhead")


def options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `allocate`."""
    source_options(sub)
    goal_options(sub)
    several: Any = dict(type=number, nargs="+", metavar="X")
    text = "parameters that the run has to have; alone, the run that they are the best of"
    sub.add_argument("--N", help=text, **several)
    sub.add_argument("--D", help="tokens that it has to have, likewise", **several)
    sub.add_argument("--ratio", help="tokens per parameter that it has to have", **several)
    text = "what a model of X times the best size costs at the same loss, e.g. .5"
    sub.add_argument("--overhead", help=text, **several)
    text = "different tokens that there are; more are the same ones again"
    sub.add_argument("--unique-tokens", help=text, **several)
    text = "repetitions that repeating for ever comes to, of data and of parameters; default "
    text += f"{DATA_WORTH:g} {SIZE_WORTH:g}"
    sub.add_argument("--worth", type=number, nargs=2, metavar=("RD", "RN"), help=text)
    serving_options(sub)
    text = f"bootstrap tables behind the intervals; 0 for none, at once; default {DRAWS}"
    sub.add_argument("--draws", type=integer, metavar="B", help=text)
    seed_option(sub, "the draws")
    level_option(sub)
    flops_option(sub)
    text = "the architecture nearest to each N, with a vocabulary of V tokens; see jaxscale size"
    sub.add_argument("--build", type=integer, metavar="V", help=text)
    force_option(sub)
    out_option(sub)
    figure_option(sub, "N*, D* and D/N against compute, or another kind,")
    text = "of figure, one of %(choices)s"
    sub.add_argument("--kind", choices=KINDS, metavar="KIND", default=KINDS[0], help=text)
    quiet_option(sub)


def run(options: argparse.Namespace) -> int:
    """Print the runs to make for budgets or target losses."""
    law, result = source(options)
    check_figure("--figure", options.figure)
    _consistent(options, result)
    given = {name: _several(getattr(options, name)) for name in ("compute", "target_loss")}
    given |= {name: _several(getattr(options, name)) for name in ("N", "D", "ratio")}
    given |= dict(times_N=_several(options.overhead), unique_tokens=_several(options.unique_tokens))
    given, lifetime, unit = lifetime_given(options, given)
    flops = flops_given(options, None if result is None else result.runs)
    more: Any = dict(lifetime=lifetime, flops=flops)
    if options.worth:
        more["worth"] = tuple(options.worth)
    asked = ask(law, given, **more)
    refused = refusal(options, result)
    found: Allocation | None = None
    draws: Draws | None = None
    if not refused:
        found = of_law(law, **given, **more)
        if result is not None:
            found = doubted(result, law, asked, found)
            if options.draws != 0:
                draws = _drawn(options, result)
                found = with_intervals(found, draws, asked, options.level)
    answer = _Answer(law, result, asked, found, unit)
    built = Built.of(options.build, found, asked.flops)
    answer.one_of_many = hasattr(options, "collected")
    deliver(
        options,
        answer.table() + built.table() if found is not None else None,
        lambda: {
            "law": type(law).__name__,
            **doubts(result),
            **answer.document(options),
            **built.document(),
        },
        notes=[] if found is None else [*found.notes, *answer.beyond(result)],
        told=[*doubt_sentences(result), *refused],
        files=_figures(options, result, asked, draws) if found is not None else [],
    )
    return 1 if found is not None and not found.trusted else code(result)


def _several(values: list[float] | None) -> Any:
    """Return one number as it is, several as an array."""
    return None if values is None else values[0] if len(values) == 1 else np.asarray(values)


def _consistent(options: argparse.Namespace, result: FitResult | None) -> None:
    """Raise before any work for options that do not go together."""
    if options.draws is not None and options.draws < 0:
        raise ValueError(f"--draws must be 0 or more, got {options.draws}")
    if result is None and options.draws:
        raise ValueError(f"--draws: {options.fit} is a preset, without runs to draw from")
    if options.worth and not options.unique_tokens:
        raise ValueError("--worth goes with --unique-tokens")
    if options.worth and not min(options.worth) > 0:
        raise ValueError("--worth must be two positive numbers")
    if options.figure and (result is None or (options.draws == 0 and options.kind != "contours")):
        raise ValueError(f"--figure: {options.kind} needs a fit with its runs, and --draws above 0")
    if options.figure and result is not None and len(result.law.inputs) == 1:
        raise ValueError("--figure is of a law of N and D; jaxscale plot --kind bands draws others")
    if options.kind != KINDS[0] and not options.figure:
        raise ValueError(f"--kind {options.kind} goes with --figure FILE")


def _drawn(options: argparse.Namespace, result: FitResult) -> Draws:
    draws = DRAWS if options.draws is None else options.draws
    return with_progress(
        options,
        lambda progress: bootstrap(result, draws=draws, seed=options.seed, progress=progress),
        doing="drawing",
        of="draw",
    )


class _Answer:
    """What the command found, as text and as JSON."""

    def __init__(
        self,
        law: Law,
        result: FitResult | None,
        asked: Question,
        found: Allocation | None,
        unit: str,
    ) -> None:
        self.law, self.asked, self.found, self.unit = law, asked, found, unit
        self.called = "loss" if result is None else result.runs.response.kind
        self.near: list[Near] = []
        if found is not None and asked.names == {"compute"} and not np.any(found.at_edge):
            self.near = [near_optimal(law, found, within, asked.flops) for within in WITHIN]

    one_of_many = False  # the answers of many tables are one table

    @property
    def names(self) -> list[str]:
        """The amounts that this question has."""
        if len(self.law.inputs) == 1:
            scale = self.law.inputs[0]
            return [scale if scale in ("N", "D") else "compute", "loss"]
        found = self.found
        order = ("compute", "N", "D", "tokens_per_parameter", "loss", *AMOUNTS[5:])
        have = [name for name in order if getattr(found, name) is not None]
        return [name for name in have if name not in ("excess", "overhead") or not self.asked.plain]

    def beyond(self, result: FitResult | None) -> list[str]:
        """Return a note on losses that are of a fraction, and none."""
        return beyond_a_fraction(
            result, np.atleast_1d(self.found.loss if self.found is not None else 0.5)
        )

    def at(self, name: str, k: int) -> float:
        """Return an amount of the answer to question k."""
        return float(np.atleast_1d(getattr(self.found, name))[k])

    def __len__(self) -> int:
        return len(np.atleast_1d(self.found.N)) if self.found is not None else 0

    def table(self) -> str:
        """Return the text for a person."""
        found = self.found
        assert found is not None
        head = [self._head(name) for name in self.names]
        rows: list[list[str]] = []
        for k in range(len(self)):
            rows.append(["", *(_cell(name, self.at(name, k)) for name in self.names)])
            if not found.draws:
                continue
            ends = {name: interval_of(found, name, k) for name in self.names}
            for place, label in enumerate(quantile_names(found.level)):
                cells = [_cell(name, x[place]) for name, x in ends.items()]
                rows.append([label, *cells])
        if not found.draws:
            head, rows = head, [row[1:] for row in rows]
            return columns([head, *rows], ">" * len(head)) + self._near()
        text = columns([["", *head], *rows], "<" + ">" * len(head))
        how = f"{100 * found.level:g} % intervals from {found.draws:,} draws of the bootstrap"
        return f"{text}\n{how}{self._near()}"

    def _head(self, name: str) -> str:
        if name == "loss":
            return self.called
        if name == "compute" and unit_of(self.asked.flops) != UNIT:
            return f"compute ({unit_of(self.asked.flops)})"
        if name == "compute" and len(self.law.inputs) == 1 and self.law.inputs[0] != "C":
            return self.law.inputs[0]
        return self.unit if name == "cost" else CALLED.get(name, name)

    def _near(self) -> str:
        """Return the sizes that are nearly as good, as a second table."""
        if not self.near or self.one_of_many:
            return ""
        head = ["compute", "within", "N from", "to", "D from", "to"]
        body = []
        for k in range(len(self)):
            for each in self.near:
                small, large, most, fewest = _ends(each, k)
                body.append([
                    f"{self.at('compute', k):.4g}", f"{100 * each.within:g} %",
                    *map(count, (small, large, fewest, most)),
                ])  # fmt: skip
        return "\n\n" + columns([head, *body], ">" * len(head))

    def document(self, options: argparse.Namespace) -> dict[str, Any]:
        """Return what JSON says."""
        found = self.found
        said: dict[str, Any] = {"response": self.called, "allocations": []}
        if found is None:
            return said
        for k in range(len(self)):
            row: dict[str, Any] = {name: _finite(self.at(name, k)) for name in self.names}
            if len(self.law.inputs) == 1:
                row["scale"] = self.law.inputs[0]
            far = found.extrapolation
            far = far[k] if isinstance(far, tuple) else far
            off = float(np.atleast_1d(found.within_factor)[k]) if far is not None else 1.0
            row |= {"method": found.method, "at_edge": bool(np.atleast_1d(found.at_edge)[k])}
            row |= {"extrapolation": far or {}, "within_factor": off if 1 < off < 1e9 else None}
            limits = {name: interval_of(found, name, k) for name in found.intervals}
            row["intervals"] = {
                name: {"low": _finite(x[0]), "high": _finite(x[1])} for name, x in limits.items()
            }
            row["near"] = [_near_row(each, k) for each in self.near]
            said["allocations"].append(row)
        if found.draws:
            tail = (1 - found.level) / 2
            said |= dict(level=found.level, draws=found.draws, seed=options.seed)
            said["tails"] = [tail, 1 - tail]
        return said | ({"cost_in": self.unit} if self.unit else {})


def _ends(near: Near, k: int) -> list[float]:
    return [float(np.atleast_1d(x)[k]) for x in (*near.N, *near.D)]


def _near_row(near: Near, k: int) -> dict[str, Any]:
    small, large, most, fewest = map(_finite, _ends(near, k))
    return {"within": near.within, "N": [small, large], "D": [fewest, most]}


def _finite(x: float) -> float | None:
    return x if math.isfinite(x) else None


def _cell(name: str, x: float) -> str:
    """Return a number as text; nothing where there is none."""
    if math.isnan(x):
        return ""
    if math.isinf(x):
        return "none"
    if name in ("loss", "excess"):
        return f"{x:.5f}"
    if name == "overhead":
        return f"{100 * x:.4g} %"
    if name in ("compute", "cost"):
        return f"{x:.4g}"
    return count(x) if name in COUNTED else quantity(x)


def _figures(
    options: argparse.Namespace, result: FitResult | None, asked: Question, draws: Draws | None
) -> Sequence[Callable[[], None]]:
    """Return what draws the figure that was asked for."""
    if not options.figure or result is None:
        return []
    kind: str = options.kind
    budgets = asked.numbers["compute"].ravel() if asked.names == {"compute"} else np.array([])

    def draw() -> None:
        from jaxscale import plotting

        if kind == "contours":
            drawn: Any = plotting.plot_contours(result, compute=list(budgets))
        elif kind == "overhead":
            drawn = plotting.plot_overhead(_there(draws), level=options.level)
        else:
            drawn = plotting.plot_allocation(
                _there(draws), compute=list(budgets), level=options.level
            )
        plotting.save(drawn, options.figure)

    return [draw] if draws is not None or kind == "contours" else []


def _there(draws: Draws | None) -> Draws:
    assert draws is not None
    return draws
