"""Words of a fit in figures: what its axes, intervals and quantities are called."""

from __future__ import annotations

import math
import re

import numpy as np

from jaxscale.fitting.result import FitResult
from jaxscale.flops import complete, unit_of
from jaxscale.laws import Law
from jaxscale.laws.grouped import FamilyLaw
from jaxscale.plotting.labels import LONGEST_FORMULA, as_written, formula, symbol
from jaxscale.plotting.ticks import LABELS, brief
from jaxscale.uncertainty.draws import Draws
from jaxscale.uncertainty.intervals import Interval

UNITS = {
    "N*(": "parameters",
    "D*(": "tokens",
    "D*/N*(": "tokens per parameter",
    "C(L": "FLOPs",
    "L*(": "nats/token",
    "L(": "nats/token",
}
"""Units by the beginning of a quantity's name."""
POWER = re.compile(r"\b([A-Z])\^(\w+)")


def heading(law: Law) -> str:
    """Return the name of a law with its formula: one line, or two where they are long."""
    if isinstance(law, FamilyLaw):
        plain = f"{as_written(law.base.__name__)}:  {formula(law.base.formula())}"
        return f"{plain}\n{', '.join(law.own)} of every {as_written(law.by)}"
    name, text = type(law).__name__, type(law).formula()
    gap = "  " if len(name) + len(text) <= LONGEST_FORMULA else "\n"
    return f"{as_written(name)}:{gap}{formula(text)}"


def origin(draws: Draws) -> str:
    """Return what was drawn how, in words."""
    runs = draws.fit.runs
    return f"{len(draws):,} draws, {draws.method} bootstrap of {len(runs):,} runs"


def called(
    name: str, law: Law | None = None, *, small: bool = False, response: str = "loss"
) -> str:
    """Return how an axis names a quantity: its meaning, its symbol and its unit.

    Args:
        name: of the quantity.
        law: the law that says what its parameters mean.
        small: the symbol, with the unit on a line of its own.
        response: what a law gives, in the place of the unit where it is no loss.
    """
    unit = next((unit for start, unit in UNITS.items() if name.startswith(start)), None)
    unit = response if unit == UNITS["L("] and response != "loss" else unit
    short = symbol(name) if unit is None and re.fullmatch(r"\w+", name) else as_written(name)
    if unit is not None:
        return f"{short}{chr(10) if small else '  '}({unit})"
    if law is None or small:
        return short
    if name in law.parameters:
        return f"{as_written(law.parameters[name].doc)} {short}"
    doc = type(law).derived_docs.get(name)
    return short if doc is None else f"{short}: " + POWER.sub(r"$\1^{\2}$", doc)


def stated(interval: Interval, *, log: bool, gap: str = "  ") -> str:
    """Return an estimate with its interval: as many digits as the interval leaves known.

    Args:
        interval: the interval; its ends may be infinite.
        log: whether the quantity lives on the logarithmic scale.
        gap: between the estimate and the interval.
    """
    numbers = interval.estimate, interval.low, interval.high
    width = (interval.high - interval.low) / 2
    if log or not 0 < width < math.inf:
        center, low, high = (brief(x) for x in numbers)
    else:
        digits = 1 - math.floor(math.log10(width))
        center, low, high = (f"{round(x, digits):.{max(digits, 0)}f}" for x in numbers)
    text = f"{center}{gap}({low} to {high})"
    return text.replace("-", "\u2212").replace("inf", "\u221e")


def column_of(fit: FitResult, name: str) -> np.ndarray:
    """Return a column [n] of the runs of a fit; the third of N, D, C is worked out."""
    return fit.runs.column(name, fit.law.flops)


def scale_of(fit: FitResult) -> tuple[str, np.ndarray]:
    """Return (name, values [n]) of what residuals are drawn against: C where there is one."""
    if {"N", "D"} <= set(fit.law.inputs):  # the law's own compute, whatever a column C says
        N, D, flops = column_of(fit, "N"), column_of(fit, "D"), fit.law.flops
        return "C", np.asarray(complete(N=N, D=D, flops=flops)[2], float)
    name = "C" if "C" in fit.runs.columns else fit.law.inputs[0]
    return name, column_of(fit, name)


def scale_label(fit: FitResult, name: str) -> str:
    """Return what an axis calls a scale: compute in the unit of the law's cost."""
    if name == "C" and {"N", "D"} <= set(fit.law.inputs):
        return compute_label(unit_of(fit.law.flops))
    return LABELS.get(name) or as_written(name)


def compute_label(unit: str) -> str:
    """Return what the axis of compute is called, in FLOPs or in what a person's column counts."""
    return f"training compute C ({as_written(unit, 16)})"


def loss_label(fit: FitResult) -> str:
    """Return the loss with its unit, or what the source calls its performance."""
    response = fit.runs.response
    if not response.is_loss:
        return as_written(response.kind)
    called = fit.runs.names.get("loss", "loss")
    if "loss" not in called.lower() and called not in "Ll":
        return as_written(called)
    return "loss (nats/token)" if set(fit.law.inputs) <= set("NDC") else "loss"
