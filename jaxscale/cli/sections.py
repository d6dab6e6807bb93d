"""The sections of a command's help: what it has of its own comes first, what all share last."""

from __future__ import annotations

import argparse

SOURCE, FITTING, READING = "the file of the fit", "the fit", "reading the table"
SHAPE, OUTPUT = "one row per run", "output"
ORDER = (SOURCE, FITTING, READING, SHAPE, OUTPUT)


def section(sub: argparse.ArgumentParser, title: str) -> argparse._ArgumentGroup:
    """Return the section of a title, made where the help has none yet."""
    there = (group for group in sub._action_groups if group.title == title)
    return next(there, None) or sub.add_argument_group(title)


def arrange(sub: argparse.ArgumentParser) -> None:
    """Bring the sections into their order, those of a command's own before them."""
    sub._action_groups.sort(
        key=lambda group: ORDER.index(group.title) if group.title in ORDER else -1
    )
