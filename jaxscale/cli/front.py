"""What `jaxscale` alone says, and `jaxscale --help`: the commands in groups, and how to begin."""

from __future__ import annotations

import shutil
import textwrap

from jaxscale._version import __version__
from jaxscale.cli.commands import COMMANDS

BEGIN = (
    ("jaxscale demo", "the whole way, on real runs"),
    ("jaxscale fit runs.csv -o fit.json", "a law of your runs, with errors"),
    ("jaxscale allocate fit.json --compute 1e24", "the best N and D of a budget"),
)
"""Three command lines, and what they do."""
TITLE = f"jaxscale {__version__} fits scaling laws to tables of training runs"
INDENT = 14
"""Columns before the sentence of a command."""


def overview() -> str:
    """Return what fits on a screen: how to begin, and the commands of every day."""
    lines = [*_filled(TITLE), "", *_begin(), ""]
    for name, row in COMMANDS.items():
        lines += _line(name, row.help) if row.daily else []
    more = ", ".join(name for name, row in COMMANDS.items() if not row.daily)
    lines += _filled(f"and {more}", "  ", "      ")
    lines += ["", *_filled("jaxscale COMMAND --help has options and examples")]
    return "\n".join(lines)


def everything() -> str:
    """Return all commands in their groups."""
    lines = ["usage: jaxscale [--version] [--help] COMMAND ...", "", *_filled(TITLE)]
    for group in dict.fromkeys(row.group for row in COMMANDS.values()):
        lines += ["", f"{group}:"]
        for name, row in COMMANDS.items():
            lines += _line(name, row.help) if row.group == group else []
    lines += ["", "examples:", *_begin(), ""]
    text = "jaxscale COMMAND --help, or jaxscale help COMMAND, has the options of one. Tables are "
    text += "files, - for standard input, or <(...); sizes and budgets are written 7e9, 7B or 1.4T."
    lines += [*_filled(text), ""]
    text = "Exit codes: 0 done; 1 done, but not to be trusted, or no answer; 2 bad input or usage; "
    text += "3 the answer could not be printed or written; 130 interrupted."
    return "\n".join([*lines, *_filled(text)])


def _begin() -> list[str]:
    width = max(len(command) for command, _ in BEGIN)
    lines = []
    for command, what in BEGIN:
        line = f"  {command:<{width}}  {what}"
        lines += [line] if len(line) < _width() else [f"  {command}", f"      {what}"]
    return lines


def _line(name: str, sentence: str) -> list[str]:
    return _filled(f"{name:<{INDENT - 2}}{sentence.removesuffix('.')}", "  ", " " * INDENT)


def _filled(text: str, first: str = "", later: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        _width(),
        initial_indent=first,
        subsequent_indent=later,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _width() -> int:
    """Return the columns to fill, as help does: COLUMNS, the terminal's, or 80."""
    return max(min(shutil.get_terminal_size().columns, 100) - 1, 40)
