"""Numbers and pairs of the command line, as people write them and as answers print them.

7e9, 7B, "13.7 B", 1.4T, 110,678,115, 10^9 and 5% are numbers in every option; K, M, B (or G), T are
powers of a thousand in either case. `data.cells` decides that, for tables and options alike.
"""

from __future__ import annotations

import argparse
import math

from jaxscale.data.cells import written
from jaxscale.text import short


def number(text: str) -> float:
    """Return a number."""
    try:
        return written(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected a number, e.g. 0.5, 7e9, 7B or 1.4T, got {short(text)}{_unit_alone(text)}"
        ) from None


def integer(text: str) -> int:
    """Return a whole number."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        value = written(text)
        if value == math.floor(value) and abs(value) < 2**63:
            return int(value)
    except (ValueError, OverflowError):
        pass
    raise argparse.ArgumentTypeError(
        f"expected a whole number, e.g. 512, 1e6 or 1M, got {short(text)}{_unit_alone(text)}"
    )


def _unit_alone(text: str) -> str:
    """Return what to do where a shell has split a number from its unit, or commas join several."""
    if "," in text:
        return f"; several stand side by side: {' '.join(short(text, 60).split(','))}"
    return f"; write 7{text}, or '7 {text}' in quotes" if text in tuple("KMBGTkmbgt") else ""


def width(text: str) -> float | str:
    """Return a width of residuals, or "auto"."""
    try:
        return text if text == "auto" else written(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a width or auto, got {short(text)}") from None


def pair(text: str) -> tuple[str, float]:
    """Return a name and a number that are written as NAME=NUMBER."""
    name, _, value = text.partition("=")
    try:
        return name, written(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected NAME=NUMBER, got {short(text)}") from None


def limits(text: str) -> tuple[str, tuple[float, float]]:
    """Return a name and a range that are written as NAME=LOW:HIGH."""
    name, _, ends = text.partition("=")
    low, _, high = ends.partition(":")
    try:
        return name, (written(low), written(high))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected NAME=LOW:HIGH, e.g. E=1:2, got {short(text)}"
        ) from None


def names(text: str) -> tuple[str, str]:
    """Return two names that are written as NAME=OTHER."""
    name, mark, other = text.partition("=")
    if not (mark and name and other):
        raise argparse.ArgumentTypeError(f"expected NAME=OTHER, e.g. beta=alpha, got {short(text)}")
    return name, other


def step_count(text: str) -> int:
    """Return a number of steps, also where it is written as 1e5 or 100K."""
    try:
        steps = written(text)
        if 0 < steps < 2**31 and steps == int(steps):
            return int(steps)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"expected a whole number of steps, got {short(text)}")
