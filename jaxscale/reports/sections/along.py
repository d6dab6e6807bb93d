"""Answers along the scale: charts with a slider, the numbers it moves, and a table of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxscale.reports.chart import Line, Panel
from jaxscale.reports.frontier import Frontier
from jaxscale.reports.material import Material
from jaxscale.reports.sections.answer import sentence
from jaxscale.reports.words import SPACE, UNIT, powers, sized, spread, stated, times
from jaxscale.shown.element import Child, Element, data, make, section, table
from jaxscale.text import count
from jaxscale.uncertainty.intervals import Interval

WITHIN = 1.005
"""Factor outside the range of the runs that still counts as within."""
ROWS = 16
"""Rows of the table, about."""
LABELS = {
    "N": ("N*", "parameters"),
    "D": ("D*", "tokens"),
    "tokens_per_parameter": ("D*/N*", "tokens per parameter"),
}
COUNTED = ("N", "D")


def along(material: Material) -> Element | None:
    """Return the part; None where the fit answers nothing along a scale."""
    found = material.frontier
    if found is None:
        return None
    joint = "N" in found.answers
    panels = _panels(found, material)
    at = found.asked[0]
    title = "Allocation" if joint else "Prediction"
    moved = {k: v for panel in panels for k, v in panel.moves().items()}
    texts = [_texts(found, k, material) for k in range(len(found.scale))]
    block = {"start": at, "moves": moved, "texts": texts}
    return section(
        "along",
        title,
        _control(found, at, texts),
        _numbers(texts[at], joint, material),
        make("div", *(panel.draw(at) for panel in panels), class_="charts"),
        make("p", _caption(found, material), class_="muted"),
        _table(found, material),
        data(block, "along-data"),
    )


def _panels(found: Frontier, material: Material) -> list[Panel]:
    name = f"C ({found.unit})" if found.name == "C" else f"{found.name}{_bracket(found.name)}"
    asked = tuple(float(found.scale[k]) for k in found.asked)
    losses = np.asarray(material.fit.runs.loss, float)
    joint = "N" in found.answers
    along_best = "along the best runs" if joint else "along the law"

    def line(key: str, label: str) -> Line:
        rows = found.answers[key]
        columns = ([getattr(i, end) for i in rows] for end in ("estimate", "low", "high"))
        return Line(key, label, *(np.array(column, float) for column in columns))

    def panel(key: str, title: str, label: str, lines: Sequence[Line], **more: Any) -> Panel:
        return Panel(
            key, title, name, label, found.scale, tuple(lines), asked, **more
        )  # fmt: skip

    loss = line("loss", material.called)
    positive = bool((loss.center > 0).all() and (losses > 0).all())
    panels = [
        panel(
            "loss",
            f"{material.called} {along_best}, with the runs",
            material.called,
            [loss],
            runs=(found.runs, losses),
            log_y=positive and max(losses.max(), loss.center.max()) > 3 * loss.center.min(),
            ticks=_plain,
        )
    ]
    if joint:
        sizes = [line("N", "N*"), line("D", "D*")]
        panels.append(
            panel(
                "sizes",
                "best number of parameters N* and of tokens D*",
                "parameters N*, tokens D*",
                sizes,
                runs=(found.runs, None),
                log_y=True,
                ticks=count,
            )
        )
    return panels


def _plain(value: float) -> str:
    return f"{value:.4g}".replace("-", "−")


def _bracket(name: str) -> str:
    return f" ({UNIT[name]})" if name in UNIT else ""


def _caption(found: Frontier, material: Material) -> str:
    text = (
        f"Lines: the fitted law. Bands: {100 * material.level:g} % intervals of "
        f"{len(material.draws or ()):,} draws. Shaded: the range of the runs. Dashed: what was "
        "asked for."
    )
    if "N" in found.answers:
        text += " Runs lie above the line of the best runs: few of them are of the best size."
    return text


def _texts(found: Frontier, k: int, material: Material) -> dict[str, str]:
    """Return everything that the page writes for one position of the slider."""
    texts = {
        "scale": _scale(found, k),
        "sentence": "".join(_flat(part) for part in sentence(found, k, material)),
        "reach": _reach(found, k),
    }
    for key, rows in found.answers.items():
        value = stated(rows[k], as_count=key in COUNTED)[0]
        texts[key] = value
        texts[f"{key}-range"] = spread(rows[k], as_count=key in COUNTED)
    return texts


def _flat(part: Child) -> str:
    return part if isinstance(part, str) else "".join(part.itertext()) if part is not None else ""  # type: ignore[union-attr]


def _scale(found: Frontier, k: int) -> str:
    value = float(found.scale[k])
    return (
        f"{powers(value)}{SPACE}{found.unit}"
        if found.name == "C"
        else f"{found.name} = {sized(value)}"
    )


def _reach(found: Frontier, k: int) -> str:
    factor = found.beyond(k)
    if factor < WITHIN:
        return "within the runs"
    return f"{times(factor)} {'beyond' if found.scale[k] > found.runs.max() else 'below'} the runs"


def _control(found: Frontier, at: int, texts: Sequence[dict[str, str]]) -> Element:
    what = "Budget" if found.name == "C" else found.name
    slider = make(
        "input",
        type="range",
        id="slider",
        min=0,
        max=len(found.scale) - 1,
        step=1,
        value=at,
        aria_valuetext=texts[at]["scale"],
    )
    return make(
        "div",
        make(
            "div",
            make("label", f"{what}: ", _shown(texts[at], "scale"), for_="slider"),
            slider,
            id="control",
            class_="control",
            hidden=True,
        ),
        make("output", texts[at]["sentence"], for_="slider", aria_live="polite",
             data_show="sentence", class_="unseen"),
    )  # fmt: skip


def _shown(texts: dict[str, str], key: str, tag: str = "b", **more: Any) -> Element:
    """Return a text that the slider changes."""
    return make(tag, texts[key], data_show=key, **more)


def _range(texts: dict[str, str], key: str) -> Element:
    return _shown(texts, f"{key}-range", "span")


def _numbers(texts: dict[str, str], joint: bool, material: Material) -> Element:
    """Return the numbers at one place, large."""
    cells = [("N*", "N", "parameters"), ("D*", "D", "tokens")] if joint else []
    cells += [(f"predicted {material.called}", "loss", "")]
    cells += [("D*/N*", "tokens_per_parameter", "tokens per parameter")] if joint else []
    level = f"{100 * material.level:g} %: "
    tiles = [
        make(
            "div",
            make("dt", label, make("small", f" {unit}") if unit else None),
            make("dd", _shown(texts, key), make("small", level, _range(texts, key))),
        )
        for label, key, unit in cells
    ]  # fmt: skip
    place = make(
        "div",
        make("dt", "against the runs"),
        make("dd", _shown(texts, "reach", class_="words")),
    )
    return make("dl", *tiles, place, class_="numbers")


def _rows(found: Frontier) -> list[int]:
    """Return which scales the table shows: what was asked for, and round ones between."""
    decades = math.log10(found.scale[-1] / found.scale[0])
    step = max(1, math.ceil(decades / ROWS))
    fronts = ("1", "2", "5") if 3 * decades <= ROWS else ("1",)
    wanted = []
    for k, scale in enumerate(found.scale):
        front, exponent = f"{scale:.3e}".split("e")
        if f"{float(front):g}" in fronts and int(exponent) % step == 0:
            wanted.append(k)
    return sorted({*wanted, *found.asked})


def _table(found: Frontier, material: Material) -> Element:
    level = f"{100 * material.level:g} %"
    keys: list[str] = [key for key in ("N", "D", "tokens_per_parameter") if key in found.answers]
    head: list[Child] = [f"C ({found.unit})" if found.name == "C" else found.name]
    for key in keys:
        head += [LABELS[key][0], level]
    head += [material.called, level, "beyond the runs"]
    rows = []
    for k in _rows(found):
        cells: list[Child] = [sized(float(found.scale[k]), found.name)]
        for key in (*keys, "loss"):
            interval: Interval = found.answers[key][k]
            counts = key in COUNTED
            cells += [stated(interval, as_count=counts)[0], spread(interval, as_count=counts)]
        factor = found.beyond(k)
        cells.append("within" if factor < WITHIN else f"{factor:.3g}{SPACE}×")
        rows.append([make("b", cell) if k in found.asked else cell for cell in cells])
    align = "<" + ">" * (len(head) - 1)
    return table(head, rows, align, caption="What was asked for in bold.", class_="tight")
