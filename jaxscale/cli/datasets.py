"""The command `datasets`: the named tables, or the card of one."""

from __future__ import annotations

import argparse
from typing import Any

from jaxscale.cli.outputs import deliver
from jaxscale.datasets import card
from jaxscale.datasets.catalogue import ENTRIES
from jaxscale.datasets.loading import load
from jaxscale.text import columns

EXAMPLES = ("jaxscale datasets", "jaxscale datasets stdlib_ladder")


def options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `datasets`."""
    sub.add_argument("name", nargs="?", metavar="NAME", help="show one table's card")


def run(options: argparse.Namespace) -> int:
    """Print the tables with what they are, or the card of one, with its columns and source."""
    if options.name:
        text = card(options.name)
        deliver(options, text, lambda: {"name": options.name, "card": text})
        return 0
    found: list[dict[str, Any]] = [
        {
            "name": name,
            "rows": len(load(name)) if entry.rows is None else entry.rows,
            "licence": entry.licence.split(",")[0],
            "about": entry.about,
        }
        for name, entry in ENTRIES.items()
    ]
    cells = [["name", "runs", "licence", "about"]]
    cells += [[str(row[key]) for key in ("name", "rows", "licence", "about")] for row in found]
    table = columns(cells, "<><<")
    deliver(options, table, lambda: {"datasets": found})
    return 0
