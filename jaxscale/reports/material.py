"""What the parts of a report are made from, worked out once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxscale.decisions.allocation import answers
from jaxscale.decisions.question import ask
from jaxscale.errors import JaxscaleError
from jaxscale.fitting.account import notes
from jaxscale.fitting.fractions import beyond_a_fraction
from jaxscale.fitting.nesting import Nesting
from jaxscale.fitting.reach import beyond, beyond_note
from jaxscale.fitting.result import FitResult
from jaxscale.reports.frontier import Frontier, frontier
from jaxscale.shown.blocks import Shown
from jaxscale.specification.result import Specifications
from jaxscale.uncertainty.allocations import doubted
from jaxscale.uncertainty.bootstrap import bootstrap
from jaxscale.uncertainty.draws import Draws


@dataclasses.dataclass(frozen=True)
class Material(Shown):
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
        firm: whether the runs determine the best sizes that were asked for.
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
    firm: bool

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
    against, firm = _of_answers(fit, along)
    doubts = [*against, *_nested(fit), *notes(fit), *([lacking] if lacking else [])]
    doubts += list(found.notes) if found is not None else []
    doubts += [each.sentence for each in results if isinstance(each, Specifications)]
    return Material(
        fit, found, along, level, title, about, results, tuple(dict.fromkeys(doubts)), lacking, firm
    )


def nested(fit: FitResult) -> Nesting | None:
    """Return the law held against one that it is nested in; None where there is none."""
    found = fit.nesting
    return found if found is not None and found.said else None


def _nested(fit: FitResult) -> list[str]:
    found = nested(fit)
    return [f"{found.said}."] if found is not None and found.rejected else []


def _of_answers(fit: FitResult, along: Frontier | None) -> tuple[list[str], bool]:
    """Return what speaks against the answers that were asked for, and whether they may be used."""
    if along is None:
        return [], True
    scales = along.scale[list(along.asked)]
    if len(fit.law.inputs) > 1:
        asked = ask(fit.law, {"compute": scales})
        found = doubted(fit, fit.law, asked, answers(fit.law, asked))
        told = beyond_a_fraction(fit, np.atleast_1d(found.loss))
        return [*found.notes, *told], found.trusted
    told = beyond_a_fraction(fit, [along.answers["loss"][k].estimate for k in along.asked])
    places = [{along.name: float(scale)} for scale in scales]
    far = [text for at in places for text in beyond_note(fit, at, beyond(fit, at))]
    return [*told, *far], True
