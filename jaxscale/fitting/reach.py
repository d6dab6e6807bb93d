"""How far a place lies from the runs: beyond their range, or within it where no run is near."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from jaxscale.fitting.result import FitResult
from jaxscale.flops import complete, unit_of
from jaxscale.text import count

FAR = 10.0
"""Factor outside the range of the runs from which a note says so."""
APART = 3.0
"""Factor outside the runs taken together, within the range of each input, likewise."""
GAPS = 1.5
"""How much farther the nearest run may be than runs are from each other, in logarithms."""
SHOWN = 1.05
"""Factor below which a place counts as within the runs."""
ROUNDED = 1 + 1e-7
"""Factor up to which a place is within the runs, but for rounding."""
TINY = 1e-12
"""Squared distance in logarithms that is none."""


def whole_inputs(fit: FitResult, at: Mapping[str, float]) -> dict[str, float]:
    """Return a place with N, D and C, where it has two of them and the law reads N and D."""
    if not {"N", "D"} <= set(fit.law.inputs) or len(set("NDC") & set(at)) != 2:
        return dict(at)
    known = {name: at.get(name) for name in "NDC"}
    whole = complete(**known, flops=fit.law.flops)
    return {**at, **{k: float(x) for k, x in zip("NDC", whole, strict=True)}}


def said_outside(factors: Mapping[str, float]) -> str:
    """Return factors outside the runs in words: those that are, else that all is within."""
    far = {name: factor for name, factor in factors.items() if factor > ROUNDED}
    return ", ".join(f"{name} x {factor:.3g}" for name, factor in far.items()) or "within"


def together(fit: FitResult, at: Mapping[str, float]) -> float:
    """Return how far a place lies outside the runs, positive inputs of the law taken together.

    Args:
        fit: the fit.
        at: inputs of one place, as `whole_inputs` returns them.

    Returns:
        The largest factor by which an input changes on the way to the nearest point of the runs'
        convex hull in logarithms; 1 within it, and for a law of one such input.

    Source: Wolfe 1976, Mathematical Programming 11, 128-149 (the nearest point of a polytope).
    """
    names = [name for name in fit.law.inputs if fit.law.kinds[name] == "positive"]
    if len(names) < 2 or not set(names) <= set(at):
        return 1.0
    flops = fit.law.flops
    columns = [np.asarray(fit.runs.column(name, flops), float) for name in names]
    runs = np.log(np.unique(np.stack(columns, axis=1), axis=0))
    place = np.log([at[name] for name in names])
    return float(np.exp(np.abs(_least(runs - place)).max()))


def ratio(fit: FitResult, at: Mapping[str, float]) -> float:
    """Return the factor by which the tokens per parameter of a place are outside those of the runs.

    Args:
        fit: the fit.
        at: inputs of one place, as `whole_inputs` returns them.

    Returns:
        1 within them, and for a law that does not read N and D.
    """
    if not {"N", "D"} <= set(fit.law.inputs) or not {"N", "D"} <= set(at):
        return 1.0
    D, N = (np.asarray(fit.runs.column(name, fit.law.flops), float) for name in "DN")
    here = at["D"] / at["N"]
    return float(max(here / (D / N).max(), (D / N).min() / here, 1.0))


def lonely(fit: FitResult, at: Mapping[str, float]) -> float:
    """Return the factor by which the nearest run differs, where runs are nearer to each other.

    Args:
        fit: the fit.
        at: inputs of one place, as `whole_inputs` returns them.

    Returns:
        The largest factor of an input on the way to the nearest run; 1 where the runs themselves
        are about as far from each other.
    """
    names = [name for name in fit.law.inputs if fit.law.kinds[name] == "positive"]
    if not names or not set(names) <= set(at):
        return 1.0
    columns = [np.asarray(fit.runs.column(name, fit.law.flops), float) for name in names]
    runs = np.log(np.unique(np.stack(columns, axis=1), axis=0))
    far = float(np.abs(runs - np.log([at[name] for name in names])).max(axis=1).min())
    if len(runs) < 2 or far <= np.log(APART):
        return 1.0
    some = runs[:: 1 + len(runs) // 2000]  # a matrix of distances, however long the table
    apart = np.abs(some[:, None] - some[None]).max(axis=2)
    np.fill_diagonal(apart, np.inf)
    return float(np.exp(far)) if far > GAPS * np.quantile(apart.min(axis=1), 0.9) else 1.0


def note_together(fit: FitResult, at: Mapping[str, float]) -> list[str]:
    """Say that a place is far from every run though each of its inputs is within their range."""
    inputs = {name: x for name, x in whole_inputs(fit, at).items() if name in fit.law.inputs}
    if any(factor > SHOWN for factor in fit.extrapolation(**inputs).values()):
        return []
    place = ", ".join(f"{name} {count(x)}" for name, x in inputs.items())
    if (factor := together(fit, inputs)) > APART:
        return [
            f"{place}: each is within the range of the runs, but together they are a factor "
            f"{factor:.3g} outside; no run is near"
        ]
    if (factor := ratio(fit, inputs)) > APART:
        return [
            f"{place}: D/N of {inputs['D'] / inputs['N']:.3g} is a factor {factor:.3g} outside "
            "the range of the runs"
        ]
    if (factor := lonely(fit, inputs)) > APART:
        return [
            f"{place}: the nearest run is a factor {factor:.3g} away, and runs lie on both sides"
        ]
    return []


def beyond(fit: FitResult, at: Mapping[str, float]) -> dict[str, float]:
    """Return how far a place lies outside the runs, as factors by what; 1 within them.

    Args:
        fit: the fit.
        at: N, D and C of a law of N and D, or the scale of a law of one.

    Returns:
        By scale: C, or that of a law of one, where the runs have it; "D/N"; and "together", all
        inputs at once.
    """
    scales = ["C"] if {"N", "D"} <= set(fit.law.inputs) else list(fit.law.inputs)
    known = set(fit.law.inputs) | set(fit.runs.columns)
    if {"N", "D"} <= known:
        known.add("C")
    inside = {name: at[name] for name in scales if name in known}
    found = {name: float(x) for name, x in fit.extrapolation(**inside).items()}
    if {"N", "D"} <= set(fit.law.inputs):
        found |= {"D/N": ratio(fit, at), "together": together(fit, at)}
    return {name: float(f"{x:.6g}") for name, x in found.items()}


def beyond_note(fit: FitResult, at: Mapping[str, float], found: Mapping[str, float]) -> list[str]:
    """Say that a place is far outside the runs, in what, and by how much; nothing if it is not.

    Args:
        fit: the fit.
        at: what `beyond` was given.
        found: what it returned.
    """
    name = next((name for name in found if name not in ("D/N", "together")), None)
    scale, of_ratio = found.get(name or "", 1.0), found.get("D/N", 1.0)
    apart = found.get("together", 1.0)
    if max(scale / FAR, of_ratio / APART, apart / FAR) <= 1:
        return note_together(fit, {k: x for k, x in at.items() if k in fit.law.inputs})
    where = (
        f"{at['C']:.3g} {unit_of(fit.law.flops)}"
        if "C" in at
        else f"{name} {count(at[name or ''])}"
    )
    parts = [f"a factor {scale:.3g} outside the range of the runs"] if scale > SHOWN else []
    if of_ratio > SHOWN:
        parts.append(f"its tokens per parameter a factor {of_ratio:.3g} outside theirs")
    if apart > APART:
        parts.append(f"N and D a factor {apart:.3g} from the nearest that the runs span")
    head = f"{where} is" if scale > SHOWN else f"the run of {where}:"
    return [f"{head} {', '.join(parts)}"]


def _least(points: np.ndarray) -> np.ndarray:
    """Return the point of least norm of the convex hull of points [n, k]."""
    active = [int(np.argmin(np.sum(points**2, axis=1)))]
    share = np.ones(1)
    least = points[active[0]]
    for _ in range(100 * points.shape[1]):
        nearer = int(np.argmin(points @ least))
        if least @ least - points[nearer] @ least <= TINY or nearer in active:
            break
        active, share = [*active, nearer], np.append(share, 0.0)
        while True:
            # Least norm over the affine hull of the active points: sum of v is 1.
            some = points[active]
            m = len(active)
            system = np.ones((m + 1, m + 1))
            system[0, 0], system[1:, 1:] = 0.0, some @ some.T
            v = np.linalg.lstsq(system, np.eye(m + 1)[0], rcond=None)[0][1:]
            if (v > 0).all():
                share = v
                break
            low = v <= 0
            step = float(np.min(share[low] / (share[low] - v[low]), initial=1.0))
            share = step * v + (1 - step) * share
            kept = share > 1e-15
            kept[np.argmin(np.where(low, share, np.inf))] = False
            active, share = [a for a, k in zip(active, kept, strict=True) if k], share[kept]
        least = share @ points[active]
    return np.asarray(least)
