"""What `--flops` stands for: k N D, a cost fitted to a column of the runs, or a user's function."""

from __future__ import annotations

import math

import jax
import numpy as np

from jaxscale.data.runs import Runs
from jaxscale.flops import FORMS, Flops, SixND, check_cost, fit_cost
from jaxscale.flops.fitted import CostFit
from jaxscale.laws.names import function_in_file, law_file, running
from jaxscale.text import quantity


def cost_given(text: str, runs: Runs | None) -> Flops:
    """Return the cost of `--flops K`, `COLUMN[:FORM]` or `FILE.py:FUNCTION`.

    Args:
        text: what the user wrote.
        runs: whose column may be named; None where there are none.

    Raises:
        ValueError: K is not positive, there is no such column, form or function, or the runs
            cannot tell its coefficients.
    """
    if is_number(text):
        if not (float(text) > 0 and math.isfinite(float(text))):
            raise ValueError(f"--flops must be positive, got {text}")
        return SixND(float(text))
    own = cost_function(text)
    return fitted(text, runs)[0].cost if own is None else own


def cost_function(text: str) -> Flops | None:
    """Return the user's function of FILE.py:FUNCTION, held to be a cost; None for other text.

    Raises:
        ValueError: it is missing, fails, is not positive or does not increase.
    """
    path = law_file(text)
    if path is None:
        return None
    name = text.partition(".py:")[2]
    own: Flops = function_in_file(path, name)
    with running(f"{path}: {name}(1e9, 1e10) fails", path.absolute()):
        own(np.float64(1e9), np.float64(1e10))
    with running(f"{path}: {name}(N, D) is to be written in jax.numpy", path.absolute()):
        jax.eval_shape(jax.grad(own), 1e9, 1e10)
    check_cost(own, f"{path}: {name}")
    return own


def fitted(text: str, runs: Runs | None) -> tuple[CostFit, Runs]:
    """Return the fit of a cost to the column of `COLUMN[:FORM]`, and the runs with it as their C.

    Raises:
        ValueError: there are no runs, or no such column or form.
    """
    if runs is None:
        raise ValueError(
            f"--flops {text}: there are no runs whose column it could be; give a number K, for "
            "K N D FLOPs, or FILE.py:FUNCTION"
        )
    column, mark, form = text.rpartition(":")
    if not mark or runs.column_called(text) in runs.columns:
        column, form = text, ""
    name = runs.column_called(column)
    if name not in runs.columns:
        raise ValueError(
            f"--flops {text}: expected a number K, FILE.py:FUNCTION, or a column of numbers: "
            f"there are {', '.join(runs.columns)}"
        )
    if name in ("N", "D"):
        raise ValueError(f"--flops {text}: {name} is what a cost is a function of")
    if name != "C":
        missing = {k: runs.column(k) for k in ("N", "D") if k not in runs.columns}
        names = {**runs.names, "C": runs.names.get(name, name)}
        runs = runs.replace(**missing, C=runs.columns[name], names=names)
    return fit_cost(runs, form=form or None), runs


def is_number(text: str) -> bool:
    """Return whether a text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def said(found: CostFit) -> list[str]:
    """Return what a fitted cost is, as notes say it."""
    cost, best = found.cost, found.chosen
    numbers = ", ".join(
        f"{name} {quantity(value)} ± {best.errors[name]:.1g}"
        for name, value in cost.coefficients.items()
    )
    others = [each for each in found.tried if each is not best]
    why = f"; AIC {best.aic:.1f}" if others else ""
    for each in others:
        name = FORMS[each.form].formula
        why += f", {name} {each.aic:.1f}" if each.cost is not None else f", {name}: {each.reason}"
    return [
        f"a run costs {cost.formula} {cost.unit}, by {found.n} runs ({numbers}; off by "
        f"{100 * best.rmse:.2g} %{why}); allocations from this fit count so",
        *found.notes,
    ]
