"""What the parts of a report are made from, worked out once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from jaxscale.checks.determined import size_note
from jaxscale.checks.information import FACTOR
from jaxscale.checks.table import SWAPPED
from jaxscale.errors import JaxscaleError
from jaxscale.fitting.informed import best_size_within
from jaxscale.fitting.result import FitResult, notes
from jaxscale.reports.frontier import Frontier, frontier
from jaxscale.reports.words import powers, sized, times
from jaxscale.uncertainty.bootstrap import bootstrap
from jaxscale.uncertainty.draws import Draws

MOVES = ("Specifications",)
"""Kinds of further results whose sentence says how far other choices move the answer."""
FAR = 10.0
"""Factor outside the range of the runs from which a doubt says so."""


@dataclasses.dataclass(frozen=True)
class Material:
    """A fit with what the page says about it.

    Attributes:
        fit: the fit.
        draws: its bootstrap; None where the fit is not certified, or there is none.
        frontier: answers along its scale; None without draws, or for a law without one scale.
        level: of the intervals.
        title: of the page.
        about: what a person states: fields of the checklist.
        results: further results, in the order in which they are shown.
        doubts: what speaks against the answer, in sentences.
        lacking: why there are no draws; empty if there are.
    """

    fit: FitResult
    draws: Draws | None
    frontier: Frontier | None
    level: float
    title: str
    about: Mapping[str, str]
    results: tuple[Any, ...]
    doubts: tuple[str, ...]
    lacking: str

    @property
    def trusted(self) -> bool:
        """Whether the fit is certified."""
        return self.fit.certificate.trusted

    @property
    def called(self) -> str:
        """What was measured, "loss" for example."""
        return self.fit.runs.response.kind


def gather(
    fit: FitResult,
    *,
    title: str,
    compute: tuple[float, ...],
    about: Mapping[str, str],
    results: tuple[Any, ...],
    draws: int | Draws,
    seed: int,
    level: float,
    progress: Any = None,
) -> Material:
    """Work out what a report says.

    Args:
        fit: the fit.
        title: of the page.
        compute: scales to answer for.
        about: what a person states.
        results: further results to show.
        draws: how many refits, or the draws themselves.
        seed: of the draws.
        level: of the intervals.
        progress: as `bootstrap` takes it.
    """
    found, lacking = None, ""
    if fit.certificate.trusted:
        try:
            found = (
                draws
                if isinstance(draws, Draws)
                else bootstrap(fit, draws=draws, seed=seed, progress=progress)
            )
        except (JaxscaleError, ValueError) as error:
            lacking = f"no intervals: {error}"
    along = None if found is None else frontier(found, compute, level)
    doubts = [*_of_answers(fit, along), *_nested(fit), *notes(fit), *([lacking] if lacking else [])]
    doubts += list(found.notes) if found is not None else []
    doubts += [each.sentence for each in results if type(each).__name__ in MOVES]
    return Material(
        fit, found, along, level, title, about, results, tuple(dict.fromkeys(doubts)), lacking
    )


def nested(fit: FitResult) -> Any:
    """Return the law held against one that it is nested in; None where there is none."""
    found = getattr(fit, "nesting", None)
    return found if found is not None and found.said else None


def _nested(fit: FitResult) -> list[str]:
    found = nested(fit)
    return [f"{found.said}."] if found is not None and found.rejected else []


def _of_answers(fit: FitResult, along: Frontier | None) -> list[str]:
    """Return what speaks against the answers that were asked for."""
    if along is None:
        return []
    said = []
    for k in along.asked:
        scale = float(along.scale[k])
        what = f"{powers(scale)} FLOPs" if along.name == "C" else f"{along.name} = {sized(scale)}"
        if (factor := along.beyond(k)) > 0.999 * FAR:
            largest = scale > float(along.runs.max())
            side = "the largest run" if largest else "below the smallest run"
            said.append(f"{what} is {times(factor)} {side}: no run tells of it.")
        if "N" not in along.answers:
            continue
        if along.at_edge[k]:
            said.append(
                f"The law has no best size at {what}: it lies at the edge of the sizes searched."
            )
        ratio = along.answers["tokens_per_parameter"][k].estimate
        if ratio < SWAPPED:
            said.append(
                f"The best run of {what} has {ratio:.2g} tokens per parameter: are N and D of the "
                "runs swapped, or in other units?"
            )
        if (off := best_size_within(fit, scale)) > FACTOR:
            said.append(size_note(scale, off))
    return said
