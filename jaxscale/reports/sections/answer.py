"""The top of the page: what it is, the answer in one sentence, and what speaks against it."""

from __future__ import annotations

from pathlib import Path

from jaxscale._version import __version__
from jaxscale.reports.frontier import Frontier
from jaxscale.reports.material import Material
from jaxscale.reports.words import SPACE, UNIT, powers, sized, spread, stated, times
from jaxscale.shown.element import Child, Element, called, make
from jaxscale.text import many, marked
from jaxscale.uncertainty.intervals import Interval

SHOWN = 8
"""Doubts that are shown at once; the others unfold."""


def top(material: Material) -> Element:
    """Return the head of the page: title, law, runs, verdict."""
    fit = material.fit
    law, runs = fit.law, fit.runs
    verdict = ("good", "certified") if material.trusted else ("bad", "not certified")
    return make(
        "header",
        make("p", "Scaling-law report", class_="kicker"),
        make("h1", called(material.title)),
        make(
            "p",
            make("span", verdict[1], class_=f"verdict {verdict[0]}"),
            " ",
            make("code", f"{type(law).__name__}: {type(law).formula()}"),
            class_="law",
        ),
        make(
            "p",
            f"Fitted to {many(len(runs), 'run')} from ",
            called(Path(runs.source).name or runs.source),
            f"; {fit.loss} on {fit.residual} residuals. Data ",
            make("code", runs.digest()[:12]),
            f", jaxscale {__version__}.",
            class_="muted",
        ),
    )


def answer(material: Material) -> Element:
    """Return the answer with its doubts."""
    along = material.frontier
    if not material.trusted:
        said: list[Child] = [_refused(material)]
    elif along is None:
        said = [_plain(material)]
    else:
        said = [
            make("p", sentence(along, k, material), class_="lead" if k == along.asked[0] else None)
            for k in along.asked
        ]
    state = "good" if material.trusted else "bad"
    return make("section", make("h2", "Answer", id="answer-title", class_="unseen"), *said,
                _doubts(material), id="answer", class_=f"answer {state}",
                aria_labelledby="answer-title")  # fmt: skip


def sentence(along: Frontier, k: int, material: Material) -> list[Child]:
    """Return the answer at a scale, as texts and elements.

    Args:
        along: the frontier.
        k: which of its scales.
        material: of the page.
    """
    level = f"{100 * material.level:g}{SPACE}% interval "
    loss = along.answers["loss"][k]
    at, factor = float(along.scale[k]), along.beyond(k)
    largest = at > float(along.runs.max())
    reach = f", {times(factor)} {'the largest run' if largest else 'below the smallest run'},"
    reach = reach if factor > 1.005 else ""
    if "N" not in along.answers:
        words = (
            f"At {along.name} = {sized(at, along.name)}{_unit(along.name)}{reach} the predicted "
        )
        return [f"{words}{material.called} is ", _strong(stated(loss)[0]), _limits(loss, level)]
    N, D = along.answers["N"][k], along.answers["D"][k]
    return [
        f"A budget of {powers(at)}{SPACE}{along.unit}{reach} is best spent on ",
        _strong(f"N*{SPACE}= {stated(N, as_count=True)[0]} parameters"),
        _limits(N, level, end=" and ", as_count=True),
        _strong(f"D*{SPACE}= {stated(D, as_count=True)[0]} tokens"),
        _limits(D, "", as_count=True, end=f", for a predicted {material.called} of "),
        _strong(stated(loss)[0]),
        _limits(loss, ""),
    ]


def _unit(name: str) -> str:
    return f" {UNIT[name]}" if name in UNIT else ""


def _strong(text: str) -> Element:
    return make("strong", text)


def _limits(interval: Interval, level: str, *, as_count: bool = False, end: str = ".") -> str:
    limits = spread(interval, as_count=as_count)
    return f" ({level}{limits}){end}" if limits else end


def _refused(material: Material) -> Element:
    text = (
        "This fit is not certified, so it answers nothing: no allocation and no prediction stand "
        "on this page. What follows from it may be wrong by any factor."
    )
    return make("p", text, class_="lead")


def _plain(material: Material) -> Element:
    """Return what there is to say of a law without one scale, or without draws."""
    statistics = material.fit.statistics
    error = statistics.get("rmse_log")
    far = f" It is off by {100 * error:.2g} % on the runs (root mean square)." if error else ""
    text = f"The law describes {many(len(material.fit.runs), 'run')} and is certified.{far}"
    inputs = ", ".join(material.fit.law.inputs)
    more = f" It reads {inputs}, so it has no single best run to state for a budget."
    return make("p", text + ("" if material.lacking else more), class_="lead")


def _doubts(material: Material) -> Element:
    if not material.doubts:
        return make("p", "Nothing was found that speaks against it.", class_="doubts none")
    lines = [make("li", _cut(text)) for text in material.doubts]
    shown: list[Child] = [make("ul", *lines[:SHOWN])]
    if len(lines) > SHOWN:
        rest = make("summary", f"{len(lines) - SHOWN} more")
        shown.append(make("details", rest, make("ul", *lines[SHOWN:])))
    title = "Doubts" if material.trusted else "Why not"
    return make("div", make("h3", title), *shown, class_="doubts")


def _cut(text: str, most: int = 600) -> str:
    """Return a sentence without its middle, where somebody put a book into a name."""
    text = marked([text]).removeprefix("\n! ")
    return text if len(text) <= most else f"{text[: most // 2]} … {text[-most // 2 :]}"
