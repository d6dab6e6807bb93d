"""The report of a fit as one page: its parts in their order, and what they may do.

The content security policy allows the one style and the one script of the page, by their hashes,
pictures within it, and nothing else: no address, of this machine or another, is asked for anything.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jaxscale._numerics.level import check_level
from jaxscale.files.durable import write_atomically
from jaxscale.fitting.result import FitResult
from jaxscale.plotting.canvas import plain
from jaxscale.reports.about import stated
from jaxscale.reports.material import Material, gather
from jaxscale.reports.sections.along import along
from jaxscale.reports.sections.answer import answer, sentence, top
from jaxscale.reports.sections.checklist import checklist
from jaxscale.reports.sections.data import data
from jaxscale.reports.sections.drawn import figures
from jaxscale.reports.sections.parameters import certificate, parameters
from jaxscale.reports.sections.results import results
from jaxscale.reports.words import SPACE
from jaxscale.shown.blocks import Block, Shown, said
from jaxscale.shown.element import Element, document, make, raw
from jaxscale.text import one_line
from jaxscale.uncertainty.draws import Draws

DRAWS = 4000
"""Of the intervals, where nothing else is asked for."""


@dataclasses.dataclass(frozen=True)
class Report(Shown):
    """A page with what it says on top.

    Attributes:
        html: the page.
        answers: what it answers, in sentences; empty where the fit is not certified.
        doubts: what speaks against them.
        trusted: whether the fit is certified, and determines the best sizes that it answers with.
        material: what the page was made from.

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> fit = jaxscale.fit("Chinchilla", runs, starts=64)
        >>> page = jaxscale.report(fit, compute=1e15, draws=100)
        >>> len(page.answers) > 0, page.trusted
        (True, True)
    """

    html: str = dataclasses.field(repr=False)
    answers: tuple[str, ...]
    doubts: tuple[str, ...]
    trusted: bool
    material: Material = dataclasses.field(repr=False, compare=False)

    def save(self, path: str | Path) -> None:
        """Write the page to a file, the old one staying whole until the new one is.

        Args:
            path: the file; its folder must exist.

        Raises:
            OSError: the file could not be written.
        """
        write_atomically(Path(path), self.html.encode())

    def _blocks(self) -> list[Block]:
        first = [one_line(text) for text in self.answers]
        head = first or ["no answer: the fit is not certified"]
        page = f"A page of {len(self.html) / 1024:,.0f} KB: .save('report.html') writes it."
        return [*head, *said(self.doubts, self.doubts), page]


def report(
    fit: FitResult,
    *,
    title: str | None = None,
    compute: float | Sequence[float] = (),
    about: Mapping[str, Any] | None = None,
    results: Sequence[Any] = (),
    draws: int | Draws = DRAWS,
    seed: int = 0,
    level: float = 0.9,
    progress: Any = None,
) -> Report:
    """Return the report of a fit: one page of HTML that needs nothing but itself.

    Args:
        fit: the fit.
        title: of the page; default the law and its runs.
        compute: budgets in FLOPs that it answers for, the first on top; scales of a law of one
            scale. Default ten times the largest run.
        about: what only a person can say, by the fields of `reports.about.FIELDS`.
        results: further results on these runs, which are shown with their figures: a comparison,
            for example.
        draws: bootstrap tables for the intervals; or what `bootstrap` returned for this fit.
        seed: of the draws.
        level: of the intervals.
        progress: called between chunks of the draws with (draws done, draws in all).

    Returns:
        The report; `.save("report.html")` writes it. The same fit gives the same bytes.

    Raises:
        DataError: `about` has a field that there is not.
        ValueError: a budget is not positive, or `draws` are those of another fit.

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> fit = jaxscale.fit("Chinchilla", runs, starts=64)
        >>> page = jaxscale.report(fit, compute=1e15, draws=100)
        >>> page.save("report.html")
        >>> page.html[:15]
        '<!doctype html>'
    """
    check_level(level)
    budgets = (compute,) if isinstance(compute, int | float) else tuple(compute)
    for budget in budgets:
        if not 0 < budget < float("inf"):
            raise ValueError(f"compute must be positive and finite, got {budget!r}")
    if isinstance(draws, Draws) and draws.fit is not fit:
        raise ValueError("draws: they are those of another fit; give bootstrap(fit), or a number")
    name = type(fit.law).__name__
    material = gather(
        fit,
        title=title or f"{name} on {Path(fit.runs.source).name or fit.runs.source}",
        compute=tuple(map(float, budgets)),
        about=stated(about or {}),
        results=tuple(results),
        draws=draws,
        seed=seed,
        level=level,
        progress=progress,
    )
    trusted = material.trusted and material.firm
    return Report(page(material), _answers(material), material.doubts, trusted, material)


def _answers(material: Material) -> tuple[str, ...]:
    found = material.frontier
    if found is None:
        return ()
    parts = (sentence(found, k, material) for k in found.asked)
    return tuple("".join(make("p", *some).itertext()).replace(SPACE, " ") for some in parts)


def page(material: Material) -> str:
    """Return the page of what was gathered."""
    with plain():  # a page has colors of its own, and the same fit gives the same bytes
        parts = [
            answer(material),
            along(material),
            parameters(material),
            certificate(material),
            figures(material),
            *results(material),
            data(material),
            checklist(material),
        ]
    shown = [part for part in parts if part is not None]
    main = make("main", *shown)
    script = _file("slider.js") if material.frontier is not None else ""
    body = make("body", top(material), _contents(shown), main)
    if script:
        body.append(raw("script", script))
    return document(_head(material, script), body)


def _contents(parts: Sequence[Element]) -> Element:
    links = []
    for part in parts[1:]:
        heading = part.find("h2")
        text = "" if heading is None else heading.text
        links.append(make("li", make("a", text, href=f"#{part.get('id')}")))
    return make("nav", make("ul", *links), aria_label="contents")


def _head(material: Material, script: str) -> list[Element]:
    style = _file("style.css")
    allowed = {
        "default-src": "'none'",
        "style-src": _hash(style),
        "script-src": _hash(script) if script else "'none'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    policy = "; ".join(f"{name} {value}" for name, value in allowed.items())
    return [
        make("meta", charset="utf-8"),
        make("meta", http_equiv="Content-Security-Policy", content=policy),
        make("meta", name="viewport", content="width=device-width, initial-scale=1"),
        make("meta", name="referrer", content="no-referrer"),
        make("meta", name="color-scheme", content="light dark"),
        make("link", rel="icon", href="data:,"),
        make("title", material.title[:200]),
        raw("style", style),
    ]


def _file(name: str) -> str:
    """Return a file of ours that lies beside this one."""
    return files("jaxscale.reports").joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
