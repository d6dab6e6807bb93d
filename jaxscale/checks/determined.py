"""What the runs of a fit do not determine, said in the words of the field.

By the information of the law at its optimum (`information`), whatever the design is called; the
design is then looked at for what to say of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np

from jaxscale.checks.design import counted, line_of, listed, terms_of
from jaxscale.checks.information import COUNTS, FACTOR, Information, best_size, tangled
from jaxscale.flops import UNIT, unit_of
from jaxscale.laws.grouped import FAMILY, FamilyLaw
from jaxscale.text import count

WIDE = 0.6
"""Spread across a line (standard deviation of a logarithm) up to which a sentence speaks of it."""
LARGE = 1000.0
"""Factor from which a sentence says no number."""


def undetermined(at: Information) -> tuple[str, ...]:
    """Return sentences on what these runs leave open; empty for laws of one input.

    Args:
        at: the law at its optimum; one over families is asked of each.

    Cost: some hundred evaluations of the law, uncompiled.
    """
    law = at.law
    if not isinstance(law, FamilyLaw):
        return tuple(_undetermined(at))
    there = set(at.inputs[FAMILY].tolist())  # all runs of a family may be left out
    known = {k: label for k, label in enumerate(law.labels) if k in there}
    said = {label: _undetermined(at, {FAMILY: k}) for k, label in known.items()}
    return tuple(f"{law.by} {label}: {one}" for label, found in said.items() for one in found)


def _undetermined(at: Information, held: Mapping[str, float] | None = None) -> list[str]:
    law = at.law
    logs = {name: np.log(x) for name, x in at.inputs.items() if law.kinds[name] == "positive"}
    if len(logs) < 2:
        return []
    found = []
    budget = largest_budget(at, held)
    size = None if budget is None else best_size(at, budget, held)
    if size is not None and budget is not None:
        half, toward = at.within(size)
        if half > np.log(FACTOR):
            largest = f"{budget:.2g} {unit_of(law.flops)}, their largest budget,"
            open_ = f"the best N for {largest} {_off(half)}"
            found.append(_sentence(at, ("N", "D"), open_, toward))
    tied = terms_of(law)
    for a, b in itertools.combinations(logs, 2):
        if ({a, b} == {"N", "D"} and size is not None) or not (
            tied[a] - tied[b] and tied[b] - tied[a]
        ):
            continue
        if (half := tangled(at, a, b, held)) > np.log(COUNTS):
            open_ = f"how much {a} counts against {b} {_off(half)}"
            found.append(_sentence(at, (a, b), open_, np.zeros(len(at.z))))
    return found


def largest_budget(at: Information, held: Mapping[str, float] | None = None) -> float | None:
    """Return the compute of the largest run; None for a law that does not read N and D.

    Args:
        at: the law at its optimum.
        held: of the runs that have these inputs; default of all.
    """
    if not {"N", "D"} <= set(at.inputs):
        return None
    C = np.asarray(at.law.flops(at.inputs["N"], at.inputs["D"]), float)
    here = [at.inputs[name] == x for name, x in (held or {}).items()]
    return float(np.max(C[np.all(here, axis=0)] if here else C))


def size_within(at: Information, compute: float, held: Mapping[str, float] | None = None) -> float:
    """Return the factor within which the best N of a budget is known, at 98 %; 1 if it has none.

    Args:
        at: the law at its optimum.
        compute: the budget.
        held: where other inputs are held; default at their medians.
    """
    size = best_size(at, compute, held)
    return 1.0 if size is None else float(np.exp(min(at.within(size)[0], 700.0)))


def size_note(compute: float, factor: float, unit: str = UNIT) -> str:
    """Return what to say of a budget whose best size is not known.

    Args:
        compute: the budget.
        factor: within which the size is known.
        unit: of the budget.
    """
    return (
        f"the runs do not determine the best N for {compute:.3g} {unit}: it "
        f"{_off(np.log(factor))}; add runs nearer to that budget, or of other tokens per parameter"
    )


def _off(half: float) -> str:
    factor = np.exp(min(half, 700.0))
    if factor > LARGE:
        return "may be off by any factor"
    return f"may be off by a factor {count(float(f'{factor:.2g}'))}"


def _sentence(at: Information, pair: tuple[str, str], open_: str, toward: np.ndarray) -> str:
    n = len(at.loss)
    noise = f"{100 * at.scatter:.2g} %" if not at.residual.has_unit else f"{at.scatter:.2g}"
    line = line_of(pair, {name: np.log(at.inputs[name]) for name in pair}, at.weight, WIDE)
    if line:
        return (
            f"{line}: with residuals of {noise} that is too near to one line, and {open_}. Add "
            "runs off that line, fix an exponent, or use a law of one input."
        )
    size = np.abs(toward)
    names = [name for name, x in zip(at.space.free, size, strict=True) if x > 0.3 * size.max() > 0]
    square = "" if at.quadratic else "; of even noise --loss square makes more of every run"
    change = f" ({listed(tuple(names))} change together)" if len(names) > 1 else ""
    return (
        f"{counted(n, 'run')} with residuals of {noise} are not enough for "
        f"{len(at.space.free)} parameters{change}: {open_}. Add runs, of other "
        f"{pair[0]} and {pair[1]}, or fix an exponent{square}."
    )
