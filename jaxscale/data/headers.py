"""The headers of a table as people write them: a name, and often a unit beside it.

`params (M)`, `tokens_B`, `FLOPs (1E21)`, `acc (%)`, `参数量(百万)`. A unit is named here; whether
it is applied is for the person to say (units="auto").
"""

from __future__ import annotations

import re
from typing import NamedTuple

from jaxscale.data.cells import SUFFIX
from jaxscale.data.expressions import as_name

COUNTED = ("N", "D", "C", "S")
"""Letters of what is counted, and may be so in thousands or millions."""
LETTERS = {**{k: SUFFIX[k] for k in "kmbgt"}, "P": 1e15, "E": 1e18, "Z": 1e21, "Y": 1e24}
WORDS = {
    **{"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12, "percent": 1e-2},
    **{"thousands": 1e3, "millions": 1e6, "billions": 1e9, "trillions": 1e12, "%": 1e-2},
    **{"mn": 1e6, "mln": 1e6, "mio": 1e6, "bn": 1e9, "mrd": 1e9, "millionen": 1e6},
    **{"milliarden": 1e9, "billionen": 1e12},
    **{"mega": 1e6, "giga": 1e9, "tera": 1e12, "peta": 1e15, "exa": 1e18, "zetta": 1e21},
    **{name: size for name, size in SUFFIX.items() if not name.isascii()},
}
NOUNS = r"params?|parameters|tokens?|toks?|flops?|steps?|macs"
PLAIN = re.compile(rf"(?:{NOUNS}|nats|nats?\s*/\s*token|个)", re.IGNORECASE)
"""What a number counts, singly."""
BRACKETED = re.compile(r"(.+?)\s*[(\[（【]\s*([^()\[\]（）【】]+?)\s*[)\]）】]")
TAILED = re.compile(r"(.+?)[\s_.,/-]+(?:in[\s_.-]+)?([a-zA-Z]+)")
_CHINESE = sorted((name for name in WORDS if not name.isascii()), key=len, reverse=True)
ATTACHED = re.compile(rf"(.+?)[\s_-]*({'|'.join(_CHINESE)})")
POWER_OF_TEN = re.compile(r"1[eE]\+?(\d{1,2})|10\s*(?:\^|\*\*)\s*(\d{1,2})|10([⁰¹²³⁴-⁹]+)")
DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
PF_DAYS = re.compile(r"(?:petaflops?(?:/s)?|pflops?(?:/s)?|pfs?)[\s-]*(?:s-)?days?", re.IGNORECASE)
MADE = re.compile(r"([\d.e+]+)\*(?:`(.+)`|(\w+))")


class Header(NamedTuple):
    """A header in parts.

    Attributes:
        base: the name without its unit.
        factor: by which its cells are to be multiplied; 1 where there is no unit.
    """

    base: str
    factor: float


def header(name: str) -> Header:
    """Return the name of a column without its unit, and the unit as a factor."""
    name = name.strip()
    if match := BRACKETED.fullmatch(name):
        factor = unit_of(match[2])
        return Header(name, 1.0) if factor is None else Header(match[1], factor)
    if match := ATTACHED.fullmatch(name):
        return Header(match[1], WORDS[match[2]])
    if match := TAILED.fullmatch(name):
        unit = match[2]
        short = len(unit) == 1 and len(re.sub(r"\W|_", "", match[1])) > 3
        factor = unit_of(unit) if short or unit.lower() in WORDS else None
        if factor is not None:
            return Header(match[1], factor)
    return Header(name, 1.0)


def unit_for(letter: str, name: str) -> Header:
    """Return the header of a column that is read as a letter: losses come in no billions."""
    found = header(name)
    good = letter in COUNTED if found.factor > 1 else letter == "loss" or found.factor == 1
    return found if good else Header(name, 1.0)


def unit_of(text: str) -> float | None:
    """Return the factor that a unit stands for, 1e6 for M; None where it is none."""
    text = re.sub(r"^(?:in\s+|[x×·*]\s*)", "", text.strip(), flags=re.IGNORECASE).rstrip(".")
    if text.lower() in WORDS:
        return WORDS[text.lower()]
    if PF_DAYS.fullmatch(text):
        return 8.64e19
    if PLAIN.fullmatch(text):
        return 1.0
    if match := re.fullmatch(
        r"1[eE]\+?(\d{1,2})|10\s*(?:\^|\*\*)\s*(\d{1,2})|10([⁰¹²³⁴-⁹]+)", text
    ):
        return float("1e" + (match[1] or match[2] or match[3].translate(DIGITS)))
    match = re.fullmatch(rf"([a-zA-Z]+?)[\s.-]*({NOUNS})?", text, re.IGNORECASE)
    if match is None:
        return None
    size = match[1]
    if match[2] and size.lower() in WORDS:
        return WORDS[size.lower()]
    return LETTERS.get(size.upper() if match[2] and size in "pezy" else _cased(size))


def _cased(letter: str) -> str:
    return letter if letter in "PEZY" else letter.lower() if letter.lower() in SUFFIX else ""


def power_of_ten(factor: float) -> str:
    """Return a factor as a person writes it: 1e6, 8.64e19."""
    return re.sub(r"e\+?(-?)0*", r"e\1", f"{factor:g}")


def made_of(name: str, factor: float) -> str:
    """Return how to call a column that was multiplied by a factor."""
    return f"{power_of_ten(factor)}*{as_name(name)}"


def made_from(label: str) -> tuple[float, str]:
    """Return the factor and the column of what `made_of` returned; 1 and the name otherwise."""
    match = MADE.fullmatch(label)
    try:
        return (float(match[1]), match[2] or match[3]) if match else (1.0, label)
    except ValueError:
        return 1.0, label
