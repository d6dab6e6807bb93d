"""The pages of the manual, made from the options that the commands take: roff and Markdown."""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Iterator, Mapping

from jaxscale._version import __version__
from jaxscale.cli.commands import COMMANDS, command_named
from jaxscale.cli.console import HelpFormatter
from jaxscale.cli.front import BEGIN, TITLE

CODES = (
    ("0", "done"),
    ("1", "done, but the certificate says not to trust it; or no answer, which a sentence says"),
    ("2", "bad input or usage"),
    ("3", "done, but the answer could not be printed or a file not be written"),
    ("130", "interrupted"),
)
"""Exit codes."""
NUMBERS = (
    "Numbers are written 7e9, 7B, 1.4T, 10^9 or 5%; K, M, B and T are powers of a thousand, in "
    "either case. Tables are files, - for standard input, or <(...) of a shell."
)
ESCAPED = re.compile(r"([\\*_<>|$\[\]{}#])")
DEFAULT = re.compile(r"(.*?)(?:^|; )default:? ((?:(?!; default)[^;])*)(?:; ((?:(?!default ).)*))?")
"""A sentence that says a default; its last one, where others are within it."""
Pages = Mapping[str, argparse.ArgumentParser]


def invocation(action: argparse.Action) -> str:
    """Return how an argument is given: `-o, --out FILE`, `RUNS ...`."""
    named = ", ".join(action.option_strings)
    value = _value(action)
    return f"{named} {value}".strip() if named else value


def _value(action: argparse.Action) -> str:
    name = action.metavar
    if name is None:
        choices = action.choices and "{" + ",".join(map(str, action.choices)) + "}"
        name = choices or action.dest.upper()
    if isinstance(name, tuple):
        return " ".join(name)
    if isinstance(action.nargs, int):
        return " ".join([name] * action.nargs)
    return {"+": f"{name} ...", "*": f"[{name} ...]", "?": f"[{name}]"}.get(str(action.nargs), name)


def meaning(action: argparse.Action) -> tuple[str, str]:
    """Return what an argument means, and its default; empty where there is none."""
    text = HelpFormatter("jaxscale")._expand_help(action) if action.help else ""
    if action.nargs == 0:
        return text, ""
    if not (found := DEFAULT.fullmatch(text)):
        return text, ""
    return "; ".join(filter(None, (found[1], found[3]))), found[2]


def sections(sub: argparse.ArgumentParser) -> Iterator[tuple[str, list[argparse.Action]]]:
    """Yield the sections of a command's arguments, those that are refused left out."""
    for group in sub._action_groups:
        shown = [
            a for a in group._group_actions if a.help != argparse.SUPPRESS and a.dest != "help"
        ]
        if shown:
            title = "arguments" if group.title == "positional arguments" else str(group.title)
            yield title, shown


def synopsis(name: str, sub: argparse.ArgumentParser) -> str:
    """Return what a command needs, and that it takes options."""
    needed = [action for action in sub._actions if action.required and action.option_strings]
    given = [action for action in sub._actions if not action.option_strings]
    words = [invocation(action).rpartition(", ")[2] for action in (*given, *needed)]
    return " ".join(["jaxscale", name, *words, "[OPTIONS]"])


def roff(name: str, pages: Pages) -> str:
    """Return the manual page of a command, or that of jaxscale for an empty name."""
    return _roff_of_one(name, pages[name]) if name else _roff_of_all()


def _roff_of_one(name: str, sub: argparse.ArgumentParser) -> str:
    lines = _roff_head(f"jaxscale-{name}", COMMANDS[name].help)
    lines += [".SH SYNOPSIS", ".nf", _roff(synopsis(name, sub)), ".fi"]
    lines += [".SH DESCRIPTION", *_roff_about(sub), ".PP", _roff(NUMBERS), ".SH OPTIONS"]
    for title, actions in sections(sub):
        lines += [f".SS {_roff(title)}"]
        for action in actions:
            text, default = meaning(action)
            said = "; ".join(filter(None, (text, f"default {default}" if default else "")))
            lines += [".TP", rf"\fB{_roff(invocation(action))}\fR", _roff(said)]
    lines += [".SH EXAMPLES", *_roff_lines(command_named(name).EXAMPLES), *_roff_codes()]
    return "\n".join([*lines, ".SH SEE ALSO", r".BR jaxscale (1)"])


