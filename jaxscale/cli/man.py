"""The command `man`: the manual, made from the options themselves."""

from __future__ import annotations

import argparse

from jaxscale.cli.commands import COMMANDS
from jaxscale.cli.manual import markdown, roff
from jaxscale.cli.outputs import deliver

EXAMPLES = ("jaxscale man fit", "jaxscale man --markdown")


def options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `man`."""
    text = "the page of one command, to be read with `jaxscale man fit | man -l -`; default the "
    text += "page of all"
    sub.add_argument("name", nargs="?", metavar="COMMAND", choices=list(COMMANDS), help=text)
    text = "one page of all commands in Markdown: docs/reference/commands.md"
    sub.add_argument("--markdown", action="store_true", help=text)


def run(options: argparse.Namespace) -> int:
    """Print a page."""
    from jaxscale.cli.parser import parser

    if options.markdown:
        text = markdown(parser().commands)
    else:
        names = [options.name] if options.name else ["man"]
        text = roff(options.name or "", parser(*names).commands)
    deliver(options, text, lambda: {"name": options.name, "page": text})
    return 0
