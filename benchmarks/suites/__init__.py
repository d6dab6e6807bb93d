"""The suites: each takes `Options` and returns records and ratios."""

from __future__ import annotations

from collections.abc import Callable

from ..measure import Options, Ratio, Record
from . import bootstrap, cold, epoch, gold, grid, scaling

Suite = Callable[[Options], tuple[list[Record], list[Ratio]]]

SUITES: dict[str, Suite] = {
    "epoch": epoch.run,
    "bootstrap": bootstrap.run,
    "grid": grid.run,
    "scaling": scaling.run,
    "gold": gold.run,
    "cold": cold.run,
}
SIZES = ("quick", "full")
