"""The command `datasets`: the named tables, or the card of one."""

from __future__ import annotations

import argparse
import json

from jaxscale.cli.console import show
from jaxscale.datasets import card
from jaxscale.datasets.catalogue import ENTRIES
from jaxscale.datasets.loading import load


def run_datasets(options: argparse.Namespace) -> int:
    """Print names with rows and licence, or a card."""
    if options.name:
        text = card(options.name)
        show(json.dumps({"name": options.name, "card": text}) if options.json else text)
        return 0
    found = [
        {
            "name": name,
            "rows": len(load(name)) if entry.rows is None else entry.rows,
            "licence": entry.licence.split(",")[0],
            "about": entry.about,
        }
        for name, entry in ENTRIES.items()
    ]
    if options.json:
        show(json.dumps({"datasets": found}))
        return 0
    width = max(len(name) for name in ENTRIES)
    lines = [f"{row['name']:<{width}} {row['rows']:>5}  {row['licence']}" for row in found]
    show("\n".join(lines))
    return 0
