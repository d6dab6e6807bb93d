"""A picture of every law on its page: its example, along one input, at three values of a second."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from sphinx.application import Sphinx

from jaxscale.laws import CATALOGUE, Law, predict
from jaxscale.laws.law import RANGES
from jaxscale.text import quantity

INK = "#7f8790"  # to be read on white and on black
COLORS = ("#0072b2", "#56a4d9", "#e69f00")
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "jaxscale",
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "text.color": INK,
} | dict.fromkeys(("axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK)


def along(law: Law) -> dict[str, np.ndarray]:
    """Return the range of each input, evenly as its kind is; of shares, the first one's."""
    ranges = {**RANGES, **type(law).example.inputs}
    inputs = {
        name: (np.geomspace if kind == "positive" else np.linspace)(*ranges[name], 81)
        for name, kind in law.kinds.items()
        if name not in law.shares
    }
    return {law.shares[0]: np.linspace(0.02, 0.98, 81)} | inputs if law.shares else inputs


def curves(law: Law) -> tuple[str, np.ndarray, list[tuple[str, np.ndarray]]]:
    """Return the input drawn along, its values, and the curves with what tells them apart."""
    inputs = along(law)
    x, *others = inputs
    second = others[0] if others else None
    drawn = []
    for index in (10, 40, 70) if second else (40,):
        given = {name: values[40] for name, values in inputs.items()} | {x: inputs[x]}
        if second:
            given[second] = inputs[second][index]
        if law.shares:  # what the first leaves is shared evenly
            rest = law.shares[1:]
            given |= dict.fromkeys(rest, (1 - given[x]) / len(rest))
        label = f"{second} = {quantity(float(inputs[second][index]), 2)}" if second else ""
        y = np.asarray(predict(law, **given))
        drawn.append((label, np.broadcast_to(y, inputs[x].shape)))
    return x, inputs[x], drawn


@FuncFormatter
def short(value: float, _: object) -> str:
    """The label of a tick: 1e9, .02. Powers as mathematics take a third of the time of them all."""
    return quantity(value, 1 if value >= 1e5 else 3).replace("e+0", "e").replace("e+", "e")


def draw(law: type[Law], file: Path) -> None:
    """Write the picture of a law. All have the same margins: fitting them doubles the time."""
    x, values, drawn = curves(law.usual()(**law.example.values))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.6, 2.1))
        figure.patch.set_alpha(0)
        axes = figure.add_axes((0.16, 0.2, 0.81, 0.76))
        axes.patch.set_alpha(0)
        for color, (label, y) in zip(COLORS, drawn, strict=False):
            axes.plot(values, y, color=color, label=label)
        for scale, axis, shown in (
            (axes.set_xscale, axes.xaxis, values),
            (axes.set_yscale, axes.yaxis, np.stack([y for _, y in drawn])),
        ):
            logarithmic = shown.min() > 0 and shown.max() / shown.min() > 60
            if logarithmic:
                scale("log")
            axis.set_major_locator(LogLocator(numticks=5) if logarithmic else MaxNLocator(4))
            axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(short)
        axes.set(xlabel=x, ylabel=law.formula().split("(")[0].removeprefix("log "))
        if len(drawn) > 1:
            axes.legend()
        figure.savefig(file, metadata={"Date": None})


def read(app: Sphinx, page: str, content: list[str]) -> None:
    """Sphinx's event: puts the pictures below the formulas."""
    if page != "laws":
        return
    folder = Path(app.srcdir) / "_build" / "laws"
    folder.mkdir(parents=True, exist_ok=True)
    for name, law in CATALOGUE.items():
        if not (folder / f"{name}.svg").exists():
            draw(law, folder / f"{name}.svg")
        content[0] = re.sub(
            rf"(^## {name}\n\n\$\$.*\$\$\n)",
            lambda found, name=name: f"{found[1]}\n![{name}](_build/laws/{name}.svg)\n",
            content[0],
            flags=re.MULTILINE,
        )


def setup(app: Sphinx) -> dict[str, Any]:
    """As Sphinx asks for."""
    app.connect("source-read", read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
