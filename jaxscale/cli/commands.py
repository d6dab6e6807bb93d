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
        compiles: whether it compiles programs that are worth keeping for the next time.
    """

    help: str
    compiles: bool = True


COMMANDS = {
    "fit": Row("Fit a law to a table of runs."),
    "bootstrap": Row("Confidence intervals of a fit."),
    "influence": Row("Say which runs decide an answer of a fit."),
    "compare": Row("Compare laws, extrapolation first."),
    "rank": Row("Try a law against the catalogue on every table at hand."),
    "isoflop": Row(
        "The best N and D of a budget by three approaches, from isoFLOP runs or curves."
    ),
    "specify": Row("The best N and D of a budget under every defensible choice."),
    "sweep": Row("Fit many laws and tables, resumably."),
    "warmup": Row("Compile a law's programs ahead of time."),
    "predict": Row("Evaluate a fitted law or a preset.", compiles=False),
    "allocate": Row("Best N and D for a budget or a loss, with intervals; and other runs to make."),
    "mixture": Row("The best shares of a data mixture, by fitted laws of mixtures."),
    "size": Row("Architectures of a size, or the parameters and FLOPs of one.", compiles=False),
    "design": Row("The next runs for an answer and a budget, or a plan judged."),
    "plot": Row("Draw the law, the residuals and the starts of a fit."),
    "report": Row("Write one page with the answer of a fit and all that led there."),
    "verify": Row("Fit again, and say whether the file of a fit holds."),
    "forecast": Row("Forecast where a run that is still training will end."),
    "laws": Row("List the laws, their parameters and presets.", compiles=False),
    "datasets": Row("List named tables of real runs.", compiles=False),
    "demo": Row("Run the main job on the table of real runs in the package."),
}


def command_named(name: str) -> Command:
    """Return the module of a command."""
    return cast(Command, importlib.import_module(f"jaxscale.cli.{name}"))
