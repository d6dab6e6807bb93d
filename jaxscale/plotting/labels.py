"""Text in figures: names as they stand, formulas and parameters as mathematics.

Names come from tables, logs and law files. In a figure a `$` would begin mathematics, which fails
to be drawn where it is none, and a control character would break the line or its drawing.
"""

from __future__ import annotations

import re

from matplotlib.mathtext import MathTextParser

from jaxscale.text import one_line

GREEK = tuple("alpha beta gamma delta epsilon zeta eta theta kappa mu nu xi rho sigma tau".split())
WORDS = "|".join((*GREEK, "log", "exp"))
LONGEST = 40
"""Characters of a name that a figure shows: more would take the room of what is drawn."""
LONGEST_FORMULA = 100
"""Characters of a formula that fit on a line as wide as a page."""


def as_written(name: str, most: int = LONGEST) -> str:
    """Return a name as a figure shows it: no mathematics, no control characters, cut to fit."""
    text = one_line(name)
    text = text if len(text) <= most else text[: most - 3] + "..."
    return text.replace("$", r"\$")


def symbol(name: str) -> str:
    """Return a parameter's name as mathematics, or as it stands where that fails."""
    stem, _, below = name.partition("_")
    stem = f"\\{stem}" if stem in GREEK else stem
    return _parsed(f"${stem}_{{{below}}}$" if below else f"${stem}$", name)


def formula(text: str) -> str:
    """Return a formula set as mathematics; as it stands, cut to a line, where that fails."""
    if len(text) > LONGEST_FORMULA:
        return as_written(text, LONGEST_FORMULA)
    math = re.sub(r"\^(-?\w+)", r"^{\1}", re.sub(r"\^\(([^()]*)\)", r"^{\1}", text))
    math = re.sub(r"_(\w+)|(?<=[A-Za-z])(\d+)", r"_{\1\2}", math)
    math = re.sub(rf"(?<![A-Za-z])({WORDS})(?![A-Za-z])", r"{\\\1}", math)
    return _parsed("$" + math.replace("<=", r"{\leq}").replace(" ", r"\;") + "$", text)


def _parsed(math: str, text: str) -> str:
    try:
        MathTextParser("path").parse(math)
    except ValueError:
        return as_written(text, LONGEST_FORMULA)
    return math
