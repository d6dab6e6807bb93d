"""The commands of the command line: what each is called and does.

Nothing heavy is imported here or on the way here: which command is meant is known before JAX is
there. A command is a module of this folder with what `Command` lists, and a row of `COMMANDS`.
"""

from __future__ import annotations

import argparse
import importlib
from typing import NamedTuple, Protocol, cast


class Command(Protocol):
    """A module that is a command; its own name is the command's.

    Attributes:
        EXAMPLES: two command lines that work.
    """

    EXAMPLES: tuple[str, str]

    def options(self, sub: argparse.ArgumentParser) -> None:
        """Add the options of the command."""

    def run(self, options: argparse.Namespace) -> int:
        """Do it, deliver the answer, return the exit code."""


class Row(NamedTuple):
    """A command in the list of all.

    Attributes:
        help: one sentence on what it does.
        group: what it is listed under.
        daily: whether `jaxscale` alone shows it; the others are named.
        compiles: whether it compiles programs that are worth keeping for the next time.
        bare: whether it works where JAX does not.
    """

    help: str
    group: str
    daily: bool = True
    compiles: bool = True
    bare: bool = False


FIT, DECIDE, SHOW, MANY, LOOK = "fit and judge", "decide", "show", "many", "look up"
COMMANDS = {
    "fit": Row("Fit a law to a table of runs.", FIT),
    "bootstrap": Row("Confidence intervals of a fit.", FIT),
    "influence": Row("Say which runs decide an answer of a fit.", FIT),
    "compare": Row("Compare laws, extrapolation first.", FIT),
    "verify": Row("Fit again, and say whether the file of a fit holds.", FIT, daily=False),
    "rank": Row("Try a law against the catalogue on every table at hand.", FIT, daily=False),
    "predict": Row("Evaluate a fitted law or a preset.", DECIDE, compiles=False),
    "allocate": Row("The best N and D for a budget or a loss, with intervals.", DECIDE),
    "isoflop": Row("The best N and D by three approaches, from isoFLOP runs or curves.", DECIDE),
    "specify": Row("The best N and D of a budget under every defensible choice.", DECIDE),
    "design": Row("The next runs for an answer and a budget, or a plan judged.", DECIDE),
    "forecast": Row("Forecast where a run that is still training will end.", DECIDE),
    "mixture": Row(
        "The best shares of a data mixture, by fitted laws of mixtures.", DECIDE, daily=False
    ),
    "size": Row(
        "Architectures of a size, or the parameters and FLOPs of one.",
        *(DECIDE, False),
        compiles=False,
    ),
    "plot": Row("Draw the law, the residuals and the starts of a fit.", SHOW),
    "report": Row("Write one page with the answer of a fit and all that led there.", SHOW),
    "sweep": Row("Fit many laws and tables, resumably.", MANY, daily=False),
    "warmup": Row("Compile a law's programs ahead of time.", MANY, daily=False),
    "laws": Row("List the laws, their parameters and presets.", LOOK, compiles=False),
    "datasets": Row("List named tables of real runs.", LOOK, compiles=False),
    "demo": Row("Run the main job on the table of real runs in the package.", LOOK, daily=False),
    "doctor": Row("Say whether all that jaxscale needs is there and works.", LOOK, bare=True),
    "completion": Row(
        "Completion of commands and options by bash, zsh or fish.",
        *(LOOK, False),
        compiles=False,
    ),
    "man": Row("The manual page of a command, or of all.", LOOK, daily=False, compiles=False),
}


def command_named(name: str) -> Command:
    """Return the module of a command."""
    return cast(Command, importlib.import_module(f"jaxscale.cli.{name}"))
