"""Options that had another name: given by it, they are refused with a sentence that says the new.

This table is all that is left of the old names.
"""

from __future__ import annotations

import argparse
from typing import Any

COLUMN = "--column NAME=COLUMN"
FOLDER = "--folder DIR"
BEST = "--best-of COLUMN,..."
RENAMED: dict[str, dict[str, str]] = {
    "fit": {"--map": COLUMN, "--of": "--law LAW:COLUMN", "--lowest": BEST},
    "isoflop": {"--lowest": BEST},
    "verify": {"--lowest": BEST},
    "warmup": {"--of": "--law LAW:COLUMN"},
    "compare": {
        "--map": COLUMN,
        "--laws": "--law LAW,...",
        "--group": "--leave-out COLUMN",
        "--lowest": BEST,
    },
    "sweep": {"-o": FOLDER, "--out": FOLDER},
    "demo": {"-o": FOLDER, "--out": FOLDER},
    "plot": {"-o": "--figure FILE", "--out": "--figure FILE", "--surface": "--kind surface"},
    "forecast": {
        "--loss": "--column loss=COLUMN",
        "--step": "--column step=COLUMN",
        "--lr": "--column lr=COLUMN",
        "--law": "--curve annealing or power",
        "--target-loss": "--below LOSS",
    },
}
"""By command: the old name and what is given in its place."""


class _Refused(argparse.Action):
    """An option that is no more."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option: str | None = None) -> None:
        """Raise with the sentence that names the new option."""
        name = option or self.option_strings[0]
        raise ValueError(f"{parser.prog} has no {name}: give {self.const} in its place")


def refuse_old_names(command: str, sub: argparse.ArgumentParser) -> None:
    """Make a command refuse its options of old."""
    for old, new in RENAMED.get(command, {}).items():
        sub.add_argument(
            old, action=_Refused, nargs="?", const=new, dest=argparse.SUPPRESS,
            default=argparse.SUPPRESS, help=argparse.SUPPRESS,
        )  # fmt: skip