def _roff_about(sub: argparse.ArgumentParser) -> list[str]:
    """Return the description of a command; lines that are indented stay lines."""
    lines = []
    for part in (sub.description or "").split("\n\n"):
        kept = part.startswith(" ")
        lines += [".PP", *(_roff_lines(part.split("\n")) if kept else [_roff(part)])]
    return lines[1:]


def _roff_of_all() -> str:
    lines = _roff_head("jaxscale", "fit scaling laws to tables of training runs")
    lines += [".SH SYNOPSIS", r"\fBjaxscale\fR \fICOMMAND\fR [OPTIONS]", ".SH DESCRIPTION"]
    lines += [_roff(f"{TITLE}."), _roff(NUMBERS), ".SH COMMANDS"]
    for group in dict.fromkeys(row.group for row in COMMANDS.values()):
        lines += [f".SS {_roff(group)}"]
        for name, row in COMMANDS.items():
            lines += [".TP", rf"\fB{name}\fR", _roff(row.help)] if row.group == group else []
    lines += [".SH EXAMPLES", *_roff_lines([command for command, _ in BEGIN]), *_roff_codes()]
    text = "jaxscale man COMMAND, and jaxscale COMMAND --help, have the options of one."
    return "\n".join([*lines, ".SH SEE ALSO", _roff(text)])


def _roff_head(name: str, about: str) -> list[str]:
    about = about[0].lower() + about[1:].removesuffix(".")
    return [
        f'.TH {name.upper()} 1 "" "jaxscale {__version__}" "jaxscale"',
        ".SH NAME",
        f"{_roff(name)} \\- {_roff(about)}",
    ]


def _roff_lines(lines: tuple[str, ...] | list[str]) -> list[str]:
    return [".nf", *(_roff(line).replace("\n", " ") for line in lines), ".fi"]


def _roff_codes() -> list[str]:
    lines = [".SH EXIT STATUS"]
    for code, what in CODES:
        lines += [".TP", rf"\fB{code}\fR", _roff(what)]
    return lines


def _roff(text: str) -> str:
    """Return text that roff shows as it is, in lines of a source."""
    text = text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq").replace("`", r"\(ga")
    lines = textwrap.wrap(text, 78, break_long_words=False, break_on_hyphens=False)
    return "\n".join(rf"\&{line}" if line[:1] == "." else line for line in lines)


def markdown(pages: Pages) -> str:
    """Return one page in Markdown with all commands."""
    text = ["# Commands", "", f"{NUMBERS.replace('<(...)', '`<(...)`').replace(' - ', ' `-` ')}"]
    text += ["`--json` prints one JSON object: the answer, or `error` with `message`, `kind` and"]
    text += ["`exit_code`. This page is what `jaxscale man --markdown` prints.", ""]
    text += ["| exit code | |", "|---|---|"]
    text += [f"| {code} | {what} |" for code, what in CODES]
    for group in dict.fromkeys(row.group for row in COMMANDS.values()):
        rows = {name: row for name, row in COMMANDS.items() if row.group == group}
        text += ["", f"| {group} | |", "|---|---|"]
        text += [f"| [{name}](#{name}) | {_cell(row.help)} |" for name, row in rows.items()]
    for name, row in COMMANDS.items():
        about = re.sub(r"(?m)^  ", "    ", pages[name].description or row.help)
        text += ["", f"## {name}", "", about, "", "```text", synopsis(name, pages[name]), "```"]
        text += ["", "```sh", *command_named(name).EXAMPLES, "```"]
        for title, actions in sections(pages[name]):
            text += ["", f"| {title} | | default |", "|---|---|---|"]
            for action in actions:
                said, default = meaning(action)
                given = invocation(action).replace("|", r"\|")
                text.append(f"| `{given}` | {_cell(said)} | {_cell(default)} |")
    return "\n".join(text)


def _cell(text: str) -> str:
    """Return text that Markdown shows as it is within a table; what stands in backticks is code."""
    parts = re.split(r"(`[^`]*`)", " ".join(text.split()))
    return "".join(
        part.replace("|", r"\|") if part[:1] == "`" else ESCAPED.sub(r"\\\1", part)
        for part in parts
    )
